"""Intervals against other ways to them."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from search.studies.intervals import (
    Estimate,
    difference_of,
    mean_of,
    p_of_difference,
    rank_correlation,
    share_of,
)

numbers = st.floats(-100, 100)


@settings(deadline=None)
@given(st.lists(numbers, min_size=2, max_size=8))
def test_a_mean_lies_in_its_interval(values):
    found = mean_of(values)
    assert found.low - 1e-9 <= found.value <= found.high + 1e-9
    assert found.value == pytest.approx(np.mean(values))


def test_of_one_value_or_none_nothing_is_claimed():
    assert mean_of([2.0])[1:] == (-math.inf, math.inf, 1)
    assert mean_of([2.0]).text() == "2" and mean_of([]).text() == "none"
    assert mean_of([]).as_json() == {"value": None, "interval": [None, None], "size": 0}
    assert math.isinf(difference_of([1.0], [2.0]).low)
    assert difference_of([], [2.0]).size == 0 == share_of(0, 0).size


def test_three_repeats_by_hand():
    found = mean_of([1.0, 2.0, 3.0])
    assert found.high - 2.0 == pytest.approx(4.3027 / math.sqrt(3), abs=1e-4)  # t of 2 degrees
    assert Estimate(1, 0.5, 1.5, 3).is_above(Estimate(0, -0.5, 0.4, 3))
    assert not Estimate(1, 0.5, 1.5, 3).is_above(Estimate(0, -0.5, 0.6, 3))


def test_p_is_of_the_same_test_as_the_interval():
    one, other = [1.0, 2.0, 4.0], [0.0, 0.5, 0.7, 0.2]
    ours = np.array(one)
    edge = ours - difference_of(one, other).low  # so much lower, an end of the interval is 0
    assert p_of_difference(edge.tolist(), other) == pytest.approx(0.05)
    assert p_of_difference([1.0], other) == p_of_difference([1.0, 1.0], [0.0, 0.0]) == 1.0


@settings(deadline=None)
@given(st.integers(0, 40), st.integers(1, 40))
def test_bounds_of_a_share_are_those_that_would_just_be_rejected(count, total):
    count = min(count, total)
    low, high = share_of(count, total)[1:3]
    assert low <= count / total <= high
    if count:
        assert stats.binom.sf(count - 1, total, low) == pytest.approx(0.025)
    if count < total:
        assert stats.binom.cdf(count, total, high) == pytest.approx(0.025)


@settings(max_examples=4, deadline=None)
@given(st.lists(st.tuples(numbers, numbers), min_size=5, max_size=30))
def test_rank_correlation_is_scipys(pairs):
    one, other = zip(*pairs)
    found = rank_correlation(one, other)
    if math.isnan(found.value):
        assert min(len(set(one)), len(set(other))) == 1
        return
    assert found.value == pytest.approx(stats.spearmanr(one, other).statistic, abs=1e-9)
    assert -1 - 1e-9 <= found.low <= found.high <= 1 + 1e-9


def test_no_fitness_is_the_last_rank():
    fitness, truth = [1.0, 2.0, 3.0, 4.0, 5.0], [-math.inf, -math.inf, 0.0, 1.0, 0.5]
    expected = stats.spearmanr(fitness, [-9, -9, 0, 1, 0.5]).statistic
    assert rank_correlation(fitness, truth).value == pytest.approx(expected)


def test_a_rank_correlation_of_few_is_none():
    found = rank_correlation([1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0])
    assert found.text() == "none" and found.size == 4


def test_a_rank_correlation_of_few_is_not_certain_where_the_ranks_agree():
    rising = [1.0, 2.0, 3.0, 4.0, 5.0]
    found = rank_correlation(rising, rising)
    assert found.value == found.high == pytest.approx(1) and 0.1 < found.low < 0.3
    opposite = rank_correlation(rising, rising[::-1])
    assert (opposite.low, opposite.high) == pytest.approx((-found.high, -found.low))
    many = [float(i) for i in range(30)]
    assert rank_correlation(many, many).low > 0.99


@pytest.mark.parametrize("count", [5, 12])
def test_an_interval_of_a_rank_correlation_holds_the_true_one(count):
    """Normal values, whose true Spearman correlation is known."""
    rng, share, held = np.random.default_rng(0), 0.8, 0
    true = 6 / math.pi * math.asin(share / 2)
    for _ in range(200):
        one, noise = rng.normal(size=(2, count))
        found = rank_correlation(one, share * one + math.sqrt(1 - share**2) * noise)
        held += found.low <= true <= found.high
    assert held >= stats.binom.ppf(1e-3, 200, 0.95)
