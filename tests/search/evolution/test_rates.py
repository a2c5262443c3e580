"""Programs at another rate: the same updates times a factor, whatever their form."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from programs import analyse, load, parse, remove_redundant
from programs.execute import run_step
from search.evolution.rates import at_rate
from tests.strategies import programs, trees


def body(text: str) -> str:
    lines = "".join(f"    {line.strip()}\n" for line in text.split(";"))
    return f"def train(w, g, m, v, lr):\n{lines}    return update, m, v\n"


@pytest.mark.parametrize(
    "text, expected",
    [
        ("update = g * 0.5", "update = g * 0.25"),
        ("lr = lr * 0.5; update = g * lr", "lr = lr * 0.25; update = g * lr"),
        ("a = 0.5 * g; update = a / v", "a = 0.25 * g; update = a / v"),
        ("update = g + w", "update = g + w; update = update * 0.5"),
        ("update = g + w; update = update * 0.5", "update = g + w; update = update * 0.25"),
        # The factor also goes elsewhere.
        ("lr = lr * 0.5; m = g * lr; update = g * lr", None),
        ("m = g * 0.5; update = m * lr", None),  # m is a state
        ("a = g * 0.5; update = a * a", None),
        ("update = g * 0.5; m = square(update)", None),
        ("update = w / 0.5", "update = w / 0.5; update = update * 0.5"),
    ],
)
def test_a_constant_factor_takes_the_rate_in(text, expected):
    expected = expected or f"{text}; update = update * 0.5"
    assert at_rate(parse(body(text)), 0.5) == parse(body(expected))


def test_of_the_library_none_grows_but_what_has_no_factor():
    assert len(at_rate(load("library:adamw"), 0.25)) == len(load("library:adamw"))
    assert "lr = lr * 0.00025" in str(at_rate(load("library:adamw"), 0.25))
    assert at_rate(load("library:lion"), 1.0) == load("library:lion")


@given(programs())
def test_the_update_is_scaled_and_the_states_are_as_before(program):
    scaled = at_rate(program, 0.5)
    assert at_rate(remove_redundant(program), 0.5) == remove_redundant(scaled)
    assert len(analyse(scaled).live) <= len(analyse(program).live) + 1
    inputs = {"w": trees(1), "g": trees(2), "lr": np.float32(0.7)}
    states = [trees(3 + i) for i in range(len(program.states))]
    with np.errstate(all="ignore"):
        update, after = run_step(program, np, states=states, **inputs)
        other, other_after = run_step(scaled, np, states=states, **inputs)
    np.testing.assert_equal(other_after, after)
    for old, new in zip(update, other, strict=True):
        is_normal = np.isfinite(old) & (np.abs(old) > 1e-30)
        np.testing.assert_array_equal(new[is_normal], old[is_normal] * np.float32(0.5))
