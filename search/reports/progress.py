"""How a search shows its progress: a live table on a terminal, else plain lines, or JSON lines."""

from __future__ import annotations

import json
import logging
import math
import os
import sys
import textwrap
import time
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from programs.counted import counted
from search.arguments import check_choice
from search.evolution.counters import Statistics
from search.selection.ledger import Progress
from search.workers.pool import Pool

LINES_EVERY_S = 10.0  # between two lines of progress

_logger = logging.getLogger("search")


class Lines:
    """Progress of the funnel and of what follows it: one line now and then."""

    def __init__(self, view: str = "plain"):
        """view: how a search shows its progress; one of KINDS, or LOG."""
        self._view, self._phase, self._due = view, "", 0.0

    def __call__(self, progress: Progress) -> None:
        """Shows it when a line is due, or a new phase has begun."""
        if progress.phase == self._phase and time.monotonic() < self._due:
            return
        self._phase, self._due = progress.phase, time.monotonic() + LINES_EVERY_S
        self.line("progress", progress_line(progress))

    def line(self, what: str, text: str) -> None:
        """Shows a line; what: its key in the view `json`."""
        if self._view in ("json", LOG):
            say(self._view, what, text)
        else:
            print(text, file=sys.stderr, flush=True)


def progress_line(progress: Progress) -> str:
    """How far a phase of the conclusion is."""
    if progress.expected is None and not progress.done + progress.reused:
        return progress.phase
    line = f"{progress.phase}: {counted(progress.done, 'training')} run"
    if progress.reused:
        line += f", {progress.reused} reused"
    if progress.expected is not None:
        line += f", of at most {progress.expected.trainings}"
    left = progress.left_s()
    return f"{line}; at most {duration(left)} left in it" if left == left else line


Figures = dict[str, float | int | str | None]

KINDS = ("auto", "rich", "plain", "json")
LOG = "log"  # the view of a search from Python: lines for logging.getLogger("search")
EVERY_S = {"rich": 0.5, "plain": 10.0, "json": 10.0, LOG: 10.0}


class View:
    """Draws the statistics every now and then; cheap to call often."""

    def __init__(
        self,
        kind: str,
        statistics: Statistics,
        pool: Pool,
        *,
        file: TextIO | None = None,
    ):
        """kind: one of KINDS, or LOG."""
        file = file or sys.stdout
        self.statistics, self._pool, self._file = statistics, pool, file
        is_screen = file.isatty() and os.environ.get("TERM") != "dumb"
        self.kind = ("rich" if is_screen else "plain") if kind == "auto" else kind
        self._due, self._best = 0.0, ""
        console = Console(file=file, force_terminal=self.kind == "rich" or None)
        self._live = Live(console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> View:
        self.statistics.started = time.monotonic()
        if self.kind == "rich":
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.show(now=True)
        self._live.stop()

    def figures(self) -> Figures:
        """All figures by name."""
        busy = self._pool.busy_seconds / (self._pool.count * self.statistics.elapsed_s)
        return self.statistics.figures(busy)

    def show(self, now: bool = False) -> None:
        """Draws when it is time."""
        if not now and time.monotonic() < self._due:
            return
        self._due = time.monotonic() + EVERY_S[self.kind]
        figures = self.figures()
        if self.kind == "rich":
            self._live.update(_panel(figures, self.statistics.best_text), refresh=True)
        elif self.kind == "json":
            print(json.dumps(_finite(figures)), file=self._file, flush=True)
        elif self.kind == LOG:
            _logger.info(plain_line(figures))
        else:
            print(plain_line(figures), file=self._file, flush=True)
            if self._best != self.statistics.best_text:
                self._best = self.statistics.best_text
                print(textwrap.indent(self._best.rstrip(), "    "), file=self._file, flush=True)


def check_view(view: str) -> None:
    """Raises ValueError unless there is such a view."""
    check_choice("view", view, (*KINDS, LOG))


def say(view: str, what: str, text: str) -> None:
    """Prints a text; in the view `json` as a JSON line, so that there is nothing else; in the view
    `log` it goes to the logger."""
    if view == LOG:
        level = logging.WARNING if what == "warning" else logging.INFO
        _logger.log(level, text)
        return
    print(json.dumps({what: text}) if view == "json" else text, flush=True)


def _finite(figures: Figures) -> Figures:
    """JSON has no infinities."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in figures.items()
    }


def plain_line(figures: Figures) -> str:
    """One line with what matters most."""
    if not figures["individuals"]:
        spent = duration(float(figures["elapsed_s"] or 0))
        return (
            f"0/{figures['target']} individuals after {spent}: workers start and compile their "
            "tasks"
        )
    left = "?" if figures["left_s"] is None else duration(float(figures["left_s"]))
    return (
        f"{figures['individuals']}/{figures['target']} individuals, {left} left | "
        f"{figures['children_per_s']:.0f} children/s, {figures['evaluations_per_s']:.1f} "
        f"evaluations/s, workers {figures['workers_busy']:.0%} busy | "
        f"hits {figures['functional_hits']:.1%} functional, {figures['canonical_hits']:.1%} "
        f"canonical, {figures['behavioural_hits']:.1%} behavioural | "
        f"redundant {figures['redundant']:.0%}, invalid {figures['invalid']:.0%}, diverged "
        f"{figures['diverged']:.0%}, wasted training time {figures['wasted_time']:.0%} | "
        f"best {figures['best_fitness']:.5g} "
        f"(start {figures['start_fitness']:.5g})"
    )


def duration(seconds: float) -> str:
    """Seconds for people: 45 s, 3 min 20 s, 2 h 05 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


_ROWS = (
    ("children / s", "children_per_s", ".0f"),
    ("evaluations / s", "evaluations_per_s", ".1f"),
    ("workers busy", "workers_busy", ".0%"),
    ("functional hits", "functional_hits", ".1%"),
    ("canonical hits", "canonical_hits", ".1%"),
    ("behavioural hits", "behavioural_hits", ".1%"),
    ("invalid children", "invalid", ".1%"),
    ("redundant statements", "redundant", ".1%"),
    ("not worth training", "not_trained", ".1%"),
    ("diverged", "diverged", ".1%"),
    ("behind at a hurdle", "behind", ".1%"),
    ("crashed or hung", "failed", ".1%"),
    ("wasted training time", "wasted_time", ".1%"),
    ("fitness of the start", "start_fitness", ".5g"),
    ("best fitness", "best_fitness", ".5g"),
)


def _panel(figures: Figures, best_text: str) -> Panel:
    table = Table.grid(padding=(0, 2))
    for label, name, form in _ROWS:
        table.add_row(label, Text(format(figures[name], form), justify="right"))
    both = Table.grid(padding=(0, 4))
    both.add_row(table, Text(best_text))
    count, target = int(figures["individuals"] or 0), int(figures["target"] or 1)
    left = "?" if figures["left_s"] is None else duration(float(figures["left_s"]))
    spent = duration(float(figures["elapsed_s"] or 0))
    title = f"{count:,} of {target:,} individuals, {spent}, {left} left"
    rows = Table.grid()
    rows.add_row(ProgressBar(total=target, completed=count))
    rows.add_row(both)
    return Panel(rows, title=title)
