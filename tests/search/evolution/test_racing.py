"""Who gets a further seed, and what a program's fitness is on fewer than all."""

from __future__ import annotations

import math
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.config.settings import EvaluationSettings
from search.evaluation.fitness import Evaluation, Outcome, Score, score_of
from search.evolution.racing import first_with_seeds, race

NUMBERS = st.floats(-10, 10)


def score(*by_seed: float) -> Score:
    outcome = Outcome.COMPLETED if by_seed else Outcome.DIVERGED
    return Score(fmean(by_seed) if by_seed else -math.inf, outcome, by_seed=by_seed)


@given(st.lists(st.lists(NUMBERS, max_size=4), max_size=30), st.floats(0, 1), st.integers(1, 10))
def test_what_is_asked_is_a_quantile_of_those_that_were_so_far(population, quantile, least):
    asked = race([score(*one) for one in population], quantile=quantile, seeds=4, least=least)
    assert len(asked) <= 3
    for count, worth in enumerate(asked, start=1):
        means = sorted(fmean(one[:count]) for one in population if len(one) >= count)
        assert len(means) >= least and means[0] <= worth <= means[-1]
        below = sum(mean < worth for mean in means)
        assert below <= math.ceil(quantile * (len(means) - 1))
    if len(asked) < 3:
        assert sum(len(one) > len(asked) for one in population) < least


def test_members_without_a_fitness_are_no_measure():
    assert race([score(), score(1.0)], quantile=0.5, seeds=2, least=2) == ()
    assert race([score(), score(1.0)], quantile=0.5, seeds=2, least=1) == (1.0,)
    assert race([score(1.0, 3.0), score(2.0)], quantile=1.0, seeds=3, least=1) == (2.0, 2.0)


def evaluations(*by_seed, tasks=("a", "b")):
    """by_seed: fitness of each task."""
    return [
        Evaluation(task, seed, fitness, Outcome.COMPLETED, 1, checkpoints=(fitness - 1,))
        for seed, of_tasks in enumerate(by_seed)
        for task, fitness in zip(tasks, of_tasks)
    ]


def test_the_luck_of_the_seeds_that_it_lacks_is_taken_from_the_warm_start():
    settings = EvaluationSettings(tasks=("a", "b"), weights=(3, 1), seeds=2, race=0.5)
    start = score_of(evaluations((1.0, 2.0), (3.0, 6.0)), settings)
    assert start.by_seed == (1.25, 3.75) and start.fitness == 2.5
    stored = sorted(evaluations((1.0, 2.0), (3.0, 6.0)), key=lambda one: one.task, reverse=True)
    assert score_of(stored, settings).by_seed == start.by_seed
    behind = score_of(evaluations((0.0, 1.0)), settings, start.by_seed)
    assert behind.by_seed == (0.25,)
    assert behind.fitness == pytest.approx(0.25 + 1.25)  # seed 1 gave the start that much more
    assert behind.by_task == pytest.approx((1.25, 2.25))
    assert behind.checkpoints == ((-1.0,), (0.0,))
    whole = score_of(evaluations((0.0, 1.0), (1.0, 2.0)), settings, start.by_seed)
    assert whole.fitness == 0.75 and whole.checkpoints == ((-1.0,), (0.0,))


def test_the_first_warm_start_with_a_fitness_is_the_measure():
    assert first_with_seeds({}) == first_with_seeds({0: ()}) == ()
    assert first_with_seeds({2: (3.0,), 1: (2.0,), 0: ()}) == (2.0,)


def test_without_a_race_nothing_of_it_is_kept():
    settings = EvaluationSettings(tasks=("a", "b"), seeds=2)
    found = score_of(evaluations((1.0, 2.0), (3.0, 6.0)), settings, (9.0, 9.0))
    assert found.by_seed == () and found.checkpoints == ((1.0,), (3.0,))
