"""The funnel's stages: tune, score on fresh seeds, let those go on that beat the baselines.

A candidate comes with constants that thousands of evaluations have chosen. So that it is not
confirmed for these alone, the baselines are tuned broadly before the first stage, and a candidate
that is a baseline but for its constants is a starting point of that tuning, not a candidate.

Each stage draws its own seeds, and scores on the meta-validation split, which neither the search
nor the tuning sees; the last stage's survivors are scored once more, on seeds by which nothing was
chosen, and Holm's correction holds the chance that any finalist is a false one. The same examples
validate all stages, so the level holds over seeds, given those examples.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from programs import Program, live_across_steps
from search.config.selection import FunnelSettings, StageSettings
from search.evaluation import seeds
from search.evaluation.request import META, Request, Scorer, scaled
from search.selection.comparison import Comparison, compare, hardest, holm, mean_over_tasks
from search.selection.families import is_variant
from search.selection.ledger import Expected
from search.selection.tuning import tune

FINALS = "finals"


@dataclass(frozen=True)
class Entry:
    """One program in one stage."""

    name: str
    program: Program  # with the constants that this stage's tuning gave it
    fitness: tuple[float, ...]  # [seeds] on fresh seeds, mean over tasks
    against: Comparison | None  # the baseline that it came out worst of; None for a baseline
    baseline: str = ""  # that baseline's name
    p: float = 1.0  # of `against`; adjusted for the number of finalists in the finals
    promoted: bool = False

    @property
    def mean(self) -> float:
        return fmean(self.fitness) if all(map(math.isfinite, self.fitness)) else -math.inf


@dataclass(frozen=True)
class Stage:
    """What came of one stage: entries and baselines, each the best first."""

    name: str
    tasks: tuple[str, ...]
    level: float
    beat: bool
    entries: tuple[Entry, ...]
    baselines: tuple[Entry, ...]
    weights: tuple[float, ...] | None = None  # of the tasks; None: all equal

    @property
    def promoted(self) -> tuple[Entry, ...]:
        return tuple(entry for entry in self.entries if entry.promoted)


@dataclass(frozen=True)
class Funnelled:
    """All stages; none if every candidate was a baseline with other constants."""

    stages: tuple[Stage, ...]
    variants: tuple[str, ...] = ()  # what was a baseline with other constants

    @property
    def confirmed(self) -> tuple[Entry, ...]:
        """Better than every baseline, tuned alike, on fresh seeds; the best first."""
        return next((stage.promoted for stage in self.stages if stage.name == FINALS), ())


Named = tuple[str, Program]


def run_stages(
    candidates: Sequence[Named],
    baselines: Sequence[Named],
    score: Scorer,
    tasks: Sequence[str],
    settings: FunnelSettings,
    seed: int = 0,
    weights: Sequence[float] | None = None,
    done: Callable[[Stage], None] = lambda _: None,
    searched: bool = True,
) -> Funnelled:
    """Candidates through all stages; ends early when none goes on.

    Args:
      candidates, baselines: names, which must differ, and programs.
      score: runs the trainings; a stage's are asked for together.
      tasks, weights: of the search; a stage takes them at its scale, or its own with equal weights.
      done: called with each stage that has ended.
      searched: whether the candidates' constants come out of a search; else they get the baselines'
        head start, too.
    """
    stages: list[Stage] = []
    alike = [[c for c in candidates if is_variant(c[1], of=b)] for _, b in baselines]
    variants = tuple(dict.fromkeys(name for own in alike for name, _ in own))
    candidates = [c for c in candidates if c[0] not in variants]
    if not candidates:
        return Funnelled((), variants)
    starting = [*baselines, *(() if searched else candidates)]
    others = [*([p for _, p in own] for own in alike), *([] for _ in starting[len(baselines) :])]
    names = tuple(scaled(task, 1) for task in tasks)
    programs = [program for _, program in starting]
    tuned = tune(
        programs, score, names, settings.head_start, seeds.HEAD_START.first, seed, weights, others
    )
    named = [(name, t.program) for (name, _), t in zip(starting, tuned)]
    references, candidates = named[: len(baselines)], named[len(baselines) :] or candidates
    for number, stage in enumerate(settings.stages):
        names = tuple(scaled(task, stage.scale) for task in stage.tasks or tasks)
        shares = None if stage.tasks else weights
        first = seeds.STAGE_TUNING.take(stage.tuning.seeds, block=number).start
        programs = [live_across_steps(program) for _, program in (*references, *candidates)]
        tuned = tune(programs, score, names, stage.tuning, first, seed + number + 1, shares)
        named = [(name, t.program) for (name, _), t in zip((*references, *candidates), tuned)]
        fresh = seeds.STAGE.take(stage.seeds, block=number)
        found = _compared(stage.name, named, len(references), score, names, fresh, shares, stage)
        stages.append(found)
        done(found)
        references = named[: len(references)]
        candidates = [(entry.name, entry.program) for entry in found.promoted]
        if not candidates:
            return Funnelled(tuple(stages), variants)
    fresh = seeds.FINALS.take(settings.finals.seeds)
    named = [*references, *candidates]
    stages.append(_compared(FINALS, named, len(references), score, names, fresh, shares, settings))
    done(stages[-1])
    return Funnelled(tuple(stages), variants)


def _compared(
    name: str,
    named: Sequence[Named],
    references: int,
    score: Scorer,
    tasks: tuple[str, ...],
    seeds: range,
    weights: Sequence[float] | None,
    rules: StageSettings | FunnelSettings,
) -> Stage:
    """Scores programs on fresh seeds, the first `references` of which are the baselines."""
    final = isinstance(rules, FunnelSettings)
    level = rules.finals.level if isinstance(rules, FunnelSettings) else rules.level
    beat, keep = (True, len(named)) if final else (rules.beat, rules.keep)  # type: ignore[union-attr]
    fitness = score(
        [Request(p, task, seed, META) for _, p in named for task in tasks for seed in seeds]
    )
    size = len(tasks) * len(seeds)
    rows = []
    for at in range(0, len(fitness), size):
        by_task = [fitness[at + i : at + i + len(seeds)] for i in range(0, size, len(seeds))]
        rows.append(tuple(mean_over_tasks(by_task, weights)))
    baselines = [Entry(n, p, row, None) for (n, p), row in zip(named[:references], rows)]
    entries = []
    for (entry_name, program), row in zip(named[references:], rows[references:]):
        against = {b.name: compare(row, b.fitness, level) for b in baselines}
        worst = hardest(list(against.values()))
        baseline = next(key for key, value in against.items() if value is worst)
        entries.append(Entry(entry_name, program, row, worst, baseline, worst.p))
    adjusted = holm([e.p for e in entries]) if final else [e.p for e in entries]
    passing = [
        i
        for i, (entry, p) in enumerate(zip(entries, adjusted))
        if math.isfinite(entry.mean) and (p <= level or not beat)
    ]
    passing.sort(key=lambda i: -entries[i].mean)
    through = set(passing[:keep])
    marked = [
        Entry(e.name, e.program, e.fitness, e.against, e.baseline, adjusted[i], i in through)
        for i, e in enumerate(entries)
    ]
    ranked = sorted(marked, key=lambda e: (not e.promoted, -e.mean))
    baselines.sort(key=lambda e: -e.mean)
    shares = None if weights is None else tuple(weights)
    return Stage(name, tasks, level, beat, tuple(ranked), tuple(baselines), shares)


def expected_trainings(
    candidates: int, baselines: int, tasks: int, settings: FunnelSettings, searched: bool = True
) -> Expected:
    """What the funnel takes if as many programs as allowed go on."""
    starting = baselines if searched else baselines + candidates
    trainings = starting * tasks * settings.head_start.trainings
    compute = float(trainings)
    for stage in settings.stages:
        own = len(stage.tasks) if stage.tasks else tasks
        count = (candidates + baselines) * own * (stage.tuning.trainings + stage.seeds)
        trainings, compute = trainings + count, compute + stage.scale * count
        candidates = min(candidates, stage.keep)
    count = (candidates + baselines) * own * settings.finals.seeds
    return Expected(trainings + count, compute + stage.scale * count)


def stage_json(stage: Stage) -> str:
    """A stage as JSON, for the store; a fitness that is not there is null."""

    def number(value: float) -> float | None:
        return value if math.isfinite(value) else None

    def described(entry: Entry) -> dict[str, Any]:
        c = entry.against
        return {
            "name": entry.name,
            "program": str(entry.program),
            "fitness": [number(value) for value in entry.fitness],
            "baseline": entry.baseline,
            "difference": None if c is None else number(c.mean),
            "interval": None if c is None else [number(c.low), number(c.high)],
            "p": entry.p,
            "promoted": entry.promoted,
        }

    return json.dumps(
        {
            "name": stage.name,
            "tasks": stage.tasks,
            "level": stage.level,
            "beat": stage.beat,
            "entries": [described(entry) for entry in stage.entries],
            "baselines": [described(entry) for entry in stage.baselines],
        }
    )
