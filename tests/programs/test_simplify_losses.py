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


NO_RATE = "dead zones: an update of 0 becomes nonzero at a schedule value of 0"
FINITE = "infinity or NaN in the first step becomes finite at gradients of 100 and gradients of 10"
INFINITE = "a finite update becomes infinity or NaN at gradients of 100"


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (["a = g * lr", "update = a / lr"], ["update = g * 1.0"], NO_RATE),
        (["a = lr / lr", "update = g * a"], ["update = g * 1.0"], NO_RATE),
        (["a = tanh(g)", "b = arctanh(a)", "update = b * lr"], ["update = g * lr"], FINITE),
        (["update = g * lr"], ["a = exp(g)", "b = log(a)", "update = b * lr"], INFINITE),
    ],
)
def test_what_is_told(before, after, told):
    assert told in given_up(program(*before), program(*after))


def test_another_order_gives_nothing_up():
    one = program("a = g + w", "update = a * lr")
    assert given_up(one, program("a = w + g", "update = a * lr")) == ()
