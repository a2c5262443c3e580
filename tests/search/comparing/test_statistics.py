"""Intervals, curves and profiles of comparisons, against brute force and known answers."""

import itertools
import math
from fractions import Fraction
from math import comb
from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.comparing.results import ConditionResult, OptimizerResult, RunResult
from search.comparing.statistics import (
    Verdict,
    difference,
    differences,
    expected_best,
    expected_best_curves,
    first_step,
    profiles,
    slope,
    steps_to_target,
    trends,
)
from search.comparing.trial import Measured
from search.evaluation.fitness import Outcome
from search.selection.comparison import holm
from tests.search.comparing.toy import Toy, config, fitness, results

NUMBERS = st.floats(-10, 10).map(lambda x: round(x, 6))


@settings(deadline=None)
@given(st.lists(NUMBERS, min_size=1, max_size=6))
def test_expected_best_is_the_mean_over_all_subsets(values):
    brute = [
        fmean(max(chosen) for chosen in itertools.combinations(values, n))
        for n in range(1, len(values) + 1)
    ]
    assert expected_best(values, floor=-100) == pytest.approx(brute, abs=1e-9)


@settings(deadline=None)
@given(st.lists(NUMBERS, min_size=1, max_size=30))
def test_expected_best_grows_from_the_mean_to_the_best(values):
    curve = expected_best([*values, -math.inf], floor=-10)
    assert curve == sorted(curve) or curve == pytest.approx(sorted(curve))
    assert curve[0] == pytest.approx(fmean([*values, -10]))
    assert curve[-1] == pytest.approx(max(values))


@pytest.mark.parametrize("count", [1, 2, 17, 60])
def test_expected_best_is_as_with_exact_fractions(count):
    values = [Fraction(rank * rank - 50, 7) for rank in range(count)]
    exact = [
        sum(value * comb(rank, n - 1) for rank, value in enumerate(values)) / comb(count, n)
        for n in range(1, count + 1)
    ]
    curve = expected_best([float(value) for value in reversed(values)], floor=-100)
    assert curve == pytest.approx([float(value) for value in exact], rel=1e-12)


def test_expected_best_of_thousands_of_draws():
    """Of n of the numbers 1 to N, the largest is n (N + 1) / (n + 1) in the mean."""
    count = 5_000
    curve = expected_best([float(value) for value in range(1, count + 1)], floor=0.0)
    known = [n * (count + 1) / (n + 1) for n in range(1, count + 1)]
    assert curve == pytest.approx(known, rel=1e-9)


def _of_draws(name, *runs) -> OptimizerResult:
    return OptimizerResult(name, tuple(RunResult(draws, {}, -1.0, {}, ()) for draws in runs))


def test_where_nothing_completed_there_is_no_expected_best():
    nothing = (-math.inf, math.nan, -math.inf)
    bad = _of_draws("bad", nothing, nothing)
    assert expected_best_curves(ConditionResult("t", "t", None, (bad, bad))) == {"bad": []}
    good = _of_draws("good", (-3.0, -1.0, -2.0), (-2.0, -2.0, -2.0))
    curves = expected_best_curves(ConditionResult("t", "t", None, (bad, good)))
    assert curves["bad"] == [-3.0, -3.0, -3.0]  # the worst of any optimizer
    assert curves["good"] == pytest.approx([-2.0, -5 / 3, -1.5])


@settings(deadline=None)
@given(st.lists(NUMBERS, min_size=12, max_size=12), st.lists(NUMBERS, min_size=12, max_size=12))
def test_a_difference_is_the_opposite_of_the_opposite_difference(ours, theirs):
    ours, theirs = ([values[i : i + 4] for i in range(0, 12, 4)] for values in (ours, theirs))
    one, other = difference(ours, theirs, 0.05), difference(theirs, ours, 0.05)
    assert one.mean == pytest.approx(-other.mean) and one.p == pytest.approx(other.p)
    assert one.low == pytest.approx(-other.high) and one.low <= one.mean <= one.high
    if one.p < 0.0499:
        assert one.low > 0 or one.high < 0


