"""The behavioural fingerprint: a few training steps in numpy, on fixed inputs, rounded.

Cheaper than any training, and it shows at once a program that gives NaN, ignores the gradient or
never moves a weight. Not sound: two programs that differ only on other inputs look alike.
"""

from __future__ import annotations

import enum
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np

from programs.abstract import Analysis, analyse, reaching
from programs.execute import interpret
from programs.functions import FUNCTIONS
from programs.program import Program

STEPS = 4
DIGITS = 4  # significant digits that count
_SCHEDULE = (1.0, 0.9, 0.4, 0.05)  # schedule values of the steps
_SIZES = (6, 4)  # elements of the arrays of the parameter tree
_SCALES = (1.0, 0.03)  # of the gradient, per array


class Screening(enum.Enum):
    """What the few steps showed; only a TRAINABLE program is worth training."""

    TRAINABLE = "moves the weights, by finite updates that depend on the gradient"
    NON_FINITE = "gives a non-finite update or state within a few steps"
    NEVER_MOVES = "never moves a weight"
    IGNORES_GRADIENT = "gives the same updates whatever the gradient"


@dataclass(frozen=True, slots=True)
class Behaviour:
    """The fingerprint of a program: 16 bytes and what was seen."""

    hash: bytes
    screening: Screening


