"""What the trainings of a task share on the device: its data, and the starts of recent seeds."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from proxy_tasks.gradient_scale import gradient_scale
from proxy_tasks.numerics import fixed_numerics
from proxy_tasks.task import Params, Task

STARTS = 8  # seeds whose start stays on the device


class Start(NamedTuple):
    """What a seed decides of a training."""

    weights: Params  # initial, float32
    batches: jax.Array  # [S, B] int32, the indices of each step's examples
    gradient_scale: Any | None  # a float32 [] for each array of weights; None: all are 1


class DeviceData:
    """The data of one task on the device, for all its trainings."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self._init = jax.jit(task.init)
        self._starts: OrderedDict[int, Start] = OrderedDict()
        with fixed_numerics():
            self.arrays: Any = jax.tree.map(
                lambda leaf: jnp.asarray(in_32_bits(leaf)), task.data.arrays
            )
            self.validation = jnp.asarray(validation_batches(task))  # [2, C, V] int32

    def start(self, seed: int) -> Start:
        """The start of a seed: the same for every optimizer, so that fitness compares in pairs."""
        if seed not in self._starts:
            with fixed_numerics():
                weights = self._init(jax.random.key(seed))
                self._starts[seed] = Start(
                    weights,
                    jnp.asarray(batches(self.task, seed)),
                    gradient_scale(self.task.settings, weights, seed),
                )
            if len(self._starts) > STARTS:
                self._starts.popitem(last=False)
        self._starts.move_to_end(seed)
        return self._starts[seed]


def in_32_bits(leaf: Any) -> jax.Array | np.ndarray:
    """An array or number as JAX stores it without x64; call it within `fixed_numerics`."""
    array = leaf if isinstance(leaf, jax.Array) else np.asarray(leaf)
    if not jnp.issubdtype(array.dtype, np.number) or array.dtype.itemsize < 8:
        return array
    return np.asarray(array).astype(jax.dtypes.canonicalize_dtype(array.dtype))


def batches(task: Task, seed: int) -> np.ndarray:
    """The order of the examples, [S, B] int32: shuffled epochs of the training split."""
    draws, count = task.steps * task.batch_size, len(task.data.train)
    rng = np.random.default_rng(seed)
    if draws <= count:
        order = rng.choice(count, draws, replace=False)
    else:
        order = np.concatenate([rng.permutation(count) for _ in range(-(-draws // count))])[:draws]
    return task.data.train[order].reshape(task.steps, task.batch_size).astype(np.int32)


def validation_batches(task: Task) -> np.ndarray:
    """Indices to validate on, [2, C, V] int32: search and meta-validation, C equal batches of each.

    Up to C - 1 examples at the end are left out, so that every batch is full.
    """
    splits = task.data.search_validation, task.data.meta_validation
    size = min(map(len, splits))
    count = -(-size // task.validation_batch)
    shape = count, size // count
    return np.stack([split[: shape[0] * shape[1]].reshape(shape) for split in splits]).astype(
        np.int32
    )