@pytest.mark.parametrize("missing", [-math.inf, math.nan])
def test_without_a_value_on_either_side_there_is_no_difference_in_either_direction(missing):
    whole = [[1.0, 1.1], [1.2, 1.0], [0.9, 1.0], [1.0, 1.0], [1.1, 0.9]]
    lacks = [[value + 5 for value in run] for run in whole]
    lacks[1][0] = missing
    for pair in ((whole, lacks), (lacks, whole)):
        mean, *rest = difference(*pair, 0.05)
        assert math.isnan(mean) and rest == [-math.inf, math.inf, 1.0]


def test_runs_that_agree_by_luck_are_not_enough():
    theirs = [[0.0, 0.0], [0.0, 0.0], [0.0, 0.0]]
    ours = [[5.0, -4.8], [-4.0, 4.2], [3.0, -2.8]]  # each mean is 0.1
    assert difference(ours, theirs, 0.05).p > 0.5
    assert difference([[0.1], [0.1], [0.1]], [[0.0]] * 3, 0.05).p == 0.25  # by their signs


def test_curves_reach_a_target_between_their_points():
    curve = [(10, 0.0), (20, 1.0), (30, 0.5), (40, 3.0)]
    assert first_step(curve, -1) == 10
    assert first_step(curve, 0.25) == 12.5
    assert first_step(curve, 2.0) == pytest.approx(36)
    assert first_step(curve, 3.1) == math.inf
    assert first_step([], 0) == math.inf
    assert first_step([(10, -math.inf), (20, 1.0)], 0.5) == 20


def test_a_slope_is_that_of_the_line():
    assert slope([1, 2, 3], [2, 4, 6]) == pytest.approx(2)
    assert slope([1, 2], [-math.inf, 0]) == -math.inf


def _better(trial, by=0.2):
    """B is better by so much."""
    extra = by if dict(trial.contender.values).get("decay") == 0.5 else 0.0
    return fitness(trial) + extra


TWO = [
    {"rule": "optax:adamw", "name": "A", "space": {"decay": 0.1}},
    {"rule": "optax:adamw", "name": "B", "space": {"decay": 0.5}},
]


def test_a_large_difference_is_shown_and_its_interval_holds_it():
    small = config(
        optimizers=TWO, tuning={"runs": 5, "draws": 32, "keep": 4, "seeds": 3}, test={"seeds": 8}
    )
    [condition] = results(small, Toy(_better))
    [d] = differences([condition], "A", level=0.05)
    assert d.verdict is Verdict.BETTER and d.low < 0.2 < d.high
    [back] = differences([condition], "B", level=0.05)
    assert back.verdict is Verdict.WORSE


def test_an_optimizer_that_fails_is_neither_better_nor_worse():
    [condition] = results(config(optimizers=TWO), Toy(lambda t: _better(t, by=-math.inf)))
    [d] = differences([condition], "A", level=0.05)
    assert d.verdict is Verdict.FAILED and d.p == 1.0
    assert condition.optimizer("B").failed == condition.optimizer("B").trainings == 9


def test_p_values_are_adjusted_over_all_conditions():
    three = [*TWO, {"rule": "optax:lion", "name": "C", "space": {"decay": 0.5}}]
    conditions = results(config(optimizers=three, tasks=["vision_mlp", "language_mlp"]))
    found = differences(conditions, "A", level=0.05)
    assert len(found) == 4
    assert [d.adjusted for d in found] == holm([d.p for d in found])


def test_the_baseline_needs_its_own_steps_and_the_better_one_fewer():
    conditions = results(config(optimizers=TWO), Toy(_better))
    base, better = steps_to_target(conditions[0], "A")
    assert base.times_fewer == pytest.approx(1.0) and better.times_fewer > 1.5
    low, high = better.ends
    assert low <= better.times_fewer <= high
    profile = {p.optimizer: p for p in profiles(conditions, "A")}
    assert profile["B"].score == 1.0 and profile["B"].share(1.0) == 1.0
    assert profile["A"].score < 1.0


