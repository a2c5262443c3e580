"""The funnel's stages: tune, score on fresh seeds, promote those that beat the baselines.

A candidate comes with constants that thousands of evaluations have chosen. So that it is not
confirmed for these alone, the baselines are tuned broadly before the first stage, and a candidate
that equals a baseline except for its constants is a starting point of that tuning, not a candidate.

Each stage draws its own seeds, and scores on the meta-validation split, which neither the search
nor the tuning sees. The last stage's survivors are compared once more, on seeds by which nothing
was chosen, with all tunings repeated several times: no interval over seeds holds the luck of one
tuning. Holm's correction holds the chance that any finalist is a false one. The same examples
validate all stages, so the level holds over tunings and seeds, given those examples and the
constants that the search gave a candidate.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from programs import Program
from search.config.selection import FINALS_STAGE, FinalsSettings, FunnelSettings, StageSettings
from search.evaluation.seeds import FINALS, HEAD_START, STAGE, STAGE_TUNING
from search.selection.families import is_variant
from search.selection.looks import Pairs, PromotionRule, compared
from search.selection.objective import Expected, Objective
from search.selection.results import FunnelResult, NamedProgram, StageResult
from search.selection.retuning import Step, Tunings
from search.selection.tuning import TuningResult, most_trainings, tune

NOISE_SEEDS = 8  # by which the tasks' weights are known to a quarter, with `weigh_by_noise`

Shorten = Callable[[NamedProgram, float | None], Program]
"""Makes a candidate shorter; the number: what it was shown to be above the margin, if anything."""


@dataclass(frozen=True)
class Entrants:
    """The programs that are compared; names differ."""

    baselines: tuple[NamedProgram, ...]
    candidates: tuple[NamedProgram, ...]

    @property
    def programs(self) -> list[Program]:
        """Those of the baselines, then those of the candidates."""
        return [named.program for named in (*self.baselines, *self.candidates)]

    def tuned(self, results: Sequence[TuningResult]) -> Entrants:
        """With the constants that tuning chose, one result for each of `programs`."""
        named = [
            NamedProgram(one.name, result.program)
            for one, result in zip((*self.baselines, *self.candidates), results, strict=True)
        ]
        count = len(self.baselines)
        return Entrants(tuple(named[:count]), tuple(named[count:]))

    def shortened(self, shorten: Shorten, last: Sequence[StageResult]) -> Entrants:
        """The candidates made short, none by more than what the last stage has shown of it."""
        shown = {entry.name: entry.shown for stage in last for entry in stage.entries if stage.beat}
        return Entrants(
            self.baselines,
            tuple(
                NamedProgram(one.name, shorten(one, shown.get(one.name))) for one in self.candidates
            ),
        )

    def compared(
        self, objective: Objective, *, name: str, pairs: Pairs, rule: PromotionRule
    ) -> StageResult:
        """The candidates against the baselines, see `looks.compared`."""
        return compared(
            self.baselines, self.candidates, objective, name=name, pairs=pairs, rule=rule
        )


def run_stages(
    candidates: Sequence[NamedProgram],
    baselines: Sequence[NamedProgram],
    *,
    objective: Objective,
    settings: FunnelSettings,
    seed: int = 0,
    searched: bool = True,
    shorten: Shorten = lambda candidate, _: candidate.program,
    begin: Callable[[str, Expected], None] = lambda *_: None,
    done: Callable[[StageResult], None] = lambda _: None,
) -> FunnelResult:
    """Candidates through all stages; ends early when none is promoted.

    Args:
      objective: the search's; a stage takes its tasks at the stage's scale, or tasks of its own
        with equal weights. A stage's trainings are asked for together.
      seed: of the draws of constants.
      searched: whether the candidates' constants come out of a search; else they get the baselines'
        head start, too.
      shorten: of a stage that asks for it.
      begin, done: called with a stage's name and what it takes at most, and with its result.
    """
    variants = [[c for c in candidates if is_variant(c.program, of=b.program)] for b in baselines]
    names = tuple(dict.fromkeys(variant.name for of_one in variants for variant in of_one))
    entrants = Entrants(tuple(baselines), tuple(c for c in candidates if c.name not in names))
    if not entrants.candidates:
        return FunnelResult((), names)
    others = [[variant.program for variant in of_one] for of_one in variants]
    tunings = _tunings_of(entrants, others=others, searched=searched)
    most = _of_head_start(entrants, objective, others=others, settings=settings, searched=searched)
    begin("head start", most)
    entrants = _head_start(
        entrants, objective, others=others, settings=settings, seed=seed, searched=searched
    )
    tunings.steps.append(Step(objective.scaled(1), settings.head_start))
    stages: list[StageResult] = []
    for number, stage in enumerate(settings.stages):
        here = objective.of_stage(stage)
        if stage.shorten:
            entrants = entrants.shortened(shorten, stages[-1:])
        if searched and not number:
            tunings.enter_all(entrants.candidates)
        begin(f"stage {stage.name}", _of_stage(entrants, here, stage=stage, settings=settings))
        entrants = _tuned(entrants, here, stage=stage, number=number, seed=seed)
        tunings.steps.append(Step(here, stage.tuning))
        if settings.weigh_by_noise:
            known = STAGE_TUNING.take(NOISE_SEEDS, block=number)
            here = here.weighed_by_noise(entrants.baselines[0].program, known)
        rule = _rule(stage, settings)
        pairs = Pairs([[seed] for seed in STAGE.take(stage.most_seeds, block=number)])
        stages.append(entrants.compared(here, name=stage.name, pairs=pairs, rule=rule))
        done(stages[-1])
        entrants = Entrants(entrants.baselines, stages[-1].going_on)
        if not entrants.candidates:
            return FunnelResult(tuple(stages), names)
    finals = _finals(entrants, here, settings=settings, tunings=tunings, seed=seed, begin=begin)
    stages.append(finals)
    done(stages[-1])
    return FunnelResult(tuple(stages), names)


def _tunings_of(
    entrants: Entrants, *, others: Sequence[Sequence[Program]], searched: bool
) -> Tunings:
    """Before the head start, to which the baselines come and candidates that were not searched."""
    tunings = Tunings()
    for baseline, further in zip(entrants.baselines, others):
        tunings.enter(baseline, *further)
    if not searched:
        tunings.enter_all(entrants.candidates)
    return tunings


def _rule(stage: StageSettings, settings: FunnelSettings) -> PromotionRule:
    """Which of a stage's candidates go on."""
    return PromotionRule(
        stage.level,
        stage.beat,
        stage.keep,
        memory_margin=settings.memory_margin,
        least_gain=settings.least_gain,
        looks=stage.looks,
    )


