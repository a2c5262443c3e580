"""The three mutations: their distribution, their reach, and that they repeat."""

import collections
import hashlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from programs import Program, ProgramError, Statement, analyse, load, parse
from programs import mutate as mutation
from programs.abstract import remove_redundant
from programs.draws import child_rng
from programs.functions import FUNCTIONS
from programs.kinds import Kind
from programs.mutate import MutationOptions, mutate, random_program
from programs.program import MAX_STATEMENTS
from tests.strategies import programs

ADAMW = load("library:adamw")
INSERT = MutationOptions(insert=1, delete=0, modify=0)


def _children(program, count, options=MutationOptions(), seed=0):
    analysis = analyse(program)
    return [
        mutate(program, child_rng(seed, 0, i), options=options, analysis=analysis)
        for i in range(count)
    ]


def _inserted(parent, child) -> tuple[int, Statement]:
    """Where and what was inserted (the last of equal places)."""
    place = max(
        i
        for i in range(len(child))
        if child.statements[:i] + child.statements[i + 1 :] == parent.statements
    )
    return place, child.statements[place]


@given(programs(), st.integers(0, 2**63))
def test_children_are_valid_and_one_step_away(program, seed):
    child = mutate(program, child_rng(seed, 1, 2))
    assert analyse(child.program) == child.analysis
    assert child.program.states == program.states
    grown = len(child.program) - len(program)
    assert grown == {"insert": 1, "delete": -1, "modify": 0}[child.kind]
    assert parse(str(child.program)) == child.program


def test_the_three_are_equally_likely():
    program = parse(  # on which nothing fails: no scalar slots, and update is assigned twice
        "def train(w, g, lr):\n  update = g * 0.5\n  update = g + w\n  return update"
    )
    kinds = collections.Counter(c.kind for c in _children(program, 9000))
    assert all(abs(kinds[kind] - 3000) < 250 for kind in ("insert", "delete", "modify"))


def test_an_invalid_child_draws_its_mutation_anew():
    kinds = collections.Counter(c.kind for c in _children(ADAMW, 9000))
    for kind, share in (("insert", 0.39), ("delete", 0.22), ("modify", 0.39)):
        assert abs(kinds[kind] / 9000 - share) < 0.02


@pytest.mark.slow
def test_a_hundred_thousand_inserts_reach_every_function_and_every_kind():
    seen: dict[str, collections.Counter] = collections.defaultdict(collections.Counter)
    places: collections.Counter = collections.Counter()
    targets: collections.Counter = collections.Counter()
    program = parse("def train(w, g, m, lr):\n  n = norm(g)\n  update = g * n\n  return update, m")
    kinds = {"w": 2, "g": 2, "m": 2, "lr": 0, "n": 1, "update": 2}
    for child in _children(program, 100_000, INSERT):
        place, statement = _inserted(program, child.program)
        places[place] += 1
        targets[statement.target] += 1
        signature = tuple(
            Kind(kinds[a]) if isinstance(a, str) else "constant" for a in statement.arguments
        )
        seen[statement.function][signature] += 1
    assert set(seen) == set(FUNCTIONS)
    for name, row in FUNCTIONS.items():
        missing = set(row.kinds) - set(seen[name])
        assert not missing, (name, missing)
        if row.arity:
            assert any("constant" in signature for signature in seen[name])
    assert seen["interp"][Kind.TENSOR, Kind.TENSOR, Kind.SCALAR] > 100
    assert seen["interp"][Kind.TENSOR, Kind.TENSOR, "constant"] > 100
    counts = [sum(c.values()) for c in seen.values()]
    assert max(counts) < 1.5 * min(counts)  # functions are drawn evenly
    assert set(places) == {0, 1, 2}
    assert {"v1", "w", "g", "m", "lr", "n", "update"} == set(targets)


def test_every_argument_and_constant_can_be_modified():
    options = MutationOptions(insert=0, delete=0, modify=1)
    changed, fresh, scaled = collections.Counter(), 0, 0
    for child in _children(ADAMW, 20_000, options):
        for i, (old, new) in enumerate(zip(ADAMW, child.program)):
            for slot, (a, b) in enumerate(zip(old.arguments, new.arguments)):
                if a != b:
                    changed[i, slot] += 1
                    if isinstance(a, float) and isinstance(b, float):
                        fresh += 1
                        scaled += b > 0
    assert set(changed) == {
        (i, s) for i, st_ in enumerate(ADAMW) for s in range(len(st_.arguments))
    }
    assert scaled > 0.7 * fresh  # half are times 2^a and keep their sign, half of the rest do too


