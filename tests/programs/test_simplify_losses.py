"""What simplification gave up is measured, and told in words."""

import warnings

import pytest

from programs import parse
from programs.simplify.losses import given_up


def program(*statements: str, states: str = ""):
    head = "".join(f", {s}" for s in states.split())
    body = "".join(f"  {s}\n" for s in statements)
    return parse(f"def train(w, g{head}, lr):\n{body}  return update{head}\n")


@pytest.mark.parametrize("count", [3, 4])
def test_numbers_beyond_float32_are_measured_without_a_warning(count):
    tower = ["t = exp(g)", *["t = exp(t)"] * (count - 1)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        given_up(program(*tower, "update = t * lr"), program(*tower, "update = lr * t"))
