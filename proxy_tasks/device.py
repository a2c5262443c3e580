"""What the trainings of a task share on the device: its data, and the starts of recent seeds."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from proxy_tasks.gradient_scale import gradient_scale
from proxy_tasks.numerics import fixed_numerics
from proxy_tasks.random_signs import random_signs
from proxy_tasks.task import Params, Task

STARTS = 8  # seeds whose start stays on the device
# Of a seed's random numbers, for what a step draws; 1 are the gradient's scales, 4 the signs.
STREAM = 3


class Start(NamedTuple):
    """What a seed decides of a training."""

    weights: Params  # initial, float32; with the model's state
    batches: jax.Array  # [S, B] int32, the indices of each step's examples
    gradient_scale: Any | None  # a float32 [] for each array of weights; None: all are 1
    signs: Any | None  # of the weights as the optimizer sees them, 1 or -1; None: all are 1
    key: jax.Array | None  # [2] uint32, of the steps' random numbers; None: they need none


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
                trained, settings = self.task.split(weights)[0], self.task.settings
                self._starts[seed] = Start(
                    weights,
                    jnp.asarray(batches(self.task, seed)),
                    gradient_scale(settings, trained, seed),
                    jax.tree.map(jnp.asarray, random_signs(settings, trained, seed)),
                    None if self.task.training_loss is None else jnp.asarray(step_key(seed)),
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


def step_key(seed: int) -> np.ndarray:
    """The data of a random key, [2] uint32: with the number of a step it gives the step's key."""
    return np.random.default_rng([seed, STREAM]).integers(2**32, size=2, dtype=np.uint32)


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
    """Indices to validate on, [2, C, V] int32: search and meta-validation; see `Data.batches`."""
    splits = "search_validation", "meta_validation"
    return np.stack([task.data.batches(split, task.validation_batch) for split in splits])
