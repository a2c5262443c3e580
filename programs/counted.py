"""How many of what, in words that agree."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """ "1 state", "2 states", "1,000 searches"; `noun` is the singular of a regular plural."""
    ending = "es" if noun.endswith("ch") else "s"
    return f"{count:,} {noun}{'' if count == 1 else ending}"
