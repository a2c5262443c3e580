"""How often a funnel confirms something where there is nothing: searches and funnels, many times.

shuffled   the tasks' labels are shuffled, so that there is nothing to learn; evolution, then funnel
baseline   constants alone evolve, in a program that computes what the baseline does and has one
           constant more (a factor of the update), so that the funnel does not set it aside as the
           baseline itself, which it would; then funnel

A share of at most the funnel's level is promised: `search/selection/comparison.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from scipy import stats

from programs import Program, Statement, load
from programs.program import OUTPUT
from search import api
from search.config.selection import FINALS_STAGE, FunnelSettings
from search.config.settings import Config
from search.evaluation.source import Fitness
from search.reports.tables import columns, finite_or_none
from search.selection.funnel import Setup
from search.selection.results import FunnelResult
from search.storage.files import write_file
from search.studies.folder import Folder
from search.studies.intervals import LEVEL, share_of
from search.studies.searches import Asked, Planned, changed, has_fitness

Kind = Literal["shuffled", "baseline"]
KINDS: tuple[Kind, ...] = ("shuffled", "baseline")


def plan(
    config: Config, source: Fitness, folder: Folder, *, kinds: Sequence[Kind], repeats: int
) -> list[Planned]:
    """Searches of each kind with as many seeds, in turn."""
    tasks = {
        task: {**config.evaluation.settings.get(task, {}), "shuffled_labels": True}
        for task in config.evaluation.tasks
    }
    start = folder.path / "baseline.py"
    if "baseline" in kinds:
        write_file(start, str(disguised(load(config.evolution.warm_start[0]))))
    same: dict[str, Any] = {
        "evolution.repeats": 1,
        "evolution.migration_interval": None,
        "evolution.rounds": 1,
        "stop": {},
        "funnel": None,
        "rescore.programs": 0,
    }
    of_kind: dict[Kind, dict[str, Any]] = {
        "shuffled": {"evaluation.settings": tasks},
        "baseline": {"evolution.mode": "tune", "evolution.warm_start": [str(start)]},
    }
    return [
        Planned(kind, seed, changed(config, source, {**of_kind[kind], **same, "seed": seed}))
        for seed in range(config.seed, config.seed + repeats)
        for kind in kinds
    ]


def disguised(program: Program) -> Program:
    """The same with a factor of its update as a constant more."""
    factor = Statement(OUTPUT, "multiply", (OUTPUT, 1.0))
    return replace(program, statements=(*program.statements, factor))


def funnel_after(
    planned: Planned, run_dir: Path, stopping: Asked, *, settings: FunnelSettings
) -> dict[str, Any]:
    """What a funnel confirms of the best of a search: nothing where no program has a fitness."""
    if not has_fitness(run_dir):
        return {"stages": [], "set_aside": 0, "confirmed": []}
    setup = Setup.of(planned.config)
    result = api.funnel(run_dir=run_dir, setup=setup, settings=settings, stopping=stopping)
    return outcome(result)


def outcome(result: FunnelResult) -> dict[str, Any]:
    """The last comparison of each stage, as plain values."""
    stages = []
    for stage in result.stages:
        best = stage.entries[0]
        against = best.against
        assert against is not None
        stages.append(
            {
                "stage": stage.name,
                "candidates": len(stage.entries),
                "promoted": len(stage.promoted),
                "difference": finite_or_none(against.mean),
                "p": finite_or_none(best.p),
            }
        )
    confirmed = [str(entry.program) for entry in result.confirmed]
    return {"stages": stages, "set_aside": len(result.variants), "confirmed": confirmed}


def summary(results: Sequence[dict[str, Any]], level: float) -> tuple[dict[str, Any], list[str]]:
    """How many of each kind confirmed anything, as plain values and as lines.

    level: the promised share at most.
    """
    rows = [["kind", "funnels", "reached the finals", "confirmed", "share [95 %]", "p"]]
    numbers: dict[str, Any] = {}
    verdicts = []
    for kind in dict.fromkeys(result["arm"] for result in results):
        of_kind = [result for result in results if result["arm"] == kind]
        false = sum(bool(result["confirmed"]) for result in of_kind)
        finals = sum(map(_has_finals, of_kind))
        share, most = share_of(false, len(of_kind)), most_false(len(of_kind), level)
        # Of so many or more by a share of exactly `level`.
        p = float(stats.binom.sf(false - 1, len(of_kind), level))
        counts = [len(of_kind), finals, false]
        rows.append([kind, *map(str, counts), share.text(".3f"), f"{p:.2g}"])
        numbers[kind] = {"confirmed": false, "finals": finals, "at_most": most, "p": p}
        numbers[kind]["share"] = share.as_json()
        if false > most:
            word = "does not hold"
        elif share.high <= level:
            word = "holds"
        else:  # With none to be expected, fewer than too many says nothing.
            expected = level * len(of_kind) >= 1
            word = "is not contradicted" if expected else "is not decided by so few funnels"
        verdicts.append(
            f"{kind}: a level of {level:g} {word}: {false} of {len(of_kind)}, at most {most}"
        )
    return numbers, [*columns(rows).splitlines(), *verdicts]


def _has_finals(result: dict[str, Any]) -> bool:
    return any(stage["stage"] == FINALS_STAGE for stage in result["stages"])


def most_false(count: int, level: float) -> int:
    """The most of `count` that may be confirmed: more have a chance below 2.5 % where the true
    share is `level` (5 of 40 at 5 %)."""
    return int(stats.binom.ppf(1 - LEVEL, count, level))
