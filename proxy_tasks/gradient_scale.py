"""Random sizes of gradients: an option of every task, for rules that must not depend on them.

A search whose gradients all have one size finds rules that fit that size, and such rules do not
transfer to other tasks. Trained with random sizes, learned optimizers do (arXiv 2602.19142).
"""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from proxy_tasks.settings import TaskSettings

STREAM = 1  # of a seed's random numbers, so that the batches of a seed stay as they are


def gradient_scale(settings: TaskSettings, weights: Any, seed: int) -> Any | None:
    """The factors by which the arrays of a gradient are multiplied before the optimizer sees them.

    Each is 10 ** (a + b): `a` is drawn once per seed, uniformly from plus or minus
    `gradient_scale_by_seed`, and `b` once per array, from plus or minus `gradient_scale_by_array`.
    They hold for a whole training and are the same for every optimizer.

    Returns:
      A float32 number for each array of `weights`, or None if both settings are 0.
    """
    by_seed, by_array = settings.gradient_scale_by_seed, settings.gradient_scale_by_array
    if by_seed == by_array == 0:
        return None
    rng = np.random.default_rng([seed, STREAM])
    arrays, structure = jax.tree.flatten(weights)
    power = by_seed * rng.uniform(-1, 1)
    powers = power + by_array * rng.uniform(-1, 1, len(arrays))
    return jax.tree.unflatten(structure, [*(10.0**powers).astype(np.float32)])
