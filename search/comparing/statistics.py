"""What the results of a comparison say, with intervals.

The unit of replication is the tuning run: its draws, its tuning seeds and its final seeds are its
alone, so the differences of the runs are independent, and their t interval covers both the luck of
the tuning and that of the seeds. Run r of every optimizer has the same seeds, so differences are
paired. With three runs a spread that is small by luck makes most of such a test's errors; the
seeds show it, so the same difference must be significant over all seeds as well, by the t and the
sign-flip test: the p-value is the larger one, the interval holds both. An optimizer under two names
has differences that are symmetric about 0, which is what the A/A test checks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from statistics import fmean, median_low
from typing import NamedTuple

import numpy as np

from search.comparing.results import ConditionResult, RunResult, Table, mean
from search.selection.comparison import compare, holm, t_interval

MOST_TIMES = 4.0  # up to which times as many steps as the best a profile is drawn and scored


class Verdict(Enum):
    """An optimizer beside the baseline."""

    BETTER = "better"
    WORSE = "worse"
    NO_DIFFERENCE = "no difference shown"
    FAILED = "not every training completed"


@dataclass(frozen=True)
class Difference:
    """An optimizer minus the baseline on one condition.

    mean, low, high: of the means of the tuning runs, with a two-sided interval; `NO_ESTIMATE` where
      a training has no value. p: two-sided; adjusted: by Holm, over all of the comparison.
    """

    condition: str
    optimizer: str
    mean: float
    low: float
    high: float
    p: float
    level: float
    failed: int = 0  # final trainings of the optimizer, or of the baseline, without a fitness
    adjusted: float = 1.0

    @property
    def verdict(self) -> Verdict:
        if self.failed:
            return Verdict.FAILED
        if self.adjusted > self.level:
            return Verdict.NO_DIFFERENCE
        return Verdict.BETTER if self.mean > 0 else Verdict.WORSE


class Estimate(NamedTuple):
    """A mean difference, its interval, and the two-sided p-value of "no difference"."""

    mean: float
    low: float
    high: float
    p: float


NO_ESTIMATE = Estimate(math.nan, -math.inf, math.inf, 1.0)


def difference(ours: Table, theirs: Table, level: float) -> Estimate:
    """Of two tables [R][S], paired by run and seed; none where a value is not finite, on whichever
    side: what is left would favour the side whose bad trainings are left out."""
    if not all(math.isfinite(value) for run in (*ours, *theirs) for value in run):
        return NO_ESTIMATE
    runs = _two_sided(by_run(ours), by_run(theirs), level, sign_flip=False)
    # No sign-flip test can reject with so few runs, and none is needed where there is one seed.
    if len(ours[0]) < 2:
        return runs
    every = [[value for run in table for value in run] for table in (ours, theirs)]
    seeds = _two_sided(every[0], every[1], level, sign_flip=True)
    low, high = min(runs.low, seeds.low), max(runs.high, seeds.high)
    return Estimate(runs.mean, low, high, max(runs.p, seeds.p))


def _two_sided(
    ours: Sequence[float], theirs: Sequence[float], level: float, *, sign_flip: bool
) -> Estimate:
    forward = compare(ours, theirs, level=level / 2, sign_flip=sign_flip)
    backward = compare(theirs, ours, level=level / 2, sign_flip=sign_flip)
    p = min(1.0, 2 * min(forward.p, backward.p))
    return Estimate(forward.mean, forward.low, forward.high, p)


def by_run(table: Table) -> list[float]:
    """[R] mean over the seeds."""
    return [mean(run) for run in table]


def differences(
    conditions: Sequence[ConditionResult], baseline: str, *, level: float, measure: str = ""
) -> list[Difference]:
    """Every optimizer minus the baseline on every condition, adjusted for their number.

    measure: of which; none: of the test fitness.
    """
    found = []
    for condition in conditions:
        base = condition.optimizer(baseline)
        for one in condition.optimizers:
            if one.name != baseline:
                estimate = difference(one.table(measure), base.table(measure), level)
                failed = one.failed or base.failed
                found.append(
                    Difference(condition.label, one.name, *estimate, level=level, failed=failed)
                )
    adjusted = holm([one.p for one in found])
    return [replace(one, adjusted=p) for one, p in zip(found, adjusted)]


def run_interval(values: Sequence[float], level: float) -> tuple[float, float]:
    """Of the mean over runs; infinite where any run has no value."""
    return t_interval(list(values), level / 2)


# Tuning


def expected_best(fitness: Sequence[float], floor: float) -> list[float]:
    """[N] expected fitness of the best of n of the N draws, n = 1 to N, drawn without replacement.

    The best of n by their fitness with one seed each (Dodge et al. 2019); a draw without a fitness
    counts as the floor.
    """
    ordered = np.sort([value if math.isfinite(value) else floor for value in fitness])
    total = len(ordered)
    rank = np.arange(total)
    # [N] that a draw is the best of n has the chance C(rank, n - 1) / C(N, n), whose parts are soon
    # too large for a float; each is made from the one before.
    chance = np.full(total, 1 / total)
    means = [float(chance @ ordered)]
    for n in range(1, total):
        chance *= (rank - n + 1) / n * ((n + 1) / (total - n))
        means.append(float(chance @ ordered))
    return means


def expected_best_curves(condition: ConditionResult) -> dict[str, list[float]]:
    """[N] the same by optimizer, mean over its tuning runs; empty where no draw of any optimizer
    has a fitness. A draw without one counts as the worst of all that have one."""
    every = [value for one in condition.optimizers for run in one.runs for value in run.draws]
    floor = min((value for value in every if math.isfinite(value)), default=None)
    if floor is None:
        return {one.name: [] for one in condition.optimizers}
    return {
        one.name: list(map(fmean, zip(*(expected_best(run.draws, floor) for run in one.runs))))
        for one in condition.optimizers
    }


# Steps


@dataclass(frozen=True)
class StepsToTarget:
    """Steps to the baseline's result, by tuning run.

    steps: [R] of the optimizer, infinite where it did not get there, or there is no such result.
    baseline: [R] of the baseline; the first time, as for the optimizer: its curve may have been
      there before and have become worse since.
    """

    condition: str
    optimizer: str
    steps: tuple[float, ...]
    baseline: tuple[float, ...]

    @property
    def times(self) -> list[float]:
        """[R] baseline / steps; 0 where the optimizer did not get there."""
        pairs = zip(self.steps, self.baseline)
        return [whole / steps if math.isfinite(steps) else 0.0 for steps, whole in pairs]

    @property
    def times_fewer(self) -> float:
        """Median over runs, the lower of two; 0: half of the runs or more did not get there."""
        return median_low(self.times)

    @property
    def reached(self) -> int:
        """Runs that got there."""
        return sum(map(math.isfinite, self.steps))

    @property
    def ends(self) -> tuple[float, float]:
        """The least and the most of the runs."""
        return min(self.times), max(self.times)


def steps_to_target(condition: ConditionResult, baseline: str) -> list[StepsToTarget]:
    """Of every optimizer, to the fitness that the baseline has at its last validation on the way,
    one step before its end, in the same run. A run with a training that did not end has no such
    fitness, and reaches none."""
    runs = condition.optimizer(baseline).runs
    targets = [_last(run) for run in runs]
    whole = tuple(map(_steps, runs, targets))
    return [
        StepsToTarget(condition.label, one.name, tuple(map(_steps, one.runs, targets)), whole)
        for one in condition.optimizers
    ]


def has_target(condition: ConditionResult, baseline: str) -> bool:
    """Whether every run of the baseline has a result that can be reached."""
    return all(math.isfinite(_last(run)) for run in condition.optimizer(baseline).runs)


def _last(run: RunResult) -> float:
    """Fitness at the last validation on the way; infinite where there is none."""
    curve = [] if run.failed else run.curve()
    return curve[-1][1] if curve and math.isfinite(curve[-1][1]) else math.inf


def _steps(run: RunResult, target: float) -> float:
    return math.inf if run.failed else first_step(run.curve(), target)


def first_step(curve: Sequence[tuple[int, float]], target: float) -> float:
    """The step at which a curve first reaches a fitness, linear between its points; infinite: it
    does not. Before its first point with a fitness nothing is known, so that is the least."""
    before: tuple[int, float] | None = None
    for step, fitness in curve:
        if fitness >= target:
            if before is None or not math.isfinite(before[1]) or fitness == before[1]:
                return float(step)
            share = (target - before[1]) / (fitness - before[1])
            return before[0] + share * (step - before[0])
        before = step, fitness
    return math.inf


@dataclass(frozen=True)
class Profile:
    """Performance profile of an optimizer (Dolan and More 2002, as in AlgoPerf, arXiv 2306.07179).

    ratios: [conditions * R] its steps to the target of a tuning run, over those of the best
      optimizer in that run. Each run is a problem of its own: one bad tuning of many spoils a share
      of the profile and no more.
    """

    optimizer: str
    ratios: tuple[float, ...]

    def share(self, times: float) -> float:
        """Share of the runs in which it needs at most so many times the steps of the best."""
        return sum(ratio <= times for ratio in self.ratios) / len(self.ratios)

    @property
    def score(self) -> float:
        """Mean height of the profile from 1 to MOST_TIMES; 1: the best everywhere."""
        areas = [max(0.0, MOST_TIMES - ratio) for ratio in self.ratios]
        return fmean(areas) / (MOST_TIMES - 1)


def profiles(conditions: Sequence[ConditionResult], baseline: str) -> list[Profile]:
    """Of every optimizer, over all runs of all conditions."""
    ratios: dict[str, list[float]] = {}
    for condition in conditions:
        every = steps_to_target(condition, baseline)
        best = [min(of_run) for of_run in zip(*(one.steps for one in every))]
        for one in every:
            own = (
                steps / least if math.isfinite(steps) else math.inf
                for steps, least in zip(one.steps, best)
            )
            ratios.setdefault(one.optimizer, []).extend(own)
    return [Profile(name, tuple(values)) for name, values in ratios.items()]


# Batch sizes


@dataclass(frozen=True)
class Trend:
    """How an optimizer's difference to the baseline changes with the batch size."""

    series: str  # the task, with schedule and warm-up where the config lists them
    optimizer: str
    slope: Estimate  # of fitness per doubling, over the tuning runs


def trends(conditions: Sequence[ConditionResult], baseline: str, *, level: float) -> list[Trend]:
    """For each task, schedule and warm-up with several batch sizes; of each run the least-squares
    slope."""
    found = []
    for series in dict.fromkeys(condition.series for condition in conditions):
        own = [c for c in conditions if c.series == series and c.batch_size is not None]
        if len({condition.batch_size for condition in own}) < 2:
            continue
        xs = [math.log2(condition.batch_size or 1) for condition in own]
        for name in (one.name for one in own[0].optimizers if one.name != baseline):
            ours, theirs = (
                [[slope(xs, [c.optimizer(which).tests[run] for c in own])]
                 for run in range(len(own[0].optimizers[0].runs))]
                for which in (name, baseline)
            )  # fmt: skip
            found.append(Trend(series, name, difference(ours, theirs, level)))
    return found


def slope(xs: Sequence[float], ys: Sequence[float]) -> float:
    """Of the least-squares line; -inf where a value is not finite."""
    if not all(map(math.isfinite, ys)):
        return -math.inf
    center = fmean(xs)
    return sum((x - center) * y for x, y in zip(xs, ys)) / sum((x - center) ** 2 for x in xs)
