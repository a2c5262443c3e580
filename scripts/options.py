"""Options of scripts, and how a mistake in them is told."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from checkout import ROOT

from proxy_tasks.console import OneLineParser

MOST = 10**9


class Parser(OneLineParser):
    """Of a script; options cannot be abbreviated, and a mistake is one line."""

    def __init__(self, script: str, description: str):
        """script: its file; description: its docstring."""
        super().__init__(
            prog=str(Path(script).resolve().relative_to(ROOT)),
            description=description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    def add_functions_file(self) -> None:
        self.add_argument(
            "--functions-file", metavar="FILE", help="Python file with functions of your own"
        )


def whole(least: int) -> Callable[[str], int]:
    """A whole number from `least` to 10^9."""

    def read(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= MOST:
            expected = f"expected a whole number from {least} to 10^9"
            raise argparse.ArgumentTypeError(f"{expected}, got {text!r}")
        return int(text)

    return read


def minutes(text: str) -> float:
    """Of a piece of what goes on later; 0 shows what there is."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected minutes, from 0 on, got {text!r}")
    return value
