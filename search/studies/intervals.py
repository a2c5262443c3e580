"""The numbers of a study with their intervals, all at 95 %."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from search.reports.tables import finite_or_none
from search.selection.comparison import t_interval

LEVEL = 0.025  # chance that a bound is wrong, of each of two
LEAST = 5  # programs of a rank correlation: of fewer the interval would say next to nothing


class Estimate(NamedTuple):
    """A number with the bounds of its interval; infinite bounds: too little is known."""

    value: float
    low: float
    high: float
    size: int  # number of what it was taken from

    def is_above(self, other: Estimate) -> bool:
        """Whether the intervals are apart, this one above."""
        return self.low > other.high

    def as_json(self) -> dict[str, Any]:
        """Null where there is no number."""
        interval = [finite_or_none(self.low), finite_or_none(self.high)]
        return {"value": finite_or_none(self.value), "interval": interval, "size": self.size}

    def text(self, form: str = ".4g") -> str:
        if not math.isfinite(self.value):
            return "none"
        if not math.isfinite(self.low):
            return f"{self.value:{form}}"
        return f"{self.value:{form}} [{self.low:{form}}, {self.high:{form}}]"


def mean_of(values: Sequence[float]) -> Estimate:
    """Mean over repeats with its t interval; NaN without values."""
    if not len(values):
        return Estimate(math.nan, -math.inf, math.inf, 0)
    return Estimate(float(np.mean(values)), *t_interval(values, LEVEL), len(values))


def difference_of(one: Sequence[float], other: Sequence[float]) -> Estimate:
    """Mean of one minus mean of the other, by Welch's t interval; the repeats are not paired."""
    count = min(len(one), len(other))
    if not count:
        return Estimate(math.nan, -math.inf, math.inf, 0)
    value = float(np.mean(one) - np.mean(other))
    if count < 2 or np.ptp(one) == np.ptp(other) == 0:
        return Estimate(value, -math.inf, math.inf, count)
    low, high = stats.ttest_ind(one, other, equal_var=False).confidence_interval(1 - 2 * LEVEL)
    return Estimate(value, float(low), float(high), count)


def p_of_difference(one: Sequence[float], other: Sequence[float]) -> float:
    """Two-sided, of no difference, by Welch's t test; 1 of fewer than two values or without any
    spread."""
    if min(len(one), len(other)) < 2 or np.ptp(one) == np.ptp(other) == 0:
        return 1.0
    return float(stats.ttest_ind(one, other, equal_var=False).pvalue)


def share_of(count: int, total: int) -> Estimate:
    """A share with its exact binomial interval (Clopper and Pearson 1934)."""
    if not total:
        return Estimate(math.nan, -math.inf, math.inf, 0)
    interval = stats.binomtest(count, total).proportion_ci(1 - 2 * LEVEL)
    return Estimate(count / total, float(interval.low), float(interval.high), total)


def rank_correlation(one: Sequence[float], other: Sequence[float]) -> Estimate:
    """Spearman's, with the interval of Fisher's z and the error of Bonett and Wright (2000); -inf
    is the last rank. NaN of fewer than LEAST.

    Where the ranks agree, z is infinite; the bounds are then those of a correlation that lacks half
    of the smallest step between two orders. In simulations (normal values, 5 to 30 programs) the
    interval holds the true value in 92 to 99 % of the cases; a bootstrap over 5 did so in 75 %.
    """
    pairs = np.array([one, other], float)
    count = pairs.shape[1]
    if count < LEAST or any(len(set(row)) < 2 for row in pairs.tolist()):
        return Estimate(math.nan, -math.inf, math.inf, count)
    value = _spearman(pairs)
    most = 1 - 6 / (count * (count**2 - 1))
    inner = max(-most, min(most, value))
    error = math.sqrt((1 + inner**2 / 2) / (count - 3)) * float(stats.norm.isf(LEVEL))
    low, high = (math.tanh(math.atanh(inner) + sign * error) for sign in (-1, 1))
    return Estimate(value, min(value, low), max(value, high), count)


def _spearman(pairs: np.ndarray) -> float:
    """Pearson's correlation of the ranks [2, N]; NaN where all are equal."""
    ranks = stats.rankdata(pairs, axis=1)
    ranks -= ranks.mean(axis=1, keepdims=True)
    norms = float(np.sqrt((ranks**2).sum(axis=1).prod()))
    return float((ranks[0] * ranks[1]).sum() / norms) if norms else math.nan
