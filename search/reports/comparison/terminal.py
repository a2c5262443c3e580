"""A comparison on the terminal: one table for each condition, a profile, sentences."""

from __future__ import annotations

import sys
from typing import TextIO

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from programs.counted import counted
from search.comparing.compare import ComparisonResult
from search.reports.comparison.rows import PROFILE_HEAD, cells, facts, head, profile_rows, size
from search.reports.comparison.sentences import findings, warnings

WIDE = 220  # columns where the output is no terminal


def show(result: ComparisonResult, file: TextIO | None = None) -> None:
    """Prints the tables, what they say, and the warnings."""
    file = file or sys.stdout
    console = Console(file=file, width=None if file.isatty() else WIDE, highlight=False)
    for condition in result.conditions:
        title = Text(f"{condition.label}: {size(condition)}")
        table = Table(title=title, box=SIMPLE, title_justify="left")
        for name in head(condition):
            table.add_column(name, overflow="fold")
        for row in facts(result, condition):
            table.add_row(*map(Text, cells(condition, row)))
        console.print(table)
    profile = Table(
        title=Text("Performance profile: share of the tuning runs in which it reaches the "
                   "baseline's result within so many times the steps of the best"),
        box=SIMPLE, title_justify="left",
    )  # fmt: skip
    for name in PROFILE_HEAD:
        profile.add_column(name)
    for cells_ in profile_rows(result):
        profile.add_row(*map(Text, cells_))
    console.print(profile)
    for line in findings(result):
        console.print(Text(line))
    for line in warnings(result):
        console.print(Text(f"warning: {line}"))
    console.print(Text(f"{counted(result.trained, 'training')} run, {result.reused:,} reused."))
