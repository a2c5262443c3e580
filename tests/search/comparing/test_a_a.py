"""The same optimizer under two names: called different in at most 5 % of 200 comparisons."""

import math

import pytest

from search.comparing.statistics import Verdict, differences
from tests.search.comparing.toy import Toy, config, fitness, normal, results

COMPARISONS = 200


def heavy(trial):
    """With noise whose tails are heavy, and divergence that depends on the seed."""
    value = fitness(trial, noise=0.02)
    luck = normal("heavy", trial.seed, trial.contender.identity, trial.split)
    return value + 0.02 * math.copysign(abs(luck) ** 2, luck)


@pytest.mark.parametrize("runs", [3, 5])
@pytest.mark.parametrize("of", [fitness, heavy], ids=["normal", "heavy"])
def test_one_optimizer_under_two_names_is_rarely_called_different(of, runs):
    tuning = {"runs": runs, "draws": 8, "keep": 2, "seeds": 2}
    called = 0
    for number in range(COMPARISONS):
        settings = config(seed=number, tuning=tuning, test={"seeds": 4})
        # Other noise in each comparison, as other tasks would have.
        shifted = lambda trial, number=number: (
            of(trial) + 0.03 * normal(number, trial.seed, trial.contender.identity, trial.kind)
        )
        [d] = differences(results(settings, Toy(shifted)), "A", level=0.05)
        assert d.verdict is not Verdict.FAILED
        called += d.verdict is not Verdict.NO_DIFFERENCE
    assert called <= 0.05 * COMPARISONS
