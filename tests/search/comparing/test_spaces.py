"""Ranges of constants: draws stay inside, cover them, and edges are noticed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from programs import live_across_steps, load
from programs.hyperparameters import hyperparameters
from programs.load import library
from search.comparing.optax_table import OPTAX, row_of_twin
from search.comparing.spaces import (
    Space,
    between,
    default_ends,
    position,
    problem_with,
    problem_with_value,
)

SHARES = st.floats(0, 1)


@pytest.mark.parametrize("name", OPTAX)
def test_a_row_has_ranges_that_can_be(name):
    row = OPTAX[name]
    assert {"rate", "decay"} <= set(row.space) and row.note
    for constant, ends in row.space.items():
        assert problem_with(constant, ends) == ""


@pytest.mark.parametrize("row", [r for r in OPTAX.values() if r.twin], ids=lambda row: row.twin)
def test_a_twin_has_the_constants_of_its_row(row):
    names = {h.name for h in hyperparameters(live_across_steps(load(row.twin)))}
    assert set(row.space) - {"decay"} <= names
    assert set(row.ties) <= names and set(row.ties.values()) <= set(row.space)
    assert row_of_twin(row.twin) is row


@settings(deadline=None)
@given(st.sampled_from(["rate", "decay", "beta1", "momentum"]), SHARES)
def test_a_value_lies_where_it_was_drawn(name, x):
    ends = (0.01, 0.99)
    value = between(name, ends, x)
    assert 0.00999 <= value <= 0.99001
    assert position(name, ends, value) == pytest.approx(x, abs=1e-6)


def test_averages_are_alike_on_both_sides():
    assert between("beta", (0.001, 0.999), 0.5) == pytest.approx(0.5)
    assert between("rate", (0.001, 1.0), 0.5) == pytest.approx(10**-1.5)


@settings(deadline=None)
@given(st.integers(1, 40), st.text(max_size=5))
def test_draws_are_as_many_as_asked_and_depend_on_their_stream(count, stream):
    space = Space({"rate": (1e-3, 1.0), "beta1": (0.5, 0.99)}, {"c2": 3.0}, {"c4": "beta1"})
    draws = space.draws(count, stream)
    assert len(draws) == count and draws == space.draws(count, stream)
    assert draws != space.draws(count, stream + "'")
    for values in draws:
        assert 1e-3 <= values["rate"] <= 1.0 and values["c2"] == 3.0
        assert values["c4"] == values["beta1"]


def test_few_draws_cover_the_range():
    draws = Space({"rate": (1e-4, 1.0)}).draws(16, "s")
    parts = {int(16 * position("rate", (1e-4, 1.0), d["rate"]) - 1e-9) for d in draws}
    assert len(parts) == 16


def test_what_has_nothing_to_tune_is_drawn_all_the_same():
    assert Space({}, {"rate": 0.1}).draws(3, "s") == [{"rate": 0.1}] * 3


def test_an_optimum_near_an_end_is_at_an_edge():
    space = Space({"rate": (1e-4, 1.0), "beta": (0.5, 0.999)})
    assert space.edges({"rate": 1e-2, "beta": 0.95}) == {}
    assert space.edges({"rate": 0.9, "beta": 0.51}) == {"rate": "high", "beta": "low"}


@pytest.mark.parametrize("name", library())
def test_constants_of_a_program_have_ends_by_their_role(name):
    for h in hyperparameters(live_across_steps(load(f"library:{name}"))):
        ends = default_ends(h.name, h.value)
        if ends is None:
            assert not h.name.startswith("rate")
            continue
        assert problem_with(h.name, ends) == ""
        assert 0 <= position(h.name, ends, h.value) <= 1 or h.name.startswith(("beta", "moment"))


@pytest.mark.parametrize(
    ("name", "ends", "word"),
    [
        ("rate", (0.1, 0.01), "nearer to 0 first"),
        ("rate", (0.0, 1.0), "above 0"),
        ("beta", (0.5, 1.0), "below 1"),
        ("beta", (0.5, 0.9999999999), "below 1 (in float32), got 0.5 and 0.9999999999"),
        ("rate", (0.1, 0.1 + 1e-16), "nearer to 0 first"),
        ("rate", (1e-300, 1.0), "float32 can hold"),
        ("rate", (-0.01, -0.1), "two ends above 0"),
        ("decay", (-0.01, -0.1), "two ends above 0"),
    ],
)
def test_ends_that_cannot_be(name, ends, word):
    assert word in problem_with(name, ends)


@pytest.mark.parametrize(
    ("name", "value", "own", "word"),
    [
        ("rate", 0.0, 1.0, "above 0"),
        ("rate", -0.1, 1.0, "above 0, got -0.1"),
        ("rate", 0.1, -1.0, "below 0, got 0.1"),
        ("decay", -0.1, 1.0, "above 0"),
        ("beta1", 1.5, 0.9, "from 0 to below 1"),
        ("beta2", 0.9999999999, 0.9, "got 0.9999999999"),
        ("momentum", -0.5, 0.9, "from 0 to below 1"),
    ],
)
def test_values_that_cannot_be(name, value, own, word):
    assert word in problem_with_value(name, value, own)


@pytest.mark.parametrize(
    ("name", "value", "own"),
    [("rate", 0.1, 1.0), ("rate", -0.1, -1.0), ("decay", 0.0, 1.0), ("decay", 0.1, 0.0),
     ("beta", 0.0, 0.9), ("beta", 0.9999, 0.9), ("beta", 1.5, 1.2), ("c4", -3.0, 1.0)],
)  # fmt: skip
def test_values_that_can_be(name, value, own):
    assert problem_with_value(name, value, own) == ""


@settings(deadline=None)
@given(st.tuples(st.floats(0, 1), st.floats(0, 1)), SHARES)
def test_whatever_ends_can_be_have_positions(ends, x):
    if problem_with("beta", ends) == "":
        assert position("beta", ends, between("beta", ends, x)) >= -1e-6
