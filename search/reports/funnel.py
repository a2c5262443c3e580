"""The funnel as text: a table, a page, JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from search.reports.tables import columns
from search.selection.comparison import Comparison
from search.selection.stages import Entry, Funnelled, Stage

REPORT = "funnel.md"


def table(stages: Sequence[Stage]) -> str:
    """The funnel as text, one row per stage."""
    head = ("stage", "tasks", "in", "promoted", "best", "fitness", "less the baseline", "p")
    return columns([head, *map(_row, stages)])


def markdown(stages: Sequence[Stage]) -> str:
    """The funnel as a Markdown table, one row per program and stage."""
    lines = [
        "| stage | program | fitness | less the baseline | p | goes on |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for stage in stages:
        for entry in (*stage.baselines, *stage.entries):
            if entry.against is None:
                cells = (stage.name, entry.name, _fitness(entry), "baseline", "", "")
            else:
                goes = "yes" if entry.promoted else "no"
                less = f"{_interval(entry.against)} ({entry.baseline})"
                cells = stage.name, entry.name, _fitness(entry), less, f"{entry.p:.2g}", goes
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _row(stage: Stage) -> tuple[str, ...]:
    best = stage.entries[0]
    promoted = f"{len(stage.promoted)}{'' if stage.beat else ' (best)'}"
    assert best.against is not None
    return (
        stage.name,
        ", ".join(stage.tasks),
        str(len(stage.entries)),
        promoted,
        best.name,
        _fitness(best),
        f"{_interval(best.against)} {best.baseline}",
        f"{best.p:.2g}",
    )


def _fitness(entry: Entry) -> str:
    return f"{entry.mean:.5g}" if math.isfinite(entry.mean) else "none"


def _interval(c: Comparison) -> str:
    if not math.isfinite(c.mean):
        return f"no fitness on {c.failed} seeds"
    return f"{c.mean:+.4g} [{c.low:+.4g}, {c.high:+.4g}]"


def write_report(run_dir: Path, done: Funnelled) -> None:
    """Writes the funnel's page into the run directory."""
    (run_dir / REPORT).write_text(report(done))


def report(done: Funnelled) -> str:
    """The funnel as a page: every program in every stage, and the texts of the last ones."""
    lines = ["# Funnel", "", *outcome(done), "", markdown(done.stages), ""]
    for entry in (*done.confirmed, *(done.stages[-1].baselines if done.stages else ())):
        lines += [f"{entry.name}, as tuned for the last stage:", "", "```python",
                  str(entry.program).rstrip(), "```", ""]  # fmt: skip
    return "\n".join(lines)


def outcome(done: Funnelled) -> list[str]:
    """What came out, in words."""
    said = [
        f"{name} is a baseline with other constants: no candidate, but a starting point of that "
        "baseline's tuning."
        for name in done.variants
    ]
    if done.confirmed:
        names, level = ", ".join(e.name for e in done.confirmed), done.stages[-1].level
        better = f"Better than every baseline on fresh seeds, at a family-wise level of {level:g}"
        return [*said, f"{better}: {names}."]
    why = f"none got past stage {done.stages[-1].name}" if done.stages else "there is no candidate"
    return [*said, f"No program is shown to be better than the baselines: {why}."]
