"""The delivered program beside the winner and the baselines, on fresh seeds."""

import math

import pytest
from toys import Noisy

from programs import load
from search.config.selection import AblationSettings, FinalsSettings
from search.evaluation.request import META
from search.evaluation.seeds import VALIDATION
from search.selection.objective import Objective
from search.selection.results import NamedProgram
from search.selection.validation import Standing, Validation, validate

LION, ADAMW, SGD = (load(f"library:{name}") for name in ("lion", "adamw", "sgd"))


def validated(worth, tolerance=0.1, final=SGD):
    asked = []

    def score(requests):
        asked.extend(requests)
        return Noisy(lambda r: worth.get(r.program, 0.0), luck=0.02)(requests)

    found = validate(
        [NamedProgram("winner", LION), NamedProgram("final program", final)],
        [NamedProgram("library:adamw", ADAMW)],
        objective=Objective(score, ("a@10", "b@10")),
        finals=FinalsSettings(tunings=4, seeds=2),
        ablation=AblationSettings(tolerance=tolerance),
    )
    assert {r.split for r in asked} == {META} and min(r.seed for r in asked) == VALIDATION.first
    assert len(asked) == 3 * 2 * 8
    return found


@pytest.mark.parametrize(
    ("worth", "said"),
    [
        (0.0, "not worse than the winner by more than the tolerance"),
        (-0.09, "nor shown to be as good"),
        (-0.3, "clearly worse"),
        (-math.inf, "clearly worse"),
    ],
)
def test_the_standing(worth, said):
    found = validated({LION: 0.0, SGD: worth, ADAMW: -1.0})
    assert said in found.standing(1).value
    assert found.clearly_worse(1) == (said == "clearly worse")


def test_as_good_is_said_by_both_tests():
    """The interval alone lies above minus the tolerance, while p, of the sign-flip test, is 1 / 8."""
    fitness = (0.0, 0.0, 0.0), (0.01, 0.02, 0.03)
    found = Validation(("t",), 0.05, 0.1, ("winner", "final program"), fitness, 0)
    assert found.difference(1, 0).low > -0.1 and found.difference(1, 0).p == 1 / 8
    assert found.standing(1) is Standing.UNDECIDED


def test_the_winners_own_failures_are_not_held_against_the_result():
    found = validated({LION: -math.inf, SGD: -math.inf, ADAMW: 0.0})
    assert not found.clearly_worse(1)


def test_the_tolerance_is_the_ablations():
    found = validated({}, tolerance=None)
    assert 0.05 < found.tolerance < 0.5  # half of a seed's luck, over two tasks


FAILED, FINE = -math.inf, 1.0


@pytest.mark.parametrize(
    ("winner", "final", "worse"),
    [
        ((FAILED, FINE, FINE, FINE), (FINE, FAILED, FINE, FINE), True),
        ((FAILED, FAILED, FINE, FINE), (FINE, FINE, FAILED, FINE), True),
        ((FAILED, FAILED, FINE, FINE), (FAILED, FINE, FINE, FINE), False),
        ((FAILED, FINE, FINE, FINE), (FAILED, FINE, FINE, FINE), False),
    ],
)
def test_a_failure_counts_where_the_winner_does_not_fail(winner, final, worse):
    """Seed by seed, however often each of them fails."""
    found = Validation(("t",), 0.05, 0.1, ("winner", "final program"), (winner, final), 0)
    assert found.clearly_worse(1) is worse