def _optimizer(name, *runs):
    """Of the curves of each run's trainings; one that ends before 99 steps has diverged."""

    def training(curve):
        done = curve[-1][0] == 99
        fitness, how = (curve[-1][1], Outcome.COMPLETED) if done else (-math.inf, Outcome.DIVERGED)
        return Measured("t", 0, fitness, how, 100, curve=tuple(curve))

    finals = (tuple(map(training, curves)) for curves in runs)
    return OptimizerResult(name, tuple(RunResult((1.0,), {}, 0.0, {}, own) for own in finals))


RISES = [(10, -2.0), (50, -1.2), (99, -1.0)]
PEAKS = [(10, -2.0), (20, -1.0), (50, -0.8), (99, -1.25)]
DIVERGES = RISES[:1]


@pytest.mark.parametrize("curve", [RISES, PEAKS])
def test_the_baseline_and_its_twin_need_as_many_steps_whatever_the_curve(curve):
    condition = ConditionResult(
        "t", "t", None, tuple(_optimizer(name, [curve], [RISES]) for name in "AB")
    )
    for steps in steps_to_target(condition, "A"):
        assert steps.times_fewer == 1.0 and steps.ends == (1.0, 1.0)


def test_one_bad_tuning_of_three_is_one_lost_run_of_three():
    """A mean over runs would be infinite, and worse the more runs there are."""
    good, bad = [(10, -1.5), (50, -1.0), (99, -0.9)], [(10, -2.0), (50, -1.9), (99, -1.8)]
    condition = ConditionResult(
        "t", "t", None, (_optimizer("A", *[[RISES]] * 3), _optimizer("B", [good], [bad], [good]))
    )
    base, other = steps_to_target(condition, "A")
    assert base.reached == 3 and other.reached == 2
    assert other.times_fewer == pytest.approx(99 / 50) and other.ends[0] == 0.0
    shares = {p.optimizer: (p.share(1.0), p.share(4.0)) for p in profiles([condition], "A")}
    assert shares == {"A": (1 / 3, 1.0), "B": (2 / 3, 2 / 3)}


def test_where_a_training_did_not_end_no_steps_are_compared():
    whole, failed = _optimizer("whole", [RISES, RISES]), _optimizer("failed", [RISES, DIVERGES])
    condition = ConditionResult("t", "t", None, (whole, failed))
    for baseline, numbers in (("whole", [1.0, 0.0]), ("failed", [0.0, 0.0])):
        assert [one.times_fewer for one in steps_to_target(condition, baseline)] == numbers
        profile = {one.optimizer: one.share(4.0) for one in profiles([condition], baseline)}
        assert profile == dict(zip(("whole", "failed"), numbers))


def test_trends_are_over_the_batch_sizes_of_a_task():
    def grows(trial):
        doublings = math.log2(trial.condition.batch_size)
        return _better(trial, by=0.1 * doublings)

    small = config(optimizers=TWO, batch_sizes=[8, 16, 32, 64], tuning={"runs": 6, "draws": 16})
    [trend] = trends(results(small, Toy(grows)), "A", level=0.05)
    assert trend.slope.mean == pytest.approx(0.1) and trend.slope.p < 0.05
    assert not trends(results(config()), "A", level=0.05)


def test_a_trend_is_of_one_schedule_and_one_warm_up():
    signs = {"cosine": 1, "linear": -1}

    def by_schedule(trial):
        doublings = math.log2(trial.condition.batch_size)
        warmup = trial.condition.warmup
        return _better(trial, by=warmup * signs[trial.condition.schedule] * doublings)

    settings = config(
        optimizers=TWO, batch_sizes=[8, 16], schedules=list(signs), warmups=[0.1, 0.2]
    )
    slopes = {one.series: one.slope.mean
              for one in trends(results(settings, Toy(by_schedule)), "A", level=0.05)}  # fmt: skip
    assert slopes == {
        "vision_mlp, warm-up 0.1": pytest.approx(0.1),
        "vision_mlp, warm-up 0.2": pytest.approx(0.2),
        "vision_mlp, linear, warm-up 0.1": pytest.approx(-0.1),
        "vision_mlp, linear, warm-up 0.2": pytest.approx(-0.2),
    }
