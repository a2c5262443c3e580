"""Seeds by racing: which programs are worth another training, from told results only.

Most children are so far behind after one seed that a second would not make them parents. So each
gets its next seed only if it is level with its niche so far (compare successive halving, Jamieson &
Talwalkar 2016); what that saves buys the leaders more seeds, where they need them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from search.evaluation.fitness import Score, mean_so_far


def first_with_seeds(starts: Mapping[int, tuple[float, ...]]) -> tuple[float, ...]:
    """`by_seed` of the first warm start that has a fitness, by number; empty: none has."""
    return next((starts[number] for number in sorted(starts) if starts[number]), ())


def race(
    population: Iterable[Score], *, quantile: float, seeds: int, least: int
) -> tuple[float, ...]:
    """What a program's mean over its first 1, 2, ... seeds must be for the next.

    Args:
      population: scores of the niche's members.
      quantile: of their means over as many seeds, of those that had so many.
      seeds: that a program has at most.
      least: members without which nothing is asked.

    Returns:
      [seeds - 1] means; shorter where too few members had so many.
    """
    by_seed = [score.by_seed for score in population if score.by_seed]
    asked: list[float] = []
    for count in range(1, seeds):
        means = [mean_so_far(one, count) for one in by_seed if len(one) >= count]
        if len(means) < least:
            break
        asked.append(float(np.quantile(means, quantile)))
    return tuple(asked)
