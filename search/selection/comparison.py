"""Paired comparisons: does a candidate beat a baseline, or is it at least not worse?

A seed gives every optimizer the same initial weights and batches, so what counts is the difference
in fitness seed by seed. Two tests must agree before a difference is believed: Student's t, exact
for normal differences, and the sign-flip permutation test, exact for symmetric ones however heavy
their tails; the p-value is the larger of the two. So with n seeds no p-value is below 2^-n, nor,
as not all flips are tried of many seeds, below 1 / (FLIPS + 1).

What is held: if the true mean difference is not above the margin (and differences are normal, or
symmetric), `compare` has p <= level with a chance of at most `level`; if all of m candidates are
such, `holm` lets any of them pass with a chance of at most `level`. Not held: a failure so rare
that it happened in none of the seeds is not seen. And seeds must be fresh: scores by which a
candidate was chosen or tuned are biased upwards and prove nothing.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import stdev

import numpy as np

from search.config.selection import EXACT_SEEDS, FLIPS, AblationSettings

NO_LESS_THAN = 1e-9  # tolerance when the start's fitness does not vary over seeds


@dataclass(frozen=True)
class Comparison:
    """Candidate minus baseline over paired seeds.

    low, high: the t interval of the mean difference, each bound wrong with a chance of `level`;
    infinite with fewer than two pairs, or with half of them left out. p: one-sided, of the
    hypothesis "mean <= margin".
    """

    pairs: int  # seeds that count
    dropped: int  # seeds left out, since the baseline has no fitness there
    failed: int  # seeds on which the candidate has no fitness, of all, with those left out
    mean: float
    low: float
    high: float
    p: float
    level: float
    margin: float = 0.0

    @property
    def is_non_inferiority(self) -> bool:
        """Whether the question is only whether it is not much worse."""
        return self.margin < 0


def compare(
    candidate: Sequence[float] | np.ndarray,
    baseline: Sequence[float] | np.ndarray,
    *,
    level: float = 0.05,
    margin: float = 0.0,
    sign_flip: bool = True,
) -> Comparison:
    """Compares fitness seed by seed.

    A candidate without a finite fitness on any seed has p = 1. A seed on which the baseline has
    none says nothing of the candidate and is left out; with half of the seeds gone p is 1 and the
    interval has no bounds.

    Args:
      candidate, baseline: fitness by seed [n], the same seeds in the same order.
      level: one-sided level of the interval's bounds.
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
    if not failed and pairs >= 2 and 2 * dropped < len(theirs):
        low, high = t_interval(differences, level)
        p = t_p_value(differences - margin)
        if sign_flip:
            p = max(p, sign_flip_p_value(differences - margin))
    return Comparison(pairs, dropped, failed, mean, low, high, p, level, margin)


def t_interval(values: Sequence[float] | np.ndarray, level: float) -> tuple[float, float]:
    """Bounds of the mean, each wrong with a chance of `level`; infinite with fewer than two values
    or one that is not finite."""
    values = np.asarray(values, float)
    if len(values) < 2 or not np.isfinite(values).all():
        return -math.inf, math.inf
    if _all_equal(values):
        return float(values.mean()), float(values.mean())
    from scipy import stats  # imported here because it takes a second, at each command's start

    low, high = stats.ttest_1samp(values, 0.0).confidence_interval(1 - 2 * level)
    return float(low), float(high)


def t_p_value(differences: np.ndarray) -> float:
    """One-sided p-value of "mean <= 0". Equal differences, as of accuracies on few examples, have
    no spread to compare with: they count as their signs do, 2^-n."""
    if _all_equal(differences):
        return 0.5 ** len(differences) if differences.mean() > 0 else 1.0
    from scipy import stats  # see t_interval

    return float(stats.ttest_1samp(differences, 0.0, alternative="greater").pvalue)


def _all_equal(values: np.ndarray) -> bool:
    """Whether values differ by rounding alone, so that their spread is none."""
    return bool(values.std(ddof=1) <= 1e-12 * max(1e-300, float(np.abs(values).max())))


def sign_flip_p_value(differences: np.ndarray) -> float:
    """Share of sign patterns whose mean is at least the observed one: exact up to EXACT_SEEDS.

    As `scipy.stats.permutation_test(permutation_type="samples")`, and equal to it where no two
    patterns have the same mean. Not by it, for two reasons. Accuracies on few examples have such
    ties, and the sums of tied patterns, added in another order, differ in their last bits: scipy's
    allowance for that is a share of the observed sum, so it misses ties where that is near 0, and
    its p-value was too small by up to 0.12 in 1 of 30 such cases. And it takes 60 to 130 times as
    long (8 seeds: 2.5 ms against 0.02 ms), in simulations of thousands of comparisons.
    """
    signs = _signs(len(differences))
    # A random sample is joined by the observed pattern, so that no p-value is 0.
    extra = 0 if len(differences) <= EXACT_SEEDS else 1
    sums, observed = signs @ differences, differences.sum()
    least = observed - 1e-12 * np.abs(differences).sum()  # sums in another order are equal
    return float(((sums >= least).sum() + extra) / (len(sums) + extra))


@functools.lru_cache(maxsize=8)  # a comparison's time is else that of making them
def _signs(n: int) -> np.ndarray:
    """[patterns, n] of 1 and -1: all of them, or FLIPS random ones, the same each time."""
    if n <= EXACT_SEEDS:
        return 1.0 - 2.0 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
    return 1.0 - 2.0 * np.random.default_rng(n).integers(0, 2, (FLIPS, n))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values: those <= level may pass, and any of m null ones does with a chance of at
    most `level` (Holm 1979)."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted, largest = [1.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = largest
    return adjusted


def worst_case(comparisons: Sequence[Comparison]) -> Comparison:
    """The comparison that a candidate comes out worst of; to beat several baselines is to beat
    this one, at the same level (an intersection-union test)."""
    return max(comparisons, key=lambda c: (c.p, -c.mean if math.isfinite(c.mean) else math.inf))


def tolerance(fitness: Sequence[float], settings: AblationSettings) -> float:
    """Loss that counts as none beside a program with this fitness, by seed; failed seeds aside."""
    finite = [value for value in fitness if math.isfinite(value)]
    spread = stdev(finite) if len(finite) > 1 else 0.0
    loss = settings.tolerance or max(spread * settings.tolerance_sd, NO_LESS_THAN)
    return min(loss, settings.tolerance_most or loss)
