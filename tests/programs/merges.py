"""What the canonical hash merges, and what it misses, by the tests' own evaluator.

Mutated programs are run by reference.py on random and special inputs; their behaviour is all the
numbers that come out, where 0.0 and -0.0 are alike, one NaN is as good as another, and a number
below 2^-126 is 0.

    false merge     two programs of one hash that behave differently
    missed merge    programs that behave the same and have several hashes: all these but one
    missed share    missed merges of all merges that could be made: programs minus behaviours
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from hashlib import blake2b

import numpy as np

from programs import Program, library, live_across_steps, load
from programs.abstract import Analysis
from programs.behaviour import Screening, behaviour
from programs.canonical import canonical_hash
from programs.draws import child_rng
from programs.mutate import MutationOptions, mutate
from tests.programs import reference
from tests.strategies import SHAPES

STEPS = 6
LONGEST_CHAIN = 6  # mutations from the library's program


def mutated(count: int, seed: int = 0) -> list[Analysis]:
    """Library programs after 1 to LONGEST_CHAIN mutations, all programs on the way."""
    names, found, chain = library(), [], 0
    while len(found) < count:
        rng = child_rng(seed, 7, chain)
        program, analysis = load(f"library:{names[chain % len(names)]}"), None
        for _ in range(1 + int(rng.random() * LONGEST_CHAIN)):
            child = mutate(program, rng, options=MutationOptions(), analysis=analysis)
            program, analysis = child.program, child.analysis
            found.append(analysis)
        chain += 1
    return found[:count]


def _tree(rng: np.random.Generator, kind: str, scale: float) -> list[np.ndarray]:
    leaves = [scale * np.asarray(rng.normal(size=shape)) for shape in SHAPES]
    if kind == "zeros":  # of both signs
        leaves = [x * (rng.random(x.shape) < 0.7) for x in leaves]
    if kind == "equal":  # sums that cancel
        leaves = [np.sign(x) * rng.choice([0, 1, 1], x.shape) for x in leaves]
    return [np.asarray(x, np.float32) for x in leaves]


def _inputs() -> list[list[tuple]]:
    """(weights, gradient, schedule value) of each step, for several runs."""
    runs = []
    for seed, (kind, scale, sign) in enumerate(
        [("plain", 0.3, 1), ("zeros", 2, 1), ("equal", 1, -1), ("plain", 100, 1), ("zeros", 30, -1)]
    ):
        rng = np.random.default_rng(seed)
        runs.append(
            [
                (
                    _tree(rng, kind, 1.0),
                    _tree(rng, kind, scale * 10 ** rng.uniform(-2, 1)),
                    np.float32(sign * rng.uniform(0.1, 1.7)),
                )
                for _ in range(STEPS)
            ]
        )
    return runs


INPUTS = _inputs()


def behaves(program: Program) -> bytes:
    """A digest of all updates of all runs."""
    program = live_across_steps(program)
    numbers = []
    for run in INPUTS:
        states = [[np.zeros(shape, np.float32) for shape in SHAPES] for _ in program.states]
        for w, g, lr in run:
            update, states = reference.step(program, w, g, states, lr)
            numbers += [np.ravel(leaf) for leaf in update]
    flat = np.concatenate(numbers)
    flat = np.where(np.isnan(flat), np.float32(np.nan), flat)
    flat = np.where(np.abs(flat) < reference.TINY, np.float32(0), flat)
    return blake2b(flat.tobytes(), digest_size=16).digest()


@dataclass
class Merges:
    """What was merged among some programs.

    programs: how many, those that are the same by the functional hash included.
    behaviours: canonical hash -> behaviour -> one program.
    """

    programs: int = 0
    behaviours: dict[bytes, dict[bytes, Program]] = field(default_factory=lambda: defaultdict(dict))

    @property
    def false(self) -> list[list[Program]]:
        return [list(found.values()) for found in self.behaviours.values() if len(found) > 1]

    @property
    def missed(self) -> int:
        return len(self.behaviours) - self._distinct

    @property
    def possible(self) -> int:
        return self.programs - self._distinct

    @property
    def _distinct(self) -> int:
        return len({behaviour for found in self.behaviours.values() for behaviour in found})


def count_merges(analyses: list[Analysis]) -> tuple[Merges, Merges]:
    """Of all programs, and of those that the screening lets be trained."""
    everything, trainable = Merges(), Merges()
    seen: dict[bytes, tuple[bytes, bytes, bool]] = {}
    for analysis in analyses:
        program, functional = analysis.program, analysis.functional_hash
        if functional not in seen:
            screening = behaviour(program, analysis).screening
            seen[functional] = (
                canonical_hash(program, analysis),
                behaves(program),
                screening is Screening.TRAINABLE,
            )
        canonical, numbers, trains = seen[functional]
        for merges in (everything, trainable) if trains else (everything,):
            merges.programs += 1
            merges.behaviours[canonical].setdefault(numbers, program)
    return everything, trainable
