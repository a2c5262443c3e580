"""The behavioural fingerprint."""

import numpy as np
import pytest

from programs import analyse, library, load, parse
from programs.behaviour import _GRADIENTS, _SCHEDULE, _WEIGHTS, Screening, _run, behaviour
from programs.canonical import canonical_hash
from programs.execute import run_step
from tests.strategies import renamed, ten_thousand_programs


def _screening(*lines: str) -> Screening:
    body = "".join(f"  {line}\n" for line in lines)
    return behaviour(parse(f"def train(w, g, m, lr):\n{body}  return update, m\n")).screening


@pytest.mark.parametrize("name", library())
def test_library_programs_are_fine(name):
    assert behaviour(load(f"library:{name}")).screening is Screening.TRAINABLE


def test_what_need_not_be_trained():
    assert _screening("update = w * lr") is Screening.IGNORES_GRADIENT
    assert _screening("a = g * 0", "update = w * a") is Screening.NEVER_MOVES
    assert _screening("a = arccosh(g)", "update = g * a") is Screening.NON_FINITE
    assert _screening("m = reciprocal(m)", "update = m * g") is Screening.NON_FINITE
    assert (
        _screening("m = reciprocal(m)", "update = exp(g)") is Screening.TRAINABLE
    )  # m reaches no update
    assert _screening("update = m * 1", "m = g * 1") is Screening.TRAINABLE  # moves from step 2 on


def test_one_function_one_hash():
    lion = load("library:lion")
    assert behaviour(lion).hash == behaviour(renamed(lion, 0)).hash
    assert behaviour(lion).hash != behaviour(load("library:signum")).hash
    same = parse(
        "def train(w, g, lr):\n  a = g * 2\n  b = a * lr\n  update = b * 0.05\n  return update"
    )
    assert behaviour(same).hash == behaviour(load("library:sgd")).hash


def test_equal_canonical_hash_means_equal_fingerprint():
    seen: dict[bytes, bytes] = {}
    for program in ten_thousand_programs()[::10]:
        found = behaviour(program)
        assert seen.setdefault(canonical_hash(program), found.hash) == found.hash


def test_sums_and_casts_are_those_of_the_engine():
    """The updates of many runs at once are those of run_step, one run at a time, bit for bit."""
    for program in ten_thousand_programs()[::20]:
        analysis = analyse(program)
        with np.errstate(all="ignore"):
            updates, _ = _run(program, analysis)
            for run in range(2):
                w, states = _split(_WEIGHTS[0]), [_split(np.zeros(10, "f"))] * len(program.states)
                for step, lr in enumerate(_SCHEDULE):
                    g = _split(_GRADIENTS[step][run])
                    update, states = run_step(
                        program, np, w=w, g=g, states=states, lr=np.float32(lr)
                    )
                    w = [leaf - change for leaf, change in zip(w, update)]
                    assert np.array_equal(_joined(update), updates[step, run], equal_nan=True)


def _split(vector):
    return [vector[:6].reshape(3, 2), vector[6:]]


def _joined(leaves):
    return np.concatenate([np.ravel(leaf) for leaf in leaves])


def test_golden_hashes():
    """They may never change for a released version: runs are compared by them."""
    assert behaviour(load("library:adamw")).hash.hex() == "e68927916ce80e9964470234222fcf87"
    assert behaviour(load("library:lamb")).hash.hex() == "e63783c637b223678c0f7b18fdcb41f8"
