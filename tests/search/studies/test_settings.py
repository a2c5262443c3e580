"""What pays: the arms, and the table of what each search came to."""

import numpy as np
import pytest
import toys
from scipy import stats

from search.config.load import load, loads
from search.evaluation.source import Function
from search.studies import settings


def whole():
    """A search with every setting that is taken away."""
    overrides = (
        "evolution.mutations.max_redundant=3", "evaluation.match_size=true",
        "evaluation.settings.language_transformer.random_signs=true",
    )  # fmt: skip
    return load("configs/discover.yaml", overrides)


def test_each_setting_is_taken_away_and_all_together():
    config = whole()
    arms = settings.arms(config)
    assert list(arms) == [
        "all", "without tune_start", "without rates", "without niches", "without gradient scales",
        "without random signs", "without race", "without max_redundant", "without match_size",
        "price, not niches", "with islands", "none of them",
    ]  # fmt: skip
    [scales] = arms["without gradient scales"].values()
    assert scales["language_transformer"]["steps"] == 150
    assert not any("gradient_scale" in key for key in scales["language_transformer"])
    assert scales["language_transformer"]["random_signs"]
    [signs] = arms["without random signs"].values()
    assert "random_signs" not in signs["language_transformer"]
    assert signs["language_transformer"]["gradient_scale_by_seed"] == 1.5
    single = [value for arm, value in arms.items() if arm.startswith("without")]
    none = arms["none of them"]
    assert none.keys() == {key for few in single for key in few}
    assert {*none["evaluation.settings"]["language_transformer"]} == {
        "layers", "width", "context", "batch_size", "steps", "schedule",
    }  # fmt: skip


def test_what_a_config_has_not_is_not_taken_away():
    config = loads(b"evaluation: {tasks: [vision_mlp], rates: [1.0, 0.5]}")
    assert list(settings.arms(config)) == ["all", "without rates", "with islands", "none of them"]


def test_every_arm_is_a_valid_config_with_as_many_trainings():
    config = whole()
    planned = settings.plan(config, Function(toys.factory()), trainings=500, repeats=2)
    assert len({one.name for one in planned}) == len(planned) == 24
    assert {one.config.stop.trainings for one in planned} == {500}
    assert [one.seed for one in planned] == [0] * 12 + [1] * 12
    by_arm = {one.arm: one.config for one in planned[:12]}
    assert by_arm["price, not niches"].evolution.price.state == settings.PRICE
    assert by_arm["price, not niches"].evolution.price.statement == 0.001
    assert by_arm["without race"].evaluation.seeds == 4
    assert by_arm["with islands"].evolution.migration_interval == 50


def found(arm, seed, fresh, *, rule="RMSProp", signs=0):
    own = {"arm": arm, "seed": seed, "fresh": fresh, "rule": rule, "signs": signs}
    return {**own, "trainings": 500, "fitness": -2.0}


def test_arms_are_compared_with_all():
    results = [
        found("all", seed, -2.3 - seed / 100, rule=settings.SIGN, signs=4) for seed in range(3)
    ]
    results += [found("without race", seed, -2.5 - seed / 100) for seed in range(2)]
    numbers, lines = settings.summary(results)
    one = numbers["without race"]
    assert one["minus_all"]["value"] == pytest.approx(-2.505 + 2.31)
    assert one["p"] < 0.05 and numbers["all"]["p"] is None
    assert (one["best_is_sign"], one["holds_sign"]) == (0, 0)
    assert numbers["all"]["best_is_sign"] == 3 and numbers["all"]["minus_all"] is None
    assert lines[3].split()[-8:] == ["yes", "0", "0", "of", "2", "0", "of", "2"]
    _, lines = settings.summary([*results, found("without race", 2, None, signs=1)])
    assert lines[3].split()[-9:] == ["not", "compared", "1", "0", "of", "3", "1", "of", "3"]


def test_apart_is_corrected_for_the_number_of_arms():
    """Of eight arms that do not differ from the whole one is apart in at most 1 of 20 studies."""
    rng, studies, wrong = np.random.default_rng(0), 100, 0
    for _ in range(studies):
        results = [
            found(arm, seed, rng.normal())
            for arm in (settings.ALL, *map(str, range(8)))
            for seed in range(3)
        ]
        numbers, _ = settings.summary(results)
        wrong += any(one["p"] is not None and one["p"] <= 0.05 for one in numbers.values())
    assert wrong <= stats.binom.ppf(1 - 1e-3, studies, 0.05)
