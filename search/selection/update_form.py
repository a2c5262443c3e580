"""What kind of update a program makes, seen by its behaviour rather than by its statements.

`m / sqrt(dot(m, m))`, `clip(m, c)` (by the global norm) and `m * c` are written differently and are
one thing: a momentum with one factor for all coordinates. None of them is a sign, however short its
step. A few steps on random gradients, with weights so small that weight decay does not show,
distinguish such forms.
"""

from __future__ import annotations

from enum import Enum

import numpy as np

from programs import Program, live_across_steps
from programs.execute import run_step

STEPS = 8
SAME = 1e-3  # relative deviation that counts as rounding
_FIRST = 3  # the first step that counts: updates by states as they were before begin with zeros
_SHAPES, _SCALES = ((6, 5), (4, 3)), (1.0, 0.1)  # of the gradient's arrays
_WEIGHTS = 1e-6  # size of the weights


class UpdateForm(Enum):
    """How the update of a coordinate depends on its gradients."""

    SIGN = "a sign: every coordinate moves by the same amount, as in Lion"
    ONE_FACTOR = (
        "the gradient, or a momentum of it, times one factor for all coordinates, as in SGD with "
        "momentum, normalised or clipped by its norm; it is not sign-like"
    )
    ARRAY_FACTOR = "the gradient, or a momentum of it, times one factor for each array, as in LARS"
    OTHER = (
        "neither a sign nor one factor times the gradient or a momentum of it: coordinates are "
        "scaled differently, as in AdamW"
    )
    UNCLEAR = "not finite, or zero, on random gradients"


def update_form(program: Program) -> UpdateForm:
    """The first form that a valid program's updates have in each of a few steps, once its states
    have begun."""
    weights, gradients, updates = _steps(live_across_steps(program))
    if not np.isfinite(updates).all() or not updates[_FIRST:].any(axis=1).all():
        return UpdateForm.UNCLEAR
    sizes = np.abs(updates[_FIRST:])
    if (sizes.std(axis=1) <= SAME * sizes.mean(axis=1)).all():
        return UpdateForm.SIGN
    first = int(np.prod(_SHAPES[0]))
    whole, arrays = [slice(None)], [slice(0, first), slice(first, None)]
    for form, parts in ((UpdateForm.ONE_FACTOR, whole), (UpdateForm.ARRAY_FACTOR, arrays)):
        if all(_spanned(weights[p], gradients[:, p], updates[:, p]) for p in parts):
            return form
    return UpdateForm.OTHER


def _spanned(weights: np.ndarray, gradients: np.ndarray, updates: np.ndarray) -> bool:
    """Whether each update that counts is a sum of the gradients so far and the weights, each with
    one factor.

    weights: [P]; gradients, updates: [STEPS, P], with P > STEPS + 1.
    """
    for step, update in enumerate(updates[_FIRST:], start=_FIRST):
        basis = np.stack([weights / _WEIGHTS, *gradients[: step + 1]], axis=1)
        factors, *_ = np.linalg.lstsq(basis, update)
        if np.linalg.norm(basis @ factors - update) > SAME * np.linalg.norm(update):
            return False
    return True


def _steps(program: Program) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights [P], and gradients and updates [STEPS, P] of a few steps with these weights."""
    rng = np.random.default_rng(0)
    w = [rng.normal(0, _WEIGHTS, shape).astype(np.float32) for shape in _SHAPES]
    states = [[np.zeros_like(leaf) for leaf in w] for _ in program.states]
    gradients, updates = [], []
    with np.errstate(all="ignore"):
        for step in range(STEPS):
            g = [
                rng.normal(0, scale, shape).astype(np.float32)
                for shape, scale in zip(_SHAPES, _SCALES)
            ]
            schedule = np.float32(1 - step / STEPS)
            update, states = run_step(program, np, w=w, g=g, states=states, lr=schedule)
            gradients.append(_flat(g))
            updates.append(_flat(update))
    return _flat(w), np.array(gradients), np.array(updates)


def _flat(leaves: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.asarray(leaf, float).ravel() for leaf in leaves])