def _head_start(
    entrants: Entrants,
    objective: Objective,
    *,
    others: Sequence[Sequence[Program]],
    settings: FunnelSettings,
    seed: int,
    searched: bool,
) -> Entrants:
    """The baselines tuned broadly on the search's tasks, and so are given candidates."""
    starting = Entrants(entrants.baselines, ()) if searched else entrants
    results = tune(
        starting.programs,
        objective.scaled(1),
        settings=settings.head_start,
        first_seed=HEAD_START.take(settings.head_start.seeds).start,
        draw_seed=seed,
        others=[*others, *([] for _ in starting.candidates)],
    )
    tuned = starting.tuned(results)
    return Entrants(tuned.baselines, entrants.candidates if searched else tuned.candidates)


def _tuned(
    entrants: Entrants, objective: Objective, *, stage: StageSettings, number: int, seed: int
) -> Entrants:
    """All with the constants that are best on a stage's tasks, by the same budget."""
    results = tune(
        entrants.programs,
        objective,
        settings=stage.tuning,
        first_seed=STAGE_TUNING.take(stage.tuning.seeds, block=number).start,
        draw_seed=seed + number + 1,
    )
    return entrants.tuned(results)


def _finals(
    entrants: Entrants,
    objective: Objective,
    *,
    settings: FunnelSettings,
    tunings: Tunings,
    seed: int,
    begin: Callable[[str, Expected], None],
) -> StageResult:
    """The final comparison, on seeds that chose nothing."""
    finals = settings.finals
    rule = PromotionRule(
        finals.level,
        True,
        len(entrants.candidates),
        family_wise=True,
        memory_margin=settings.memory_margin,
        least_gain=settings.least_gain,
        looks=finals.looks,
    )
    named = (*entrants.baselines, *entrants.candidates)
    most = objective.expected(len(named) * finals.most_seeds)
    if finals.tunings > 1:
        each = tunings.expected(named)
        most = Expected(
            most.trainings + finals.most_pairs * each.trainings,
            most.compute + finals.most_pairs * each.compute,
        )
    begin(FINALS_STAGE, most)
    pairs = _final_pairs(finals, tunings, seed=seed + 1 + len(settings.stages))
    return entrants.compared(objective, name=FINALS_STAGE, pairs=pairs, rule=rule)


def _final_pairs(finals: FinalsSettings, tunings: Tunings, *, seed: int) -> Pairs:
    """Tunings with draws and seeds of their own, or seeds alone."""
    seeds = FINALS.take(finals.most_seeds)
    if finals.tunings == 1:
        return Pairs([[one] for one in seeds])
    rows = [seeds[i : i + finals.seeds] for i in range(0, len(seeds), finals.seeds)]
    return Pairs(rows, functools.partial(tunings.again, seed=seed))


def _of_head_start(
    entrants: Entrants,
    objective: Objective,
    *,
    others: Sequence[Sequence[Program]],
    settings: FunnelSettings,
    searched: bool,
) -> Expected:
    starts = [1 + len(further) for further in others]
    starts += [1 for _ in (() if searched else entrants.candidates)]
    each = [most_trainings(settings.head_start, count) for count in starts]
    return objective.expected(sum(each))


def _of_stage(
    entrants: Entrants, objective: Objective, *, stage: StageSettings, settings: FunnelSettings
) -> Expected:
    each = most_trainings(stage.tuning) + stage.most_seeds
    more = NOISE_SEEDS if settings.weigh_by_noise and len(objective.tasks) > 1 else 0
    return objective.expected(len(entrants.programs) * each + more)
