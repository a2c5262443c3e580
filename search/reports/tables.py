"""Rows as text in columns or as a Markdown table; numbers for JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence

from programs.program import printable

Rows = Sequence[Sequence[str]]
"""The first row is the head."""


def columns(rows: Rows) -> str:
    """Rows as text in columns, the head underlined; names in them may be anybody's."""
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)) for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(line.rstrip() for line in lines)


def markdown_table(rows: Rows) -> list[str]:
    """Rows as the lines of a Markdown table; names in them may be anybody's."""
    head, *rest = [[printable(cell).replace("|", r"\|") for cell in row] for row in rows]
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rest)]


def finite_or_none(value: float) -> float | None:
    """JSON has neither infinities nor NaN."""
    return value if math.isfinite(value) else None