def test_new_constants_are_standard_normal_and_rescaling_is_log_normal():
    import math
    import statistics

    options = MutationOptions(mode="constants")
    program = parse("def train(w, g, lr):\n  update = g * 3.0\n  return update")
    factors = [
        math.log2(c.program.statements[0].arguments[1] / 3.0)
        for c in _children(program, 4000, options)
    ]
    assert abs(statistics.mean(factors)) < 0.06
    assert abs(statistics.stdev(factors) - 1) < 0.05
    options = MutationOptions(insert=0, delete=0, modify=1, rescale=0)
    constants = [
        a
        for c in _children(program, 20_000, options)
        for a in c.program.statements[0].arguments
        if not isinstance(a, str) and a != 3.0
    ]
    assert abs(statistics.mean(constants)) < 0.05
    assert abs(statistics.stdev(constants) - 1) < 0.05


def test_modes():
    for child in _children(ADAMW, 300, MutationOptions(mode="constants")):
        assert child.kind == "constant"
        assert [s.function for s in child.program] == [s.function for s in ADAMW]
        differing = [
            (a, b)
            for x, y in zip(ADAMW, child.program)
            for a, b in zip(x.arguments, y.arguments)
            if a != b
        ]
        assert len(differing) <= 1
        assert all(isinstance(a, float) and a * b > 0 for a, b in differing)
    for child in _children(ADAMW, 300, MutationOptions(insert=0)):
        assert len(child.program) <= len(ADAMW)
    for child in _children(ADAMW, 300, MutationOptions(max_length=9)):
        assert len(child.program) <= 9
    for child in _children(ADAMW, 300, MutationOptions(max_length=10)):
        assert len(child.program) <= 10


@pytest.mark.parametrize("most", [0, 1, 5])
def test_too_many_redundant_statements_go_and_nothing_else_does(most):
    keeping = parse(f"{ADAMW}".replace("lr = lr * 0.001", "lr = lr * 0.001  # keep"))
    for start in (ADAMW, keeping):
        program, pruned = start, 0
        for i in range(300):
            as_drawn = mutate(program, child_rng(1, 0, i))
            child = mutate(program, child_rng(1, 0, i), options=MutationOptions(max_redundant=most))
            redundant = len(as_drawn.program) - len(as_drawn.analysis.live)
            assert child.analysis == analyse(child.program)
            assert child.analysis.functional_hash == as_drawn.analysis.functional_hash
            if redundant <= most:
                assert child.program == as_drawn.program
            else:
                assert child.program == remove_redundant(as_drawn.program, keep_frozen=True)
                pruned += 1
            assert sum(s.frozen for s in child.program.statements) == len(start.frozen)
            program = child.program
        assert pruned > 10


@pytest.mark.parametrize("mode", ["all", "constants"])
def test_the_constant_0_is_modified_too(mode):
    """No factor changes it, so a new constant takes its place."""
    program = parse("def train(w, g, lr):\n  update = g + 0.0\n  return update")
    options = MutationOptions(insert=0, delete=0, mode=mode)
    for i in range(100):
        assert mutate(program, child_rng(0, 0, i), options=options).program != program


def test_when_no_child_can_be_found():
    with pytest.raises(ProgramError, match="no constant to tune"):
        mutate(
            parse("def train(w, g, lr):\n  update = sign(g)\n  return update"),
            child_rng(0, 0, 0),
            options=MutationOptions(mode="constants"),
        )
    program = parse("def train(w, g, lr):\n  update = sign(g)\n  return update")
    with pytest.raises(ProgramError, match="no valid child in 20000 draws with mode 'all' from"):
        options = MutationOptions(insert=0, modify=0)
        mutate(program, child_rng(0, 0, 0), options=options)
    with pytest.raises(ValueError, match="weights must be"):
        MutationOptions(insert=0, delete=0, modify=0)


