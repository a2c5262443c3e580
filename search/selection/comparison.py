"""Paired comparisons: does a candidate beat a baseline, or is it at least not worse?

A seed gives every optimizer the same initial weights and batches, so what counts is the difference
in fitness seed by seed. Two tests must agree before a difference is believed: Student's t, exact
for normal differences, and the sign-flip permutation test, exact for symmetric ones however heavy
their tails; the p-value is the larger of the two. So with n seeds no p-value is below 2^-n.

What is held: if the true mean difference is not above the margin (and differences are normal, or
symmetric), `compare` has p <= level with a chance of at most `level`; if all of m candidates are
such, `holm` lets any of them pass with a chance of at most `level`. Not held: a failure so rare
that it happened in none of the seeds is not seen. And seeds must be fresh: scores by which a
candidate was chosen or tuned are biased upwards and prove nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import stdev

import numpy as np
from scipy import stats

from search.config.selection import AblationSettings

EXACT_SEEDS = 14  # up to this many pairs all 2^n sign flips are tried, above it FLIPS random ones
FLIPS = 20_000
NO_LESS_THAN = 1e-9  # tolerance when the start's fitness does not vary over seeds


@dataclass(frozen=True)
class Comparison:
    """Candidate less baseline over paired seeds.

    low, high: the t interval of the mean difference, each bound wrong with a chance of `level`;
    infinite with fewer than two pairs. p: one-sided, of the hypothesis "mean <= margin".
    """

    pairs: int  # seeds that count
    dropped: int  # seeds left out, since the baseline has no fitness there
    failed: int  # seeds on which the candidate has no fitness
    mean: float
    low: float
    high: float
    p: float
    level: float
    margin: float = 0.0

    @property
    def beats(self) -> bool:
        """Whether the candidate is above the margin, by both tests (alone, without `holm`)."""
        return self.p <= self.level

    def __str__(self) -> str:
        if self.failed:
            return f"no fitness on {self.failed} of {self.pairs} seeds"
        if self.pairs < 2:
            return f"only {self.pairs} seeds to compare on"
        confidence = f"{100 * (1 - 2 * self.level):g} %"
        return (
            f"{self.mean:+.4g} [{self.low:+.4g}, {self.high:+.4g}] ({confidence}, "
            f"{self.pairs} seeds), p = {self.p:.2g}"
        )


def compare(
    candidate: Sequence[float],
    baseline: Sequence[float],
    level: float = 0.05,
    margin: float = 0.0,
    sign_flip: bool = True,
) -> Comparison:
    """Compares fitness seed by seed.

    A candidate without a finite fitness on any seed has p = 1. A seed on which the baseline has
    none says nothing of the candidate and is left out; with half of the seeds gone p is 1.

    Args:
      candidate, baseline: fitness by seed [n], the same seeds in the same order.
      level: one-sided level of the interval's bounds and of `beats`.
      margin: the mean difference to exceed; -tolerance asks for "not worse by the tolerance".
      sign_flip: whether the sign-flip test must agree with the t test.
    """
    if len(candidate) != len(baseline):
        raise ValueError(f"{len(candidate)} fitness values against {len(baseline)}: not paired")
    ours, theirs = np.asarray(candidate, float), np.asarray(baseline, float)
    usable = np.isfinite(theirs)
    dropped = int((~usable).sum())
    differences = ours[usable] - theirs[usable]
    pairs = len(differences)
    failed = int((~np.isfinite(ours)).sum())
    mean, low, high, p = (-math.inf if failed else math.nan), -math.inf, math.inf, 1.0
    if not failed and pairs:
        mean = float(differences.mean())
    if not failed and pairs >= 2:
        low, high = t_interval(differences, level)
        if 2 * dropped < len(theirs):
            p = t_p_value(differences - margin)
            if sign_flip:
                p = max(p, sign_flip_p_value(differences - margin))
    return Comparison(pairs, dropped, failed, mean, low, high, p, level, margin)


def t_interval(differences: np.ndarray, level: float) -> tuple[float, float]:
    """Bounds of the mean, each exceeded by the true mean with a chance of `level`."""
    n = len(differences)
    half = stats.t.ppf(1 - level, n - 1) * differences.std(ddof=1) / math.sqrt(n)
    return float(differences.mean() - half), float(differences.mean() + half)


def t_p_value(differences: np.ndarray) -> float:
    """One-sided p-value of "mean <= 0"; equal differences leave no doubt."""
    n, error = len(differences), differences.std(ddof=1)
    mean = differences.mean()
    if error <= 1e-12 * max(1e-300, float(np.abs(differences).max())):
        return 0.0 if mean > 0 else 1.0
    return float(stats.t.sf(mean / (error / math.sqrt(n)), n - 1))


def sign_flip_p_value(differences: np.ndarray) -> float:
    """Share of sign patterns whose mean is at least the observed one: exact up to EXACT_SEEDS."""
    n = len(differences)
    if n <= EXACT_SEEDS:
        signs = 1.0 - 2.0 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
        extra = 0
    else:
        signs = 1.0 - 2.0 * np.random.default_rng(n).integers(0, 2, (FLIPS, n))
        extra = 1  # the observed pattern itself, so that no p-value is 0
    sums, observed = signs @ differences, differences.sum()
    least = observed - 1e-12 * np.abs(differences).sum()  # sums in another order are equal
    return float(((sums >= least).sum() + extra) / (len(sums) + extra))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values: those <= level may pass, and any of m null ones does with a chance of at
    most `level` (Holm 1979)."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted, largest = [1.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = largest
    return adjusted


def hardest(comparisons: Sequence[Comparison]) -> Comparison:
    """The comparison that a candidate comes out worst of; to beat several baselines is to beat
    this one, at the same level (an intersection-union test)."""
    return max(comparisons, key=lambda c: (c.p, -c.mean if math.isfinite(c.mean) else math.inf))


def mean_over_tasks(
    by_task: Sequence[Sequence[float]], weights: Sequence[float] | None = None
) -> list[float]:
    """Fitness by seed [n] from fitness by task and seed [tasks, n]; -inf where a task has none."""
    values = np.asarray(by_task, float)
    shares = np.ones(len(values)) if weights is None else np.asarray(weights, float)
    finite = np.isfinite(values).all(axis=0)
    means = (shares / shares.sum()) @ np.where(np.isfinite(values), values, 0.0)
    return [float(m) if fine else -math.inf for m, fine in zip(means, finite)]


def tolerance(fitness: Sequence[float], settings: AblationSettings) -> float:
    """Loss that counts as none beside a program with this fitness, by seed; failed seeds aside."""
    finite = [value for value in fitness if math.isfinite(value)]
    spread = stdev(finite) if len(finite) > 1 else 0.0
    return settings.tolerance or max(spread * settings.tolerance_sd, NO_LESS_THAN)
