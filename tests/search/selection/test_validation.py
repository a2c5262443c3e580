"""The delivered program beside the winner and the baselines, on fresh seeds."""

import math

import pytest
from toys import Noisy

from programs import load
from search.config.selection import AblationSettings, FinalsSettings
from search.evaluation.request import META
from search.evaluation.seeds import VALIDATION
from search.reports.validation import validation_markdown, validation_table
from search.selection.validation import validate

LION, ADAMW, SGD = (load(f"library:{name}") for name in ("lion", "adamw", "sgd"))


def validated(worth, tolerance=0.1):
    asked = []

    def score(requests):
        asked.extend(requests)
        return Noisy(lambda r: worth.get(r.program, 0.0), luck=0.02)(requests)

    found = validate(
        [("winner", LION), ("final program", SGD)],
        [("library:adamw", ADAMW)],
        score,
        ["a@10", "b@10"],
        None,
        FinalsSettings(seeds=8),
        AblationSettings(tolerance=tolerance),
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
def test_the_verdict(worth, said):
    found = validated({LION: 0.0, SGD: worth, ADAMW: -1.0})
    assert said in found.verdict(1)
    assert found.clearly_worse(1) == (said == "clearly worse")
    for text in (validation_table(found), validation_markdown(found)):
        assert "final program" in text and "less library:adamw" in text
        assert "90 %" in text  # each bound of the interval is at 5 %


def test_the_winners_own_failures_are_not_held_against_the_result():
    found = validated({LION: -math.inf, SGD: -math.inf, ADAMW: 0.0})
    assert not found.clearly_worse(1) and "none" in validation_table(found)


def test_the_tolerance_is_the_ablations():
    found = validated({}, tolerance=None)
    assert 0.05 < found.tolerance < 0.5  # half of a seed's luck, over two tasks
