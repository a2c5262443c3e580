"""Fitness and comparisons as text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

from programs.counted import counted
from search.selection.comparison import Comparison


def mean_fitness(fitness: Sequence[float]) -> str:
    return f"{fmean(fitness):.5g}" if all(map(math.isfinite, fitness)) else "none"


def constant(value: float) -> str:
    """With three digits, and where it is near 1 with three of what it lacks: that is what counts of
    an average's decay."""
    distance = abs(1 - value)
    if not 0 < distance < 0.1:
        return f"{value:.3g}"
    return f"{value:.{2 - math.floor(math.log10(distance))}f}".rstrip("0")


def interval(comparison: Comparison, unit: str = "seeds") -> str:
    """The mean difference and its interval; unit: what was compared in pairs."""
    c = comparison
    if c.failed:
        return f"no fitness on {c.failed} of {c.pairs + c.dropped} {unit}"
    if c.pairs < 2:
        return f"only {counted(c.pairs, unit.removesuffix('s'))} to compare on"
    return f"{c.mean:+.4g} [{c.low:+.4g}, {c.high:+.4g}]"


def p_value(p: float, margin: float) -> str:
    """With what it is for where that is not being better: to be not worse by minus the margin."""
    return f"{p:.2g} (not worse by {-margin:.3g})" if margin < 0 else f"{p:.2g}"


def null_hypothesis(margin: float) -> str:
    """What a comparison's p is of."""
    return f"H0: difference <= {margin:.4g}"


def confidence(level: float) -> str:
    """Of an interval each bound of which is wrong with a chance of `level`."""
    return f"{100 * (1 - 2 * level):g} %"


def comparison_in_full(comparison: Comparison) -> str:
    c = comparison
    if c.failed or c.pairs < 2:
        return interval(c)
    return (
        f"{interval(c)} ({confidence(c.level)}, {counted(c.pairs, 'seed')}), p = {c.p:.2g} "
        f"({null_hypothesis(c.margin)})"
    )


def states(count: int) -> str:
    """Memory of an optimizer, in units of the weights."""
    return counted(count, "state")
