"""What programs are compared by: their fitness over tasks and seeds.

Letters for shapes: N programs, K tasks, S seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from programs import Program
from search.config.selection import StageSettings
from search.evaluation.request import SEARCH, Request, Scorer, scale_of, scaled


class Expected(NamedTuple):
    """How much is to be done at most."""

    trainings: int
    compute: float  # the same in trainings at scale 1


@dataclass(frozen=True)
class Objective:
    """The weighted mean over tasks of a program's fitness, and what runs the trainings for it."""

    score: Scorer
    tasks: tuple[str, ...]
    weights: tuple[float, ...] | None = None  # [K]; None: all equal

    def by_seed(
        self, programs: Sequence[Program], seeds: Sequence[int], *, split: str = SEARCH
    ) -> np.ndarray:
        """[N, S] weighted mean over tasks; -inf where a training has no fitness."""
        table = fitness_table(self.score, programs, tasks=self.tasks, seeds=seeds, split=split)
        return mean_over_tasks(table, self.weights)

    def means(self, programs: Sequence[Program], seeds: Sequence[int]) -> list[float]:
        """[N] mean over tasks and seeds on the search-validation split; -inf where any training
        has no fitness."""
        return self.own_means([(program, seeds) for program in programs])

    def own_means(self, rows: Sequence[tuple[Program, Sequence[int]]]) -> list[float]:
        """The same of programs with seeds of their own, as many for each."""
        table = fitness_rows(self.score, rows, tasks=self.tasks, split=SEARCH)
        return [sum(row) / len(row) for row in mean_over_tasks(table, self.weights).tolist()]

    def expected(self, count: int) -> Expected:
        """So many trainings on each task."""
        compute = count * sum(map(scale_of, self.tasks))
        return Expected(count * len(self.tasks), compute)

    def scaled(self, factor: float) -> Objective:
        """The same tasks at `factor` times their compute."""
        return replace(self, tasks=tuple(scaled(task, factor) for task in self.tasks))

    def weighed_by_noise(self, program: Program, seeds: Sequence[int]) -> Objective:
        """The same with each task's weight divided by the standard deviation over seeds of a
        program's fitness there, so that no task decides by the size of its loss alone. Unchanged
        where there is one task, or where the program has no fitness or no deviation on one."""
        if len(self.tasks) == 1:
            return self
        [table] = fitness_table(self.score, [program], tasks=self.tasks, seeds=seeds, split=SEARCH)
        if not np.isfinite(table).all() or not (deviation := table.std(axis=-1, ddof=1)).all():
            return self
        weights = np.ones(len(self.tasks)) if self.weights is None else np.asarray(self.weights)
        shares = weights / deviation
        return replace(self, weights=tuple((shares / shares.mean()).tolist()))

    def of_stage(self, stage: StageSettings) -> Objective:
        """On a stage's tasks; with equal weights where they are not the search's."""
        objective = self if stage.tasks is None else replace(self, tasks=stage.tasks, weights=None)
        return objective.scaled(stage.scale)


def fitness_table(
    score: Scorer,
    programs: Sequence[Program],
    *,
    tasks: Sequence[str],
    seeds: Sequence[int],
    split: str,
) -> np.ndarray:
    """[N, K, S] fitness; all trainings are asked for at once."""
    rows = [(program, seeds) for program in programs]
    table = fitness_rows(score, rows, tasks=tasks, split=split)
    return table.reshape(len(programs), len(tasks), len(seeds))


def fitness_rows(
    score: Scorer,
    rows: Sequence[tuple[Program, Sequence[int]]],
    *,
    tasks: Sequence[str],
    split: str,
) -> np.ndarray:
    """[N, K, S] fitness of programs with seeds of their own, as many for each; all trainings are
    asked for at once."""
    requests = [
        Request(program, task, seed, split)
        for program, seeds in rows
        for task in tasks
        for seed in seeds
    ]
    fitness = np.asarray(score(requests), float)
    return fitness.reshape(len(rows), len(tasks), len(rows[0][1]) if rows else 0)


def mean_over_tasks(table: np.ndarray, weights: Sequence[float] | None = None) -> np.ndarray:
    """[..., S] weighted mean of fitness [..., K, S]; -inf where a task has none."""
    table = np.asarray(table, float)
    shares = np.ones(table.shape[-2]) if weights is None else np.asarray(weights, float)
    finite = np.isfinite(table)
    means = (shares / shares.sum()) @ np.where(finite, table, 0.0)
    return np.where(finite.all(axis=-2), means, -np.inf)
