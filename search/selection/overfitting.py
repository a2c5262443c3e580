"""Meta-validation: does the best program of a search still get better where the search cannot see?

Every so many children of a repeat, its best program so far is trained on larger tasks and scored on
the meta-validation split (search/evolution/meta_validation.py), in the background: nothing of it
reaches the search, so the history is the same without it. When search fitness still rises while
meta-validation fitness falls, the search overfits to its proxy tasks (meta-overfitting; Chen et al.
2023, section 2.3 and Figure 3).

    curves(store, config), onset(points)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from search.config.settings import Config
from search.evaluation.jobs import Purpose
from search.evaluation.request import scaled
from search.evaluation.seeds import META_VALIDATION
from search.evolution.meta_validation import History
from search.selection.comparison import t_p_value
from search.selection.objective import mean_over_tasks
from search.storage.queries import evaluations
from search.storage.store import Reader


@dataclass(frozen=True)
class Point:
    """The best program of a repeat after so many children."""

    child: int  # children of the repeat that were committed
    number: int  # of the individual
    search: float  # its fitness in the search
    meta: tuple[float, ...]  # [seeds] on meta-validation, mean over tasks; empty: not scored yet

    @property
    def mean(self) -> float:
        return fmean(self.meta) if self.meta else math.nan


@dataclass(frozen=True)
class Onset:
    """Where meta-overfitting begins."""

    child: int  # of the point at which meta-validation was best
    fall: float  # from there to the mean of all later points
    p: float  # one-sided, times the number of points


def onset(points: Sequence[Point], level: float = 0.05) -> Onset | None:
    """Where meta-overfitting begins, or None while it does not show.

    The rule, for one repeat's curve: at the point whose meta-validation mean is best (the last such
    point), if there are at least two later points, search fitness is higher at a later point, and
    the later points' mean meta-validation fitness is lower, seed by seed, by a t test at `level`
    divided by the number of points (the best of many noisy means is too high, and this pays for
    it). A later program that fails on a seed counts as the worst that was seen.
    """
    scored = [point for point in points if point.meta]
    finite = [p for p in scored if all(map(math.isfinite, p.meta))]
    if not finite:
        return None
    best = max(finite, key=lambda p: (p.mean, p.child))
    later = [point for point in scored if point.child > best.child]
    if len(later) < 2 or not any(point.search > best.search for point in later):
        return None
    worst = min(value for point in finite for value in point.meta)
    values = np.array([point.meta for point in later])  # [later points, seeds]
    values = np.where(np.isfinite(values), values, worst)
    falls = np.array(best.meta) - values.mean(axis=0)
    if len(falls) < 2:
        return None
    p = min(1.0, t_p_value(falls) * len(scored))
    return Onset(best.child, float(falls.mean()), p) if p <= level else None


def curves(store: Reader, config: Config) -> dict[int, list[Point]]:
    """The points of each repeat, in order of children; tasks are weighted as in the search."""
    settings, weights = config.meta_validation, config.evaluation.weights
    if not settings.every:
        return {}
    stored = evaluations(store, Purpose.META_VALIDATION)
    tasks = [scaled(task, settings.scale) for task in config.evaluation.tasks]
    seeds = META_VALIDATION.take(settings.seeds)
    by_repeat: dict[int, list[Point]] = {}
    for repeat, child, number, search, _ in History(store, settings).reached():
        # By name and seed: before a resume other scales and seeds may have been asked for.
        fitness = {(e.task, e.seed): e.fitness for e in stored.get(number, ())}
        meta: tuple[float, ...] = ()
        if all((task, seed) in fitness for task in tasks for seed in seeds):
            rows = np.array([[fitness[task, seed] for seed in seeds] for task in tasks])
            meta = tuple(mean_over_tasks(np.where(np.isnan(rows), -np.inf, rows), weights).tolist())
        by_repeat.setdefault(repeat, []).append(Point(child, number, search, meta))
    return by_repeat
