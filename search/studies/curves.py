"""What is drawn and compared of a search, from its store: how its best rises, what it knows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from search.selection.finalists import fresh_fitness
from search.selection.overfitting import Onset, Point, onset
from search.selection.overfitting import curves as points_of
from search.storage.courses import courses
from search.storage.errors import StoreError
from search.storage.identity import config_of
from search.storage.leaders import leaders
from search.storage.queries import births, start_fitness, training_counts
from search.storage.store import opened

POINTS = 200  # of a curve


@dataclass(frozen=True)
class Rise:
    """The best fitness of a search over its trainings."""

    trainings: np.ndarray  # [changes] trainings so far, rising; the last is the end
    best: np.ndarray  # [changes] best fitness from there on
    start: float  # fitness of the warm start
    fresh: float  # of its best on fresh seeds; NaN: it was not scored again

    def at(self, trainings: np.ndarray) -> np.ndarray:
        """The best fitness after so many trainings."""
        index = np.searchsorted(self.trainings, trainings, side="right") - 1
        values: np.ndarray = self.best[np.maximum(index, 0)]
        return values


class Band(NamedTuple):
    """Curves of several searches as one: mean and standard error; NaN: of one search."""

    x: np.ndarray
    mean: np.ndarray
    error: np.ndarray


@dataclass(frozen=True)
class Course:
    """What a search's children were, over their number."""

    children: np.ndarray  # [points]
    hits: np.ndarray  # share whose functional hash was known
    redundant: np.ndarray  # share of their statements on which no output depends


@dataclass(frozen=True)
class Overfitting:
    """The meta-validation of one search."""

    points: Sequence[Point]
    onset: Onset | None
    children: int  # at the last point

    @property
    def progress(self) -> float:
        """Share of the search at its onset; NaN: there is none."""
        return self.onset.child / self.children if self.onset else math.nan


def rise_of(run: str | Path) -> Rise:
    """Warm starts count from the first training. Raises StoreError: nothing has a fitness."""
    with opened(run) as store:
        counts = dict(training_counts(store))
        trained, best = 0, -math.inf
        changes: list[tuple[int, float]] = []
        for birth in births(store):
            trained += counts.get(birth.number, 0)
            if birth.fitness > best:
                best = birth.fitness
                changes.append((trained, best))
        if not changes:
            raise StoreError(f"{run}: no program has a fitness yet")
        changes.append((trained, best))
        fresh = fresh_fitness(store, leaders(store, 1)[0].number, config_of(store).evaluation)
        mean = sum(fresh.values()) / len(fresh) if fresh else math.nan
        counted, fitness = (np.array(column) for column in zip(*changes))
        return Rise(counted, fitness, start_fitness(store), mean)


def band_of(rises: Sequence[Rise], points: int = POINTS) -> Band:
    """As far as the shortest of the searches goes."""
    first = max(int(rise.trainings[0]) for rise in rises)
    last = min(int(rise.trainings[-1]) for rise in rises)
    x = np.unique(np.linspace(min(first, last), last, points).round())
    return band(x, np.array([rise.at(x) for rise in rises]))


def band(x: np.ndarray, values: np.ndarray) -> Band:
    """values: [searches, points]."""
    count = len(values)
    errors = values.std(axis=0, ddof=1) / math.sqrt(count) if count > 1 else np.full(len(x), np.nan)
    return Band(x, values.mean(axis=0), errors)


def course_of(run: str | Path) -> list[Course]:
    """One for each of its repeats."""
    with opened(run) as store:
        found = courses(store, POINTS)
    return [
        Course(
            np.array([p.last + 1 for p in points]),
            np.array([p.functional / p.individuals for p in points]),
            np.array([1 - p.live / p.statements for p in points]),
        )
        for points in found.values()
    ]


def course_band(courses: Sequence[Course], name: str) -> Band:
    """Of `hits` or `redundant`, as far as the shortest goes."""
    last = min(course.children[-1] for course in courses)
    x = np.linspace(0, last, POINTS)[1:]
    return band(x, np.array([np.interp(x, c.children, getattr(c, name)) for c in courses]))


def at_the_end(course: Course, name: str) -> float:
    """The mean over the last twentieth of its points."""
    return float(getattr(course, name)[-max(1, len(course.children) // 20) :].mean())


def overfitting_of(run: str | Path) -> list[Overfitting]:
    """One for each repeat. Raises StoreError: it had no meta-validation, or too few points."""
    with opened(run) as store:
        config = config_of(store)
        found = [points for points in points_of(store, config).values() if len(points) > 1]
    if not found:
        text = "fewer than two points of meta-validation (meta_validation.every)"
        raise StoreError(f"{run}: {text}")
    return [Overfitting(p, onset(p, config.meta_validation.level), p[-1].child) for p in found]
