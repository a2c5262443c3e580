"""Fitness as a table of programs, tasks and seeds."""

import math

import numpy as np
import pytest

from programs import load
from search.config.selection import StageSettings
from search.evaluation.request import META
from search.selection.objective import Objective, fitness_table, mean_over_tasks

LION, SGD = load("library:lion"), load("library:sgd")


def number(r) -> float:
    return 100 * (r.program == SGD) + 10 * (r.task == "b") + r.seed


def score(requests):
    return [number(r) for r in requests]


def test_the_table_is_of_programs_tasks_and_seeds():
    asked = []
    table = fitness_table(
        lambda requests: asked.extend(requests) or score(requests),
        [LION, SGD], tasks=["a", "b"], seeds=range(3), split=META,
    )  # fmt: skip
    assert table.tolist() == [[[0, 1, 2], [10, 11, 12]], [[100, 101, 102], [110, 111, 112]]]
    assert {r.split for r in asked} == {META} and len(asked) == 12
    empty = fitness_table(score, [], tasks=["a"], seeds=[1], split=META)
    assert empty.shape == (0, 1, 1)


def test_the_mean_over_tasks_is_weighted_and_none_where_a_task_has_none():
    assert mean_over_tasks([[1, 2], [3, 4]], [3, 1]).tolist() == pytest.approx([1.5, 2.5])
    assert mean_over_tasks([[1, 2], [3, -math.inf]]).tolist() == [2.0, -math.inf]
    assert mean_over_tasks([[1, 2], [3, math.nan]]).tolist() == [2.0, -math.inf]
    table = np.random.default_rng(0).normal(size=(5, 3, 4))
    by_one = [mean_over_tasks(one, [1, 0.3, 2.2]) for one in table]
    assert np.array_equal(mean_over_tasks(table, [1, 0.3, 2.2]), by_one)  # to the bit


def test_an_objective_is_the_search_s_or_a_stage_s():
    objective = Objective(score, ("a", "b"), (3.0, 1.0))
    assert objective.by_seed([LION], [0, 2]).tolist() == [[2.5, 4.5]]
    assert objective.means([LION, SGD], [0, 2]) == [3.5, 103.5]
    stage = objective.of_stage(StageSettings(name="B", scale=10))
    assert stage.tasks == ("a@10", "b@10") and stage.weights == (3.0, 1.0)
    stage = objective.of_stage(StageSettings(name="B", scale=2, tasks=("c@5",)))
    assert stage.tasks == ("c@10",) and stage.weights is None
    assert stage.expected(3) == (3, 30.0) and objective.expected(3) == (6, 6.0)
