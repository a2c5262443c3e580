"""Every program of a search is read back from its text, as a store keeps it, and stays readable."""

import random
from collections import deque

import pytest

from programs import analyse, load, parse
from programs.draws import child_rng
from programs.mutate import MutationOptions, mutate
from programs.parse import MAX_BYTES
from programs.program import MAX_STATEMENTS


def _search(children: int, population: int, options: MutationOptions) -> int:
    """The longest program of a search in which fitness is random and the oldest dies."""
    rng, longest = random.Random(0), 0
    start = load("library:adamw")
    alive = deque([(start, analyse(start))] * population, population)
    for i in range(children):
        parent, analysis = alive[rng.randrange(population)]
        child = mutate(parent, child_rng(0, 0, i), options=options, analysis=analysis)
        text = str(child.program)
        assert parse(text) == child.program
        assert len(text) <= MAX_BYTES and len(child.program) <= MAX_STATEMENTS
        longest = max(longest, len(child.program))
        alive.append((child.program, child.analysis))
    return longest


def test_programs_are_read_back():
    assert _search(500, 20, MutationOptions()) > 10
    assert _search(300, 3, MutationOptions(delete=0, max_length=40)) == 40


@pytest.mark.slow
def test_a_hundred_thousand_programs_are_read_back():
    print("\nlongest:", _search(100_000, 1_000, MutationOptions()))


@pytest.mark.slow
def test_no_program_grows_beyond_what_can_be_read():
    assert _search(4_000, 2, MutationOptions(delete=0)) == MAX_STATEMENTS