def test_a_state_of_the_name_of_a_new_variable_makes_no_difference():
    """A new variable is called v1, v2, ..., and so may a state of the user's be."""
    text = "def train(w, g, STATE, lr):\n    update = g * lr\n    return update, STATE\n"
    named = {name: parse(text.replace("STATE", name)) for name in ("m", "v1")}
    targets = {
        name: collections.Counter(
            _inserted(start, child.program)[1].target for child in _children(start, 300, INSERT)
        )
        for name, start in named.items()
    }
    assert targets["m"]["v1"] == targets["v1"]["v2"] > 30
    assert targets["m"]["m"] == targets["v1"]["v1"] > 10


@pytest.mark.parametrize("rest", [{"insert": 1e-9, "modify": 0}, {"insert": 0, "modify": 1e-9}])
def test_a_weight_of_what_is_never_valid_leaves_a_child(rest):
    """Of one statement nothing can be deleted, however often it is drawn."""
    program = parse("def train(w, g, lr):\n  update = sign(g)\n  return update")
    options = MutationOptions(delete=100, **rest)
    child = mutate(program, child_rng(0, 0, 0), options=options)
    assert rest[child.kind] and analyse(child.program) == child.analysis
    assert child.attempts > mutation.MAX_ATTEMPTS


def test_same_generator_same_child_on_any_machine():
    """A golden digest of 500 successive children: it may never change for a released version."""
    program, analysis, options = ADAMW, None, MutationOptions(max_length=40)
    digest = hashlib.blake2b(digest_size=8)
    for i in range(500):
        child = mutate(program, child_rng(7, 3, i), options=options, analysis=analysis)
        program, analysis = child.program, child.analysis
        digest.update(str(program).encode())
    assert digest.hexdigest() == "2a274e208a0b5565"


@pytest.mark.parametrize("length", [1, 2, 9, 40, 200])
def test_random_programs(length):
    seen = collections.Counter()
    for i in range(2000 // length):
        program = random_program(child_rng(0, 0, i), length)
        assert len(program) == length
        analyse(program)
        assert any(s.target == "update" for s in program)
        seen.update(s.function for s in program)
    if length == 40:
        assert set(seen) == set(FUNCTIONS)


def test_random_program_of_nothing():
    with pytest.raises(ProgramError, match="1 to 1000 statements"):
        random_program(child_rng(0, 0, 0), 0)


def test_programs_grow_no_longer_than_the_parser_reads():
    program = Program(
        ("m" * 64,),
        (Statement("update", "interp", ("m" * 64, "g", -1.23457e-05)),) * MAX_STATEMENTS,
    )
    assert parse(str(program)) == program
    for i in range(60):
        child = mutate(program, child_rng(0, 0, i)).program
        assert len(child) <= MAX_STATEMENTS
        assert parse(str(child)) == child
    shorter = replace(program, statements=program.statements[1:])
    grown = _children(shorter, 15, INSERT)
    assert {len(child.program) for child in grown} == {MAX_STATEMENTS}
    with pytest.raises(ProgramError, match="cannot grow"):
        mutate(program, child_rng(0, 0, 0), options=INSERT)
    with pytest.raises(ProgramError, match="1 to 1000 statements, not 1001"):
        random_program(child_rng(0, 0, 0), MAX_STATEMENTS + 1)


def test_the_longest_program_can_be_read():
    """Names of 64 letters, and constants that take as many signs as any."""
    names = [f"{'v' * 60}{i:04}" for i in range(MAX_STATEMENTS)]
    constants = (-1.23457e-05,) * 3
    statements = [Statement(name, "interp", constants) for name in names]
    statements[-1] = Statement("update", "interp", ("w", "g", names[0]))
    program = Program(tuple(f"{'s' * 63}{i}" for i in range(8)), tuple(statements))
    assert parse(str(program)) == program


def test_constants_are_those_that_float32_holds():
    """However often a constant is rescaled, the parser reads it."""
    for start in (1e-44, 2e-45, 9e9):
        program = parse(f"def train(w, g, lr):\n  update = g * {start}\n  return update")
        options = MutationOptions(mode="constants")
        for i in range(300):
            program = mutate(program, child_rng(1, 0, i), options=options).program
            assert parse(str(program)) == program
            (constant,) = program.constants()
            assert constant.value == 0 or np.float32(constant.value) != 0
            if constant.value == 0:
                break
