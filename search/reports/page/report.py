"""The page of one run or of several."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from search.reports.page.course import compared
from search.reports.page.document import Section, document
from search.reports.page.html import Html, join, table
from search.reports.page.run import RunPart, run_part
from search.reports.verbs.individuals import fitness_text


def report(run_dirs: Sequence[Path], *, refresh_s: float = 0.0) -> str:
    """The page as text. Raises StoreError, ConfigError.

    refresh_s: see `document`.
    """
    runs = [run_part(run_dir, f"run{i}") for i, run_dir in enumerate(run_dirs, start=1)]
    names = _names(runs)
    sections: list[Section] = []
    if len(runs) > 1:
        sections.append(Section("runs", "The runs compared", _compared(names, runs)))
    for i, (name, run) in enumerate(zip(names, runs), start=1):
        parts = [Section(*part) for part in run.parts]
        sections.append(Section(f"run{i}", f"Run {name}", Html(), parts))
    return document(f"Search report: {', '.join(names)}", sections, refresh_s=refresh_s)


def _names(runs: Sequence[RunPart]) -> list[str]:
    """Of the directories, numbered where they are not different."""
    plain = [run.name for run in runs]
    return [
        name if plain.count(name) == 1 else f"{name} ({i})" for i, name in enumerate(plain, start=1)
    ]


def _compared(names: Sequence[str], runs: Sequence[RunPart]) -> Html:
    head = (
        "run", "repeats", "individuals", "distinct programs", "best fitness", "warm start",
        "known, functional", "redundant",
    )  # fmt: skip
    rows = [
        (
            name,
            str(len(run.course)),
            f"{run.facts['individuals']:,}",
            f"{run.facts['programs']:,}",
            fitness_text(run.facts["best_fitness"]),
            fitness_text(run.facts["start_fitness"]),
            f"{run.facts['functional_hits']:.1%}",
            f"{run.facts['redundant']:.1%}",
        )
        for name, run in zip(names, runs)
    ]
    courses = [(name, run.course) for name, run in zip(names, runs)]
    return join([compared(courses), table(head, rows, "Fitness is of the search's own tasks and "
                 "can be compared only where these are the same")])  # fmt: skip
