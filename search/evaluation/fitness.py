"""From the evaluations of a program to its one score."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from statistics import fmean

from search.config.settings import EvaluationSettings


class Outcome(Enum):
    """Why a program has the fitness that it has; only COMPLETED gives a finite one."""

    COMPLETED = "trained to the end"
    DIVERGED = "its loss became non-finite or exploded"
    HURDLE = "clearly behind at a hurdle, so ended early"
    NON_FINITE = "not trained: gives non-finite numbers within a few steps on random inputs"
    NEVER_MOVES = "not trained: never moves a weight"
    IGNORES_GRADIENT = "not trained: the same updates whatever the gradient"
    FAILED = "crashed, ran out of memory or hung, alone and more than once"


NOT_TRAINED = (Outcome.NON_FINITE, Outcome.NEVER_MOVES, Outcome.IGNORES_GRADIENT)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One training of a program: one task, one seed."""

    task: str
    seed: int
    fitness: float  # higher is better; -inf unless completed
    outcome: Outcome
    steps: int  # training steps that were run
    checkpoints: tuple[float, ...] = ()  # fitness at the hurdles that were reached
    compile_seconds: float = 0.0
    run_seconds: float = 0.0
    rate: float = 1.0  # factor of the update that the program was trained with


@dataclass(frozen=True, slots=True)
class Score:
    """What a program's evaluations say together."""

    fitness: float
    outcome: Outcome
    by_task: tuple[float, ...] = ()  # [tasks] fitness, mean over seeds; empty unless completed
    checkpoints: tuple[tuple[float, ...], ...] = ()  # [tasks, hurdles] the same at the hurdles
    rate: float = 1.0  # factor of the update that all this was reached with
    by_seed: tuple[float, ...] = ()
    """[seeds so far] fitness, mean over tasks, where seeds are raced for."""


def rejected(outcome: Outcome) -> Score:
    """The score of a program that has no fitness."""
    return Score(-math.inf, outcome)


def mean_so_far(by_seed: Sequence[float], count: int) -> float:
    """The mean over the first seeds, the same to the bit wherever it is asked for."""
    return fmean(by_seed[:count])


def score_of(
    evaluations: Sequence[Evaluation],
    settings: EvaluationSettings,
    start: Sequence[float] = (),
) -> Score:
    """The weighted mean over tasks of the mean over seeds; -inf when any training did not complete.
    Of several rates the best counts of those that were tried on the most seeds.

    Args:
      evaluations: one for each rate, task and seed, or fewer when the last of a rate did not
        complete, another rate was better on the first seed, or a race for seeds was lost.
      settings: tasks, weights, rates and seeds.
      start: `by_seed` of the warm start; what the seeds that a program lacks change is the same for
        both.
    """
    scores: list[tuple[int, Score]] = []
    for rate in rates_tried(evaluations, settings):
        own = [evaluation for evaluation in evaluations if evaluation.rate == rate]
        score = replace(_at_one_rate(own, settings, start), rate=rate)
        scores.append((len(own) if score.outcome is Outcome.COMPLETED else 0, score))
    # Of equal ones the first.
    return max(scores, key=lambda counted: (counted[0], counted[1].fitness))[1]


def rates_tried(
    evaluations: Sequence[Evaluation], settings: EvaluationSettings
) -> tuple[float, ...]:
    """In the order in which they were tried: the first of the config's, each times one factor (see
    `evaluation.match_size`), whatever the order of the evaluations."""
    tried = {evaluation.rate for evaluation in evaluations}
    for factor in sorted(tried):
        rates = tuple(rate * factor for rate in settings.rates[: len(tried)])
        if set(rates) == tried:
            return rates
    return tuple(rate for rate in settings.rates if rate in tried)


def _at_one_rate(
    evaluations: Sequence[Evaluation], settings: EvaluationSettings, start: Sequence[float]
) -> Score:
    for evaluation in evaluations:
        if evaluation.outcome is not Outcome.COMPLETED or not math.isfinite(evaluation.fitness):
            failed = evaluation.outcome is not Outcome.COMPLETED
            return rejected(evaluation.outcome if failed else Outcome.DIVERGED)
    is_race = settings.race is not None
    by_seed = _by_seed(evaluations, settings) if is_race else ()
    shift = 0.0
    if is_race and len(by_seed) < len(start):
        shift = fmean(start) - mean_so_far(start, len(by_seed))
    by_task, checkpoints = [], []
    for task in settings.tasks:
        of_task = [evaluation for evaluation in evaluations if evaluation.task == task]
        by_task.append(fmean(evaluation.fitness for evaluation in of_task))
        if is_race:
            by_task[-1] += shift
            of_task = of_task[:1]  # hurdles are for the first seed then
        checkpoints.append(tuple(map(fmean, zip(*(e.checkpoints for e in of_task), strict=True))))
    fitness = fmean(by_task, settings.weights)
    return Score(fitness, Outcome.COMPLETED, tuple(by_task), tuple(checkpoints), by_seed=by_seed)


def _by_seed(evaluations: Sequence[Evaluation], settings: EvaluationSettings) -> tuple[float, ...]:
    """[seeds] the weighted mean over tasks on each; of a store the evaluations come in its order,
    not in that of the tasks."""
    found: dict[int, dict[str, float]] = {}
    for one in evaluations:
        found.setdefault(one.seed, {})[one.task] = one.fitness
    return tuple(
        fmean([by_task[task] for task in settings.tasks], settings.weights)
        for by_task in found.values()
    )
