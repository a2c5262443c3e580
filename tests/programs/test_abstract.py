"""Abstract execution: kinds, functional hash, redundant statements, liveness across steps."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from programs import (
    InvalidProgram,
    Program,
    Statement,
    analyse,
    library,
    live_across_steps,
    load,
    reaching,
    remove_redundant,
)
from programs.draws import child_rng
from programs.execute import run_step
from programs.mutate import mutate
from tests.strategies import programs, renamed, ten_thousand_programs, trees


def _outputs(program, steps=3, seed=0):
    """All numbers of all updates and final states, in numpy."""
    w = trees(seed)
    states = [[np.zeros_like(leaf) for leaf in w] for _ in program.states]
    found = []
    with np.errstate(all="ignore"):
        for step in range(steps):
            g = trees(seed + 100 + step, 0.3)
            update, states = run_step(
                program, np, w=w, g=g, states=states, lr=np.float32(1 / (1 + step))
            )
            w = [leaf - change for leaf, change in zip(w, update)]
            found += [np.ravel(u) for u in update]
    return np.concatenate(found), [np.concatenate([np.ravel(x) for x in s]) for s in states]


def _same(a, b):
    return np.array_equal(a[0], b[0], equal_nan=True) and all(
        np.array_equal(x, y, equal_nan=True) for x, y in zip(a[1], b[1], strict=True)
    )


def test_program_8():
    program = load("library:program8")
    analysis = analyse(program)
    assert len(program) == 21
    assert len(analysis.live) == 13
    live = remove_redundant(program)
    assert len(live) == 13
    assert analyse(live).functional_hash == analysis.functional_hash
    lasting = live_across_steps(program)
    assert len(lasting) == 12
    assert lasting.states == ("v",)
    updates = _outputs(program, 10)[0], []
    assert _same(updates, (_outputs(lasting, 10)[0], []))


def test_the_functional_hash_is_stable():
    """Stores of earlier runs are keyed by these bytes: they may never change."""
    assert analyse(load("library:adamw")).functional_hash.hex() == GOLDEN["adamw"]
    assert analyse(load("library:lion")).functional_hash.hex() == GOLDEN["lion"]
    assert analyse(load("library:program8")).functional_hash.hex() == GOLDEN["program8"]


GOLDEN = {
    "adamw": "4801d02cc9e0d641a228e062af82a318",
    "lion": "ce6f8eb2c90a2aecb17467020f4a6353",
    "program8": "5e9542b499c6800cb749ddb21d6b2a66",
}


def test_the_functional_hash_is_the_same_in_another_process():
    code = (
        "from programs import *; print(analyse(load('library:lion')).functional_hash.hex(), end='')"
    )
    for seed in ("0", "1"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            env={"PYTHONHASHSEED": seed},
            check=True,
        )
        assert done.stdout == GOLDEN["lion"]


def test_equal_functional_hash_means_equal_outputs():
    groups: dict[bytes, list[Program]] = {}
    for program in ten_thousand_programs():
        groups.setdefault(analyse(program).functional_hash, []).append(program)
    repeated = [group for group in groups.values() if len(set(group)) > 1]
    assert len(repeated) > 300
    for group in repeated:
        first = _outputs(group[0])
        for other in list(dict.fromkeys(group))[1:4]:
            assert _same(first, _outputs(other))


def test_dead_code_changes_nothing():
    for program in ten_thousand_programs()[::5]:
        live = remove_redundant(program)
        assert analyse(live).functional_hash == analyse(program).functional_hash
        assert len(analyse(live).live) == len(live)
        assert _same(_outputs(program), _outputs(live))
        lasting = live_across_steps(program)
        assert np.array_equal(_outputs(program)[0], _outputs(lasting)[0], equal_nan=True)


def test_redundant_statements_by_deleting_each():
    """The oracle: a statement is redundant if the functional hash is the same without it."""
    for program in ten_thousand_programs()[::50]:
        analysis = analyse(program)
        for i in set(range(len(program))) - set(analysis.live):
            without = Program(program.states, program.statements[:i] + program.statements[i + 1 :])
            try:
                other = analyse(without)
            except InvalidProgram as error:  # something redundant reads it
                assert error.index is not None
                continue
            assert other.functional_hash == analysis.functional_hash


@given(programs(), st.integers(0, 2**32))
def test_names_and_redundant_statements_change_no_hash(program, seed):
    analysis = analyse(program)
    other = renamed(program, seed)
    assert analyse(other).functional_hash == analysis.functional_hash
    extra = Statement("redundant", "sign", ("g",))
    place = seed % (len(program) + 1)
    longer = Program(
        program.states, (*program.statements[:place], extra, *program.statements[place:])
    )
    found = analyse(longer)
    assert found.functional_hash == analysis.functional_hash
    assert len(found.live) == len(analysis.live)


def test_an_analysis_from_the_mutated_statement_on_is_the_whole_analysis():
    for program in ten_thousand_programs()[::20]:
        parent = analyse(program)
        child = mutate(program, child_rng(1, 2, 3), analysis=parent)
        scratch = analyse(child.program)
        assert child.analysis == scratch
        assert child.analysis.live == scratch.live


@pytest.mark.parametrize("name", library())
def test_library_programs_have_no_redundant_statement(name):
    program = load(f"library:{name}")
    if name == "program8":
        return
    assert remove_redundant(program) == program


def test_liveness_finds_a_fixed_point():
    chain = Program(  # a feeds b feeds the update; c only feeds itself; d reads a but goes nowhere
        ("a", "b", "c", "d"),
        (
            Statement("update", "add", ("g", "b")),
            Statement("b", "add", ("b", "a")),
            Statement("a", "add", ("a", "g")),
            Statement("c", "add", ("c", "g")),
            Statement("d", "multiply", ("a", "d")),
        ),
    )
    assert reaching(analyse(chain)) == ((0, 1), (0, 1, 2))
    assert live_across_steps(chain).states == ("a", "b")


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        (Statement("update", "add", ("g", "x")), "'x' is read before anything"),
        (Statement("update", "clip", ("g", "w")), r"clip\(tensor, tensor\) is not defined"),
        (Statement("update", "global_norm", ("g",)), "must be a whole parameter tree.*scalar"),
        (Statement("update", "norm", ("g",)), "must be a whole parameter tree.*per-array"),
        (Statement("updat", "sign", ("g",)), "never assigned; did you mean 'updat'"),
    ],
)
def test_invalid_programs(statement, message):
    with pytest.raises(InvalidProgram, match=message):
        analyse(Program((), (statement,)))


def test_a_state_must_stay_a_tree():
    with pytest.raises(InvalidProgram, match="'m' is returned"):
        analyse(
            Program(("m",), (Statement("m", "norm", ("g",)), Statement("update", "sign", ("g",))))
        )
