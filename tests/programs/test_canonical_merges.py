"""The promise of the canonical hash: no false merges by the tests' evaluator nor in the engines,
and few that are missed."""

import numpy as np
import pytest

from programs import Program, live_across_steps
from programs.canonical import canonical_hash
from programs.functions import FUNCTIONS
from tests.programs import engines
from tests.programs.merges import INPUTS, Merges, count_merges, mutated
from tests.strategies import SHAPES

MISSED = 0.02  # of the merges that could be made, at most


def _report(name: str, merges: Merges) -> str:
    return (
        f"{name}: {merges.programs} programs, {len(merges.false)} false merges, {merges.missed} "
        f"missed of {merges.possible} possible"
    )


def _check(count: int) -> Merges:
    everything, trainable = count_merges(mutated(count))
    print(f"\n{_report('all', everything)}\n{_report('trainable', trainable)}")
    for programs in everything.false:
        pytest.fail("one hash, several behaviours:\n" + "\n".join(map(str, programs)))
    return trainable


def test_mutated_programs():
    """So few have too little to merge for a share of it."""
    assert _check(300).possible > 50


@pytest.mark.slow
def test_thirteen_thousand_mutated_programs():
    trainable = _check(13_000)
    assert trainable.missed <= MISSED * trainable.possible


# --- in the engines ------------------------------------------------------------------------------

# What the compiled engine gives depends in its last bits on what else a program computes.
INEXACT = {"interp", *(name for name, row in FUNCTIONS.items() if row.whole_tree)}
LAST_BITS = 1e-5


def _pairs(count: int, seed: int = 0) -> list[tuple[Program, Program]]:
    """Programs that are merged though their functional hashes differ."""
    first: dict[bytes, tuple[bytes, Program]] = {}
    pairs: dict[bytes, tuple[Program, Program]] = {}
    for analysis in mutated(count, seed):
        canonical = canonical_hash(analysis.program, analysis)
        functional, one = first.setdefault(canonical, (analysis.functional_hash, analysis.program))
        if functional != analysis.functional_hash:
            pairs.setdefault(analysis.functional_hash, (one, analysis.program))
    return [
        (one, other)
        for one, other in pairs.values()
        if live_across_steps(one) != live_across_steps(other)
    ]


def _updates(engine, programs: list[Program], run: list[tuple]) -> list[list[np.ndarray]]:
    """The updates of each step, for each program; states are the engine's own."""
    zeros = [[np.zeros(shape, np.float32) for shape in SHAPES] for _ in range(8)]
    found: list[list[np.ndarray]] = []
    for program in programs:
        states, updates = zeros, []
        for w, g, lr in run:
            [[update, *after]] = engine([program], w, g, states, lr)
            updates.append(update)
            states = [_unflatten(vector) for vector in after] + zeros[len(after) :]
        found.append(updates)
    return found


def _unflatten(vector: np.ndarray) -> list[np.ndarray]:
    ends = np.cumsum([int(np.prod(shape)) for shape in SHAPES])
    return [part.reshape(shape) for part, shape in zip(np.split(vector, ends), SHAPES)]


def _check_engine(engine, pairs: list[tuple[Program, Program]], exact: bool, steps: int) -> None:
    for pair in pairs:
        for run in INPUTS[:3]:
            one, other = _updates(engine, list(pair), run[:steps])
            names = {s.function for program in pair for s in live_across_steps(program)}
            if exact or not names & INEXACT:
                same = np.array_equal(one, other, equal_nan=True)
            else:
                same = np.allclose(one, other, LAST_BITS, LAST_BITS, equal_nan=True)
            assert same, f"{one}\n{other}\n{pair[0]}\n{pair[1]}"


def test_merged_programs_are_equal_in_numpy_and_the_interpreter():
    pairs = _pairs(500)
    assert len(pairs) >= 20
    _check_engine(engines.numpy, pairs, True, 3)
    _check_engine(engines.interpreter, pairs[:3], True, 2)


@pytest.mark.slow
def test_many_merged_programs_are_equal_in_every_engine():
    pairs = _pairs(4000, seed=1)
    _check_engine(engines.numpy, pairs, True, 6)
    _check_engine(engines.interpreter, pairs, True, 3)
    _check_engine(engines.compiled, pairs[:60], False, 2)
    _check_engine(engines.exported, pairs[:30], False, 2)
