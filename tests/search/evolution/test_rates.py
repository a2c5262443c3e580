"""Programs at another rate: the same updates times a factor, whatever their form."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given

from programs import analyse, load, parse, remove_redundant
from programs.behaviour import update_size
from programs.execute import run_step
from programs.mutate import Mutation
from search.config.settings import EvaluationSettings, EvolutionSettings
from search.evaluation.fitness import Evaluation, Outcome, Score, rates_tried, score_of
from search.evolution.evolution import Child
from search.evolution.niches import individual_of
from search.evolution.rates import at_rate, has_room, matching_rate
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


TUNED = parse(
    "def train(w, g, m, v, lr):\n    g2 = square(g)\n    m = interp(m, g, 0.4)\n"
    "    v = interp(v, g2, 0.2)\n    sqrt_v = sqrt(v)\n    update = m / sqrt_v\n"
    "    lr = lr * 0.03\n    update = update * lr\n    return update, m, v\n"
)


@pytest.mark.parametrize(
    ("changes", "plain", "with_factor"),
    [
        ({}, True, True),
        ({"mutations": {"max_length": 2}}, True, True),
        ({"mutations": {"max_length": 1}}, False, True),
        ({"mode": "tune"}, False, True),
    ],
)
def test_a_rate_needs_room_for_a_statement_or_a_constant(changes, plain, with_factor):
    settings = EvolutionSettings(**changes)
    assert has_room(parse(body("update = sign(g)")), settings) is plain
    assert has_room(parse(body("update = g * 0.1")), settings) is with_factor


def child_of(parent, program):
    score = Score(-1.0, Outcome.COMPLETED)
    born = individual_of(EvolutionSettings(), 0, program=parent, score=score, states=2, live=7)
    return Child(1, 0, 0, born, Mutation(program, analyse(program), "insert", 1))


@pytest.mark.parametrize(
    "end", ["update = sign(update)", "update = cosh(update)", "update = update * 1e-4",
            "update = update / lr", "update = exp(m)", "m = sign(m)", "update = cbrt(update)"]
)  # fmt: skip
def test_at_the_matching_rate_updates_are_as_large_as_the_parents(end):
    child = child_of(TUNED, parse(str(TUNED).replace("    return", f"    {end}\n    return")))
    rate = matching_rate(child)
    assert math.frexp(rate)[0] == 0.5  # a power of two
    size = update_size(at_rate(child.mutation.program, rate))
    assert 0.4 < size / update_size(TUNED) < 2.5


def test_without_a_size_the_rate_stays():
    for text in (
        "update = g * 0.0",
        "update = g / lr; update = update * 1e38; update = exp(update)",
    ):
        program = parse(body(text))
        assert matching_rate(child_of(TUNED, program)) == 1.0
        assert matching_rate(child_of(program, TUNED)) == 1.0
    start = Child(0, 0, -1, None, Mutation(TUNED, analyse(TUNED), "start", 1))
    assert matching_rate(start) == 1.0
    tiny = child_of(TUNED, at_rate(TUNED, 1e-9))
    assert matching_rate(tiny) == 2.0**20


@pytest.mark.parametrize(
    "rates, tried, expected",
    [
        ((1.0, 0.5), [1.0, 0.5], (1.0, 0.5)),
        ((1.0, 0.5), [0.5, 1.0], (1.0, 0.5)),
        ((1.0, 0.5), [2.0, 4.0], (4.0, 2.0)),
        ((1.0, 0.5), [0.125], (0.125,)),
        ((1.0, 2.0, 0.5), [8.0, 4.0], (4.0, 8.0)),
        ((1.0, 2.0, 0.5), [2.0, 4.0, 8.0], (4.0, 8.0, 2.0)),
        ((1.0,), [1.0], (1.0,)),
        ((1.0, 0.3), [0.3, 1.0], (1.0, 0.3)),
    ],
)
def test_rates_are_in_the_order_in_which_they_were_tried(rates, tried, expected):
    settings = EvaluationSettings(tasks=("toy",), rates=rates)
    failed = [Evaluation("toy", 0, -math.inf, Outcome.HURDLE, 1, rate=rate) for rate in tried]
    assert rates_tried(failed, settings) == expected
    assert score_of(failed, settings).rate == expected[0]
