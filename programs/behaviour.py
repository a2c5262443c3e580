"""The behavioural fingerprint: a few training steps in numpy, on fixed inputs, rounded.

Cheaper than any training, and it shows at once a program that gives NaN, ignores the gradient or
never moves a weight. Not sound: two programs that differ only on other inputs look alike.
"""

from __future__ import annotations

import enum
import random
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from programs.abstract import live_across_steps
from programs.execute import run_step
from programs.program import Program

STEPS = 4
DIGITS = 4  # significant digits that count
_SCHEDULE = (1.0, 0.9, 0.4, 0.05)  # schedule values of the steps
_SHAPES = ((3, 2), (4,))  # the arrays of the parameter tree
_SCALES = (1.0, 0.03)  # of the gradient, per array


class Conduct(enum.Enum):
    """What the few steps showed; only a FINE program is worth training."""

    FINE = "moves the weights, by finite updates that depend on the gradient"
    NON_FINITE = "gives a non-finite update or state within a few steps"
    NEVER_MOVES = "never moves a weight"
    IGNORES_GRADIENT = "gives the same updates whatever the gradient"


@dataclass(frozen=True, slots=True)
class Behaviour:
    """The fingerprint of a program: 16 bytes and what was seen."""

    hash: bytes
    conduct: Conduct


def _fixed(salt: int, scales: tuple[float, ...] = (1.0, 1.0)) -> list[np.ndarray]:
    """Arrays that look random and are the same everywhere."""
    rng = random.Random(salt)
    arrays = []
    for shape, scale in zip(_SHAPES, scales):
        numbers = [scale * (2 * rng.random() - 1) for _ in range(int(np.prod(shape)))]
        arrays.append(np.array(numbers, np.float32).reshape(shape))
    return arrays


_WEIGHTS = _fixed(0)
_GRADIENTS = [_fixed(1 + step, _SCALES) for step in range(STEPS)]
_OTHER_GRADIENTS = [_fixed(101 + step, _SCALES) for step in range(STEPS)]


def behaviour(program: Program) -> Behaviour:
    """Runs a valid program for a few steps on fixed inputs."""
    program = live_across_steps(program)
    with np.errstate(all="ignore"):
        updates, finite = _updates(program, _GRADIENTS)
        digest = blake2b(_rounded(updates), digest_size=16).digest()
        if not finite:
            return Behaviour(digest, Conduct.NON_FINITE)
        if not updates.any():
            return Behaviour(digest, Conduct.NEVER_MOVES)
        others, _ = _updates(program, _OTHER_GRADIENTS)
    same = np.array_equal(updates, others)
    return Behaviour(digest, Conduct.IGNORES_GRADIENT if same else Conduct.FINE)


def _updates(program: Program, gradients: list[list[np.ndarray]]) -> tuple[np.ndarray, bool]:
    """All updates as one vector, and whether they and the states stayed finite."""
    w = _WEIGHTS
    states = [[np.zeros_like(leaf) for leaf in w] for _ in program.states]
    updates, finite = [], True
    for step in range(STEPS):
        lr = np.float32(_SCHEDULE[step])
        update, states = run_step(program, np, w, gradients[step], states, lr)
        w = [leaf - change for leaf, change in zip(w, update)]
        updates += [change.ravel() for change in update]
        finite &= all(np.isfinite(leaf).all() for tree in (w, *states) for leaf in tree)
        if not finite:
            break
    return np.concatenate(updates), finite


def _rounded(numbers: np.ndarray) -> bytes:
    """Text of the numbers to DIGITS significant digits; 0.0 and -0.0 alike."""
    return " ".join(f"{x + 0.0:.{DIGITS}g}" for x in numbers.tolist()).encode()
