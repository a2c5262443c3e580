"""Which functions mutation and random programs draw."""

from __future__ import annotations

import collections

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from programs import ProgramError, load
from programs.draws import child_rng
from programs.function_draws import of_trees, weights_of
from programs.functions import ALIASES, FUNCTIONS
from programs.mutate import MutationOptions, mutate, random_program

ADAMW = load("library:adamw")
WEIGHTS = st.dictionaries(st.sampled_from(sorted(FUNCTIONS)), st.floats(1e-6, 1e6), min_size=1)


@settings(max_examples=100, deadline=None)
@given(functions=WEIGHTS, seed=st.integers(0, 2**32))
def test_nothing_else_is_inserted(functions, seed):
    program, options = ADAMW, MutationOptions(insert=3, functions=functions)
    for i in range(30):
        program = mutate(program, child_rng(seed, 0, i), options=options).program
    own = {statement.function for statement in ADAMW}
    assert {statement.function for statement in program} <= own | set(functions)


@settings(max_examples=100, deadline=None)
@given(functions=WEIGHTS, seed=st.integers(0, 2**32), length=st.integers(1, 20))
def test_random_programs_are_made_of_them(functions, seed, length):
    if not of_trees(functions):
        with pytest.raises(ProgramError, match="no function to draw"):
            random_program(child_rng(seed, 0, 0), length, functions=functions)
        return
    program = random_program(child_rng(seed, 0, 0), length, functions=functions)
    assert len(program) == length
    assert {statement.function for statement in program} <= set(functions)


def test_a_function_is_inserted_as_often_as_its_weight_says():
    options = MutationOptions(insert=1, delete=0, modify=0, functions={"sign": 1, "add": 3})
    count, old = collections.Counter(), collections.Counter(s.function for s in ADAMW)
    for i in range(4000):
        child = mutate(ADAMW, child_rng(0, 0, i), options=options).program
        count += collections.Counter(s.function for s in child) - old
    assert count.keys() == {"sign", "add"}
    assert abs(count["add"] / 4000 - 0.75) < 0.03


def test_the_order_of_the_names_does_not_matter():
    one, other = ({name: 1.0 for name in names} for names in (("add", "sin"), ("sin", "add")))
    for i in range(50):
        drawn = [
            mutate(ADAMW, child_rng(0, 0, i), options=MutationOptions(functions=functions)).program
            for functions in (one, other)
        ]
        assert drawn[0] == drawn[1]


def test_names_and_aliases():
    assert weights_of({"div": 1.0, "sign": 2.0}) == {"divide": 1.0, "sign": 2.0}
    for alias, name in ALIASES.items():
        assert weights_of({alias: 2.0}) == {name: 2.0}


@pytest.mark.parametrize(
    "functions, message",
    [
        ({"sgn": 1}, "unknown function 'sgn'; did you mean 'sign'?"),
        ({"divide": 1, "div": 1}, "'divide' is given twice, by this name and an alias"),
        ({"sign": 0}, "function sign: expected a weight above 0 and at most 1e+06, got 0"),
        ({"sign": float("nan")}, "function sign: expected a weight above 0"),
        ({}, "there is no function to draw"),
    ],
)
def test_what_cannot_be_drawn(functions, message):
    with pytest.raises(ProgramError) as error:
        weights_of(functions)
    assert message in str(error.value)
    with pytest.raises(ProgramError):
        MutationOptions(functions=functions)
