"""Simplification of programs that were made longer, and of evolved and random ones."""

import random

import pytest

from programs import (
    Program,
    analyse,
    library,
    live_across_steps,
    load,
)
from programs.mutate import mutate, random_program
from programs.simplify import simplify
from programs.simplify.check import check
from programs.simplify.rules import Claim
from tests.programs.evolved import complaints, evolved
from tests.programs.obfuscate import KINDS, obfuscate


def obfuscated(case: int) -> tuple[str, Program, list[str]]:
    rng = random.Random(case)
    name = library()[case % len(library())]
    original = load(f"library:{name}")
    return name, *obfuscate(original, rng, rng.randint(5, 40), rng.randint(3, 15))


def undo(cases, simplified) -> int:
    """How many cases get back to their length; all are equal, none is longer, none is cut off."""
    back = 0
    for case in cases:
        name, program, _ = obfuscated(case)
        result = simplify(program)
        same = check(simplified[name].original, result.program, claim=Claim.UP_TO_GUARDS)
        assert same.passed, f"case {case}, {name}: {same.note}"
        assert result.complete and len(result.program) <= len(program)
        back += len(result.program) <= len(simplified[name].program)
    return back


def test_obfuscated_programs_get_back_to_their_length(simplified):
    assert undo(range(1000, 1020), simplified) >= 18


@pytest.mark.slow
def test_500_obfuscated_programs(simplified):
    assert undo(range(500), simplified) >= 475


def test_obfuscation_is_sound_and_covers_its_kinds():
    made: set[str] = set()
    reused = 0
    for case in range(26):
        name, program, kinds = obfuscated(case)
        made |= set(kinds)
        original = load(f"library:{name}")
        assert len(program) >= len(original) + 5
        result = check(original, program, claim=Claim.UP_TO_GUARDS)
        assert result.passed, f"case {case}, {name}: {result.note}"
        live = {program.statements[i].target for i in analyse(program).live}
        redundant = set(range(len(program))) - set(analyse(program).live)
        reused += sum(program.statements[i].target in live for i in redundant)
    assert made == set(KINDS)
    assert reused > 50, "redundant statements on the program's own names"


@pytest.mark.parametrize("seed", range(12))
def test_evolved_and_random_programs(seed):
    """Whatever mutation makes comes out no longer, equal, and without a rule at fault."""
    rng = random.Random(seed)
    program = random_program(rng, 50)
    if seed % 2:
        program = load(f"library:{rng.choice(library())}")
        for _ in range(100):
            program = mutate(program, rng).program
    result = simplify(program)
    assert len(result.program) <= len(live_across_steps(program))
    # float32 may lose all of a small x in log(exp(x)); a step to x is rightly refused then.
    assert all(step.applied or "are needed" in step.check.note for step in result.certificate)
    same = check(program, result.program, claim=Claim.UP_TO_GUARDS)
    assert same.passed, same.note


@pytest.mark.parametrize("seed", [36, 76])
def test_chaotic_programs_become_shorter(seed):
    """A last bit of a constant decides all that they do after some steps."""
    result = simplify(evolved(seed))
    assert not complaints(result)
    assert len(result.program) < 0.8 * len(live_across_steps(result.original))
