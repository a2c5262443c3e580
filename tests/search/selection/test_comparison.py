"""Paired comparisons: exact values, odd input, and false promotions by simulation."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from search.config.selection import EXACT_SEEDS, FLIPS, fewest_seeds
from search.selection.comparison import (
    compare,
    holm,
    sign_flip_p_value,
    t_interval,
    t_p_value,
    worst_case,
)

LEVEL = 0.05
NULLS = 1_000


def allowed(count: int, level: float = LEVEL) -> int:
    """False promotions that `count` null candidates may give: beyond it once in 10,000 times."""
    return int(stats.binom.ppf(1 - 1e-4, count, level))


def test_the_t_test_is_the_textbooks():
    rng = np.random.default_rng(0)
    for n in (2, 3, 8):
        d = rng.normal(0.3, 1, n)
        mean, error = d.mean(), d.std(ddof=1) / math.sqrt(n)
        assert t_p_value(d) == pytest.approx(stats.t.sf(mean / error, n - 1))
        half = stats.t.ppf(1 - LEVEL, n - 1) * error
        got = compare(d, np.zeros(n), level=LEVEL)
        assert (got.low, got.high) == pytest.approx((mean - half, mean + half))


def test_an_interval_of_values_that_have_none():
    assert t_interval([0.3] * 4, LEVEL) == pytest.approx((0.3, 0.3))
    for values in ([], [1.0], [1.0, -math.inf], [1.0, math.nan, 2.0]):
        assert t_interval(values, LEVEL) == (-math.inf, math.inf)


def test_the_sign_flip_test_is_scipys():
    d = np.random.default_rng(1).normal(0.3, 1, 9)
    exact = stats.permutation_test(
        (d,), np.mean, permutation_type="samples", alternative="greater", n_resamples=np.inf
    )
    assert sign_flip_p_value(d) == pytest.approx(exact.pvalue)
    d = np.array([0.5, 1 / 300, -1 / 300, 0.2, -0.5, -0.2])  # its sum is 0 but for rounding
    patterns = list(itertools.product([1, -1], repeat=6))
    sums = [sum(round(300 * v) * s for v, s in zip(d, signs)) for signs in patterns]
    assert sign_flip_p_value(d) == np.mean(np.array(sums) >= 0)  # in whole numbers: ties are equal
    many = np.random.default_rng(1).normal(0.3, 1, 40)
    assert sign_flip_p_value(many) == pytest.approx(t_p_value(many), abs=0.01)


def test_no_p_value_is_below_two_to_the_minus_n():
    got = compare([1.0] * 4, [0.0] * 4)
    assert got.p == 2**-4
    assert got.p > LEVEL
    assert compare([1.0] * 5, [0.0] * 5).p <= LEVEL
    assert fewest_seeds(0.05) == 5
    assert fewest_seeds(0.05, 10) == 8


def test_no_p_value_is_below_what_random_flips_show():
    """Above 14 seeds; so there are levels that no number of seeds reaches."""
    few, many = EXACT_SEEDS + 1, 200
    for n in (few, many):
        assert compare([1.0] * n, [0.0] * n).p >= 1 / (FLIPS + 1)
    assert compare([1.0] * many, [0.0] * many).p == 1 / (FLIPS + 1)
    assert fewest_seeds(1 / (FLIPS + 1)) == few
    assert fewest_seeds(0.99 / (FLIPS + 1)) is None
    assert fewest_seeds(1e-4) == EXACT_SEEDS and fewest_seeds(1e-4, 3) is None


def test_equal_fitness_never_beats():
    assert compare([0.5] * 8, [0.5] * 8).p == 1.0
    assert compare([0.5] * 8, [0.5] * 8, margin=-0.1).p <= LEVEL  # but it is not worse


def test_fitness_that_is_not_there():
    fine = [1.0] * 8
    better = [2.0] * 7
    diverged = compare([*better, -math.inf], fine)
    assert (diverged.p, diverged.failed, diverged.mean) == (1.0, 1, -math.inf)
    assert compare([*better, math.nan], fine).p == 1.0
    # A baseline that fails gives no credit: the pair is dropped, and too many such pairs are no test.
    one_dropped = compare([2.0] * 8, [1.0] * 7 + [-math.inf])
    assert one_dropped.dropped == 1 and one_dropped.p == 2**-7
    half = compare([2.0, 3.0] * 4, [1.0] * 4 + [-math.inf] * 4)
    assert (half.p, half.low, half.high) == (1.0, -math.inf, math.inf)
    assert compare([2.0] * 8, [-math.inf] * 8).p == 1.0
    assert compare([2.0], [1.0]).p == 1.0
    with pytest.raises(ValueError, match="not paired"):
        compare([1.0], [1.0, 2.0])


def test_holm():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []


def test_several_baselines():
    weak, strong = compare([2.0] * 6, [1.0] * 6), compare([2.0] * 6, [3.0] * 6)
    assert worst_case([weak, strong]) is strong


def normal(rng, shape):
    return rng.normal(size=shape)


def heavy(rng, shape):
    return rng.standard_t(2, size=shape)


def lumpy(rng, shape):
    """Accuracies on 300 examples: many ties."""
    return np.round(rng.normal(size=shape) * 3) / 300


@pytest.mark.parametrize("noise", [normal, heavy, lumpy])
@pytest.mark.parametrize("seeds", [5, 8])
def test_null_candidates_are_promoted_at_most_at_the_level(noise, seeds):
    rng = np.random.default_rng(seeds)
    baseline = noise(rng, seeds)
    candidates = noise(rng, (NULLS, seeds))
    pairs = noise(rng, (NULLS, seeds))  # each with a baseline of its own: independent cases
    promoted = sum(compare(c, b).p <= LEVEL for c, b in zip(candidates, pairs))
    assert promoted <= allowed(NULLS)
    # All against one baseline, as in a funnel: Holm, so hardly ever a single one.
    adjusted = holm([compare(c, baseline, level=LEVEL).p for c in candidates])
    assert sum(p <= LEVEL for p in adjusted) == 0


def test_the_best_of_many_by_noisy_scores_passes_its_own_seeds_but_not_fresh_ones():
    """The winner's curse: 1,000 funnels, each taking the best of 200 null candidates."""
    rng = np.random.default_rng(0)
    biased = fresh = 0
    for _ in range(NULLS):
        search = rng.normal(size=(200, 5))
        best = int(search.mean(axis=1).argmax())
        baseline = rng.normal(size=5)
        biased += compare(search[best], baseline).p <= LEVEL
        fresh += compare(rng.normal(size=5), rng.normal(size=5)).p <= LEVEL
    assert biased > 5 * LEVEL * NULLS  # so that the simulation is about something
    assert fresh <= allowed(NULLS)


def test_a_real_improvement_is_seen():
    rng = np.random.default_rng(0)
    found = [compare(rng.normal(2, 1, 8), rng.normal(0, 1, 8)).p <= LEVEL for _ in range(300)]
    assert np.mean(found) > 0.9


def test_equal_differences_count_as_their_signs_do():
    """Three accuracies that are each better by one example of many prove little."""
    assert t_p_value(np.array([0.01, 0.01, 0.01])) == 0.125
    assert t_p_value(np.array([-0.01, -0.01, -0.01])) == t_p_value(np.zeros(3)) == 1.0
