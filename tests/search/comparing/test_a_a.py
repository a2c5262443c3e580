"""The same optimizer under several names: how often it is called different, tuning included."""

import math

import pytest
from scipy import stats

from search.comparing.statistics import Verdict, differences
from tests.search.comparing.toy import Toy, config, fitness, normal, results

COMPARISONS = 200


def heavy(trial):
    """With noise whose tails are heavy."""
    luck = normal("heavy", trial.seed, trial.contender.identity, trial.split)
    return fitness(trial, noise=0.02) + 0.02 * math.copysign(luck**2, luck)


def called(number: int, *, names: str, runs: int, of=fitness) -> int:
    """How many of the comparisons of one command call A different from the first."""

    def shifted(trial):  # other noise in each comparison, as other tasks would have
        return of(trial) + 0.03 * normal(number, trial.seed, trial.contender.identity, trial.kind)

    settings = config(
        seed=number,
        optimizers=[{"rule": "optax:adamw", "name": name} for name in names],
        tuning={"runs": runs, "draws": 8, "keep": 2, "seeds": 2},
        test={"seeds": 4},
    )
    found = differences(results(settings, Toy(shifted)), "A", level=0.05)
    assert len(found) == len(names) - 1
    assert all(d.verdict is not Verdict.FAILED for d in found)
    return sum(d.verdict is not Verdict.NO_DIFFERENCE for d in found)


@pytest.mark.parametrize("of", [fitness, heavy], ids=["normal", "heavy"])
def test_under_two_names_in_at_most_5_percent(of):
    count = sum(called(i, names="AB", runs=3, of=of) for i in range(COMPARISONS))
    assert count <= 0.05 * COMPARISONS


def test_under_five_names_in_at_most_5_percent_of_the_commands():
    commands = COMPARISONS // 4
    counts = [called(i, names="ABCDE", runs=5) for i in range(commands)]
    assert sum(counts) <= 0.05 * COMPARISONS
    assert sum(map(bool, counts)) <= stats.binom.ppf(1 - 1e-4, commands, 0.05)


@pytest.mark.slow
@pytest.mark.parametrize("runs", [3, 5, 8])
@pytest.mark.parametrize("of", [fitness, heavy], ids=["normal", "heavy"])
def test_with_more_runs_as_often_as_the_level_says(of, runs):
    count = sum(called(i, names="AB", runs=runs, of=of) for i in range(2_000))
    assert count <= stats.binom.ppf(1 - 1e-4, 2_000, 0.05)
