"""What the transfer card says of a program."""

import math
from types import SimpleNamespace

import pytest

from programs import parse
from search.reports.card import limits, rule_sentence
from search.selection.comparison import compare
from search.selection.results import StageEntry, StageResult


def delivered(body: str):
    text = f"def train(w, g, lr):\n    update = {body}\n    return update\n"
    return SimpleNamespace(final=SimpleNamespace(program=parse(text)))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("g * lr", "It is the gradient, times a rate; that explains 100.0% of its updates"),
        ("g * 0.0", "its updates are not finite, zero, or weight decay alone"),
        ("w * 0.1", "its updates are not finite, zero, or weight decay alone"),
    ],
)
def test_the_rule_in_a_sentence(body, said):
    assert said in rule_sentence(delivered(body))


FAILED = -math.inf


@pytest.mark.parametrize(
    ("ours", "theirs", "said"),
    [
        ([FAILED] + [1.0] * 5, [0.0] * 6, "it has no fitness on some of the seeds"),
        ([1.0] * 6, [FAILED] * 6, "nothing is shown: adamw has no fitness on 6 of 6 seeds"),
        ([1.0] * 6, [FAILED] * 3 + [0.0] * 3, "adamw has no fitness on 3 of 6 seeds"),
        ([1.0] * 6, [2.0] * 6, "it is worse than adamw"),
    ],
)
def test_whose_failure_it_was(ours, theirs, said):
    program = delivered("g * lr").final.program
    entry = StageEntry("lion", program, tuple(ours), compare(ours, theirs), "adamw")
    stage = StageResult("C", ("t",), 0.05, True, (entry,), ())
    assert said in next(limits([(stage, entry)]))
