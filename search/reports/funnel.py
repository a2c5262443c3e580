"""The funnel as text: a table, a page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from programs.counted import counted
from search.reports.measurements import confidence, interval, mean_fitness, p_value, states
from search.reports.tables import columns, markdown_table
from search.selection.results import FunnelResult, StageEntry, StageResult
from search.selection.update_form import update_form
from search.storage.files import write_file

REPORT = "funnel.md"


def table(stages: Sequence[StageResult]) -> str:
    """The funnel as text, one row per stage, and the level of its intervals."""
    head = (
        "stage", "tasks", "candidates", "promoted", "best", "fitness", "minus strongest baseline",
        "p",
    )  # fmt: skip
    return "\n".join([columns([head, *map(_stage_row, stages)]), *level_of_intervals(stages)])


def level_of_intervals(stages: Sequence[StageResult]) -> list[str]:
    """A line, with the stages' names where they differ; none without stages."""
    named: dict[str, list[str]] = {}
    for stage in stages:
        against = stage.entries[0].against
        assert against is not None
        named.setdefault(confidence(against.level), []).append(stage.name)
    if len(named) < 2:
        return [f"Intervals are at {level}." for level in named]
    parts = [f"{level} ({', '.join(names)})" for level, names in named.items()]
    return [f"Intervals are at {' and '.join(parts)}."]


def markdown(stages: Sequence[StageResult]) -> list[str]:
    """The funnel as a Markdown table, one row per program and stage."""
    head = "stage", "program", "fitness", "compared on", "minus strongest baseline", "p", "promoted"
    rows: list[tuple[str, ...]] = [head]
    for stage in stages:
        for entry in (*stage.baselines, *stage.entries):
            row = stage.name, entry.name, mean_fitness(entry.fitness), _pairs(entry, stage)
            if entry.against is None:
                rows.append((*row, "baseline", "", ""))
            else:
                difference = f"{interval(entry.against, stage.unit)} ({entry.rival})"
                p = p_value(entry.p, entry.margin)
                rows.append((*row, difference, p, promotion(stage, entry)))
    return markdown_table(rows)


def promotion(stage: StageResult, entry: StageEntry) -> str:
    """Whether a candidate was promoted, and why."""
    if entry.promoted:
        return "yes" if stage.beat else "yes: among the best, not tested"
    if not math.isfinite(entry.mean):
        return f"no: no fitness on some of the {stage.unit}"
    if stage.beat and entry.worse_on:
        return f"no: clearly worse on {entry.worse_on}"
    if stage.beat and entry.p > stage.level:
        return f"no: p is above {stage.level:g}"
    if any(entry.need_not_beat for entry in stage.entries):  # each number of states has its places
        rivals = [one for one in stage.promoted if one.states == entry.states]
        return f"no: not among the best {len(rivals)} with {states(entry.states)}"
    return f"no: not among the best {len(stage.promoted)}"


def _pairs(entry: StageEntry, stage: StageResult) -> str:
    """How many values the fitness and the comparison of a program are of."""
    return counted(len(entry.fitness), stage.unit.removesuffix("s"))


def _counts(stage: StageResult) -> set[int]:
    """Of values of the promoted programs: several where they passed in different looks."""
    return {len(entry.fitness) for entry in stage.promoted}


def _over(entry: StageEntry, stage: StageResult) -> str:
    """On how many it was compared, where that differs."""
    return f" over {_pairs(entry, stage)}" if len(_counts(stage)) > 1 else ""


def _stage_row(stage: StageResult) -> tuple[str, ...]:
    best = stage.entries[0]
    assert best.against is not None
    return (
        stage.name,
        ", ".join(stage.tasks),
        str(len(stage.entries)),
        f"{len(stage.promoted)}{'' if stage.beat else ' (best, not tested)'}",
        best.name,
        mean_fitness(best.fitness),
        f"{interval(best.against, stage.unit)} {best.rival}",
        p_value(best.p, best.margin),
    )


def write_report(run_dir: Path, done: FunnelResult) -> None:
    """Writes the funnel's page into the run directory."""
    write_file(run_dir / REPORT, report(done))


def report(done: FunnelResult) -> str:
    """The funnel as a page: every program in every stage, what kind of update each candidate makes,
    and the texts of the last ones."""
    lines = ["# Funnel", "", *outcome(done), ""]
    if done.stages:
        forms = [(e.name, update_form(e.program).value) for e in done.stages[0].entries]
        lines += [*markdown(done.stages), "", *level_of_intervals(done.stages), ""]
        lines += markdown_table([("program", "its update"), *forms])
        lines.append("")
    for entry in (*done.confirmed, *(done.stages[-1].baselines if done.stages else ())):
        lines += [f"{entry.name}, as tuned for the last stage:", "", "```python",
                  str(entry.program).rstrip(), "```", ""]  # fmt: skip
    return "\n".join(lines)


def outcome(done: FunnelResult) -> list[str]:
    """What came out, in words."""
    lines = [
        f"{name} is a baseline with other constants: no candidate, but a starting point of that "
        "baseline's tuning."
        for name in done.variants
    ]
    if done.confirmed:
        last = done.stages[-1]
        where = "on fresh seeds"
        if last.unit == "tunings" and len(_counts(last)) == 1:
            where = f"over {_pairs(done.confirmed[0], last)} of each, {where}"
        level = f"{where}, at a family-wise level of {last.level:g}"
        better = [e for e in done.confirmed if not e.need_not_beat]
        as_good = [_as_good(e, last) for e in done.confirmed if e.need_not_beat]
        if better:
            names = ", ".join(f"{entry.name}{_over(entry, last)}" for entry in better)
            lines.append(f"Better than every baseline{_by(better[0])} {level}: {names}.")
        if as_good:
            lines.append(f"As good with fewer states {level}: {', '.join(as_good)}.")
        return lines
    why = f"none got past stage {done.stages[-1].name}" if done.stages else "there is no candidate"
    return [*lines, f"No program is shown to be better than the baselines: {why}."]


def _as_good(entry: StageEntry, stage: StageResult) -> str:
    """What it is better than, and what it is not worse than though it needs fewer states."""
    larger = entry.need_not_beat
    more = " or ".join(map(str, sorted({b.states for b in stage.baselines if b.name in larger})))
    beaten = [name for name in entry.by_baseline if name not in larger]
    better = f"better than {', '.join(beaten)}{_by(entry)}, and " if beaten else ""
    return (
        f"{entry.name}{_over(entry, stage)} ({states(entry.states)} instead of {more}: {better}"
        f"not worse than {', '.join(larger)} by {-entry.margin:g})"
    )


def _by(entry: StageEntry) -> str:
    """How much better than a baseline it is shown to be, where the funnel asks for a least gain."""
    least = max([0.0, *(one.margin for one in entry.by_baseline.values())])
    return f" by more than {least:g}" if least else ""
