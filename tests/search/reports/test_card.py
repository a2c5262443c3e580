"""What the transfer card says of a program."""

from types import SimpleNamespace

import pytest

from programs import parse
from search.reports.card import rule_sentence


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