class _Runs:
    """How functions run on the values of several runs at once, small trees as one vector.

    A value is a float32 array [R, n] of R runs, or [1, n] where all runs agree. n says what it is:
    a scalar has 1 element, a per-array value A and a tensor P. See `programs.execute.Tree`, whose
    methods these are; sums go array by array as they do there, so that all bits are the same.
    """

    xp = np

    def __init__(self, sizes: Sequence[int]):
        """sizes: elements of each of the A arrays; A > 1, and their sum P > A."""
        self.arrays, self.elements = len(sizes), sum(sizes)
        self._owner = np.repeat(np.arange(len(sizes)), sizes)  # [P]
        ends = np.cumsum(sizes).tolist()
        self._parts = [slice(end - size, end) for size, end in zip(sizes, ends)]

    def constant(self, number: float) -> np.ndarray:
        return np.array([[number]], np.float32)

    def apply(self, function: str, arguments: Sequence[np.ndarray]) -> np.ndarray:
        row = FUNCTIONS[function]
        result: np.ndarray
        if not row.arity:
            result = row.meaning(np).reshape(1, 1)
        elif row.whole_tree:
            result = row.meaning(self, *arguments)
        else:
            result = row.meaning(np, *self._lifted(arguments))
        return result

    def map(self, function: Callable[..., Any], *values: np.ndarray) -> np.ndarray:
        result: np.ndarray = function(*self._lifted(values))
        return result

    def _lifted(self, values: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
        """Per-array values beside tensors as tensors; numpy broadcasts scalars itself."""
        widths = [value.shape[1] for value in values]
        if self.arrays not in widths or self.elements not in widths:
            return values
        return [v[:, self._owner] if v.shape[1] == self.arrays else v for v in values]

    def cast(self, *values: np.ndarray) -> Sequence[np.ndarray]:
        return np.broadcast_arrays(*self._lifted(values))

    def total(self, function: Callable[..., Any], *values: np.ndarray) -> np.ndarray:
        sums = self.each(lambda x: x, self.map(function, *values))
        total = sums[:, :1]
        for i in range(1, sums.shape[1]):
            total = total + sums[:, i : i + 1]
        return total

    def each(self, function: Callable[..., Any], x: np.ndarray) -> np.ndarray:
        elements: np.ndarray = function(x)
        if elements.shape[1] != self.elements:
            return elements
        parts = [elements[:, part].sum(axis=1, keepdims=True) for part in self._parts]
        return np.concatenate(parts, axis=1)

    def lengths(self, x: np.ndarray) -> np.ndarray:
        is_tensor = x.shape[1] == self.elements
        lengths: np.ndarray = np.sqrt(self.each(np.square, x)) if is_tensor else np.abs(x)
        return lengths

    def length(self, x: np.ndarray) -> np.ndarray:
        is_number = x.shape[1] == 1
        length: np.ndarray = np.abs(x) if is_number else np.sqrt(self.total(np.square, x))
        return length


def _fixed(salt: int, scales: tuple[float, ...] = (1.0, 1.0)) -> np.ndarray:
    """A tree [P] that looks random and is the same everywhere."""
    rng = random.Random(salt)
    spread = [scale for size, scale in zip(_SIZES, scales) for _ in range(size)]
    return np.array([scale * (2 * rng.random() - 1) for scale in spread], np.float32)


_RUNS = _Runs(_SIZES)
_WEIGHTS = _fixed(0)[None]
# [R, P] for each step: the gradients of the fingerprint, and others to compare it with.
_GRADIENTS = [
    np.stack([_fixed(1 + step, _SCALES), _fixed(101 + step, _SCALES)]) for step in range(STEPS)
]


def behaviour(program: Program, analysis: Analysis | None = None) -> Behaviour:
    """Runs a valid program for a few steps on fixed inputs.

    Args:
      analysis: the program's, to save time.
    """
    with np.errstate(all="ignore"):
        updates, finite = _run(program, analysis or analyse(program))
    steps = STEPS if finite[:, 0].all() else 1 + int(finite[:, 0].argmin())
    seen, others = updates[:steps, 0], updates[:steps, 1]
    digest = blake2b(_rounded(seen), digest_size=16).digest()
    if not finite[:, 0].all():
        return Behaviour(digest, Screening.NON_FINITE)
    if not seen.any():
        return Behaviour(digest, Screening.NEVER_MOVES)
    # Where the other run ends early, it differs.
    same = finite[:-1, 1].all() and np.array_equal(seen, others)
    return Behaviour(digest, Screening.IGNORES_GRADIENT if same else Screening.TRAINABLE)


def update_size(program: Program, analysis: Analysis | None = None) -> float:
    """How far a valid program moves a weight in these few steps: the median size of the finite
    updates, 0 where there are none."""
    with np.errstate(all="ignore"):
        updates, _ = _run(program, analysis or analyse(program))
    sizes = np.abs(updates[:, 0])
    finite = sizes[np.isfinite(sizes)]
    return float(np.median(finite)) if finite.size else 0.0


def _run(program: Program, analysis: Analysis) -> tuple[np.ndarray, np.ndarray]:
    """The updates of all steps and runs [STEPS, R, P], and whether they and the states are finite
    [STEPS, R]."""
    state_numbers, live = reaching(analysis)
    states = [program.states[i] for i in state_numbers]
    statements = [program.statements[i] for i in live]
    w = _WEIGHTS
    values = [np.zeros_like(w) for _ in states]
    trees = np.empty((STEPS, 2 + len(states), *_GRADIENTS[0].shape), np.float32)
    for step, (g, lr) in enumerate(zip(_GRADIENTS, _SCHEDULE)):
        variables = dict(zip(states, values), w=w, g=g, lr=_RUNS.constant(lr))
        interpret(statements, variables, constant=_RUNS.constant, apply=_RUNS.apply)
        values = [variables[name] for name in states]
        update = variables[program.outputs[0]]
        w = w - update
        for tree, value in zip(trees[step], (update, w, *values)):
            tree[:] = value
    return trees[:, 0], np.logical_and.reduce(np.isfinite(trees[:, 1:]), axis=(1, 3))


def _rounded(numbers: np.ndarray) -> bytes:
    """Text of the numbers to DIGITS significant digits; 0.0 and -0.0 alike."""
    texts = [f"%.{DIGITS}g"] * numbers.size
    return (" ".join(texts) % tuple((numbers + 0.0).ravel().tolist())).encode()
