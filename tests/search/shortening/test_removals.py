"""Removals: all that can be taken out of a program, each shorter, valid and listed once."""

import pytest

from programs import load
from programs.canonical import canonical_hash
from search.shortening.removals import are_twins, removals
from tests.search.shortening.test_ablation import EVOLVED


def test_removals_of_a_program():
    found = {removal.what: removal.program for removal in removals(EVOLVED)}
    assert "drop g = clip(g, lr)" in found and "drop g = arcsin(g)" in found
    assert "drop state v" in found and found["drop state v"].states == ()
    assert max(len(program) for program in found.values()) < len(EVOLVED)
    assert list(found).index("drop g = clip(g, lr)") < list(found).index("drop g = arcsin(g)")
    assert len({canonical_hash(program) for program in found.values()}) == len(found)


@pytest.mark.parametrize("name", ["lion", "adamw", "program8", "yogi", "lamb"])
def test_every_removal_is_shorter_and_valid(name):
    program = load(f"library:{name}")
    for removal in removals(program):
        assert (len(removal.program), len(removal.program.states)) < (
            len(program),
            len(program.states),
        )
        assert set(removal.program.states) <= set(program.states)


def test_no_number_takes_the_place_of_an_array():
    """Without weight decay, but with a drift of the same constant for all weights, is no removal."""
    program = load("library:signum")
    whats = [removal.what for removal in removals(program)]
    assert "replace wd = w * 0.1 by w" in whats and "replace wd = w * 0.1 by 0.1" not in whats
    assert "replace lr = lr * 0.0003 by 0.0003" in whats


@pytest.mark.parametrize("name", ["lion", "adamw", "program8", "yogi", "lamb"])
def test_a_removal_is_repeated_on_the_same_program_with_other_constants(name):
    program = load(f"library:{name}")
    constants = [constant.value for constant in program.constants()]
    other = program.with_constants([0.7 * value for value in constants])
    assert are_twins(program, other) and not are_twins(program, load("library:sgd"))
    followed = 0
    for removal in removals(program):
        twin = removal.with_constants_of(other)
        if twin is not None:  # none where the value of a constant decides what is left
            assert are_twins(twin, removal.program)
            followed += 1
        assert removal.with_constants_of(program) == removal.program
    assert followed >= 0.8 * len(removals(program))
