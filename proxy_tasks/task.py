"""What a proxy task is: a model, its data, and how long it is trained."""

from __future__ import annotations

import functools
import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from proxy_tasks.data import Batch, Data
from proxy_tasks.errors import TaskError
from proxy_tasks.numerics import fixed_numerics
from proxy_tasks.settings import TaskSettings

Params = Any  # a pytree of float32 arrays

VERSION = 2  # goes up when the same task and program come to have another fitness
SCHEDULE_FLOOR = 0.01  # the schedule value ends here: a value of 0 would divide by zero in programs


@dataclass(frozen=True, eq=False)
class Task:
    """One training problem; `make_task` makes them by name.

    `loss` and `metric` are means over a batch, so that the mean over equal batches is the mean over
    a split. The fitness of a training is `metric` on a validation split: higher is better.
    """

    init: Callable[[jax.Array], Params]  # random key -> initial weights
    loss: Callable[[Params, Batch], jax.Array]  # training loss, float32 scalar
    data: Data
    steps: int
    batch_size: int
    metric: Callable[[Params, Batch], jax.Array] | None = None  # None: the negative loss
    warmup: float = 0.05  # fraction of the steps over which the schedule value rises
    validation_batch: int = 512  # examples per pass over a validation split, at most; see StopRules
    # Filled in by make_task:
    name: str = ""
    settings: TaskSettings = field(default_factory=TaskSettings)
    source: str = ""  # hash of the file that defines the task, for a user's own

    def __post_init__(self) -> None:
        for key in ("steps", "batch_size"):
            if getattr(self, key) < 1:
                raise TaskError(f"{key}: expected at least 1, got {getattr(self, key)}")

    @property
    def scale(self) -> float:
        """Compute relative to the task's settings at scale 1."""
        return float(getattr(self.settings, "scale", 1.0))

    def fitness(self, params: Params, batch: Batch) -> jax.Array:
        """Higher is better; float32 scalar, the mean over the batch."""
        return -self.loss(params, batch) if self.metric is None else self.metric(params, batch)

    def schedule(self, step: Any) -> jax.Array:
        """Schedule value of a step (0 to S - 1): linear warm-up to 1, then a cosine, never 0.

        optax.warmup_cosine_decay_schedule gives the same but for the last bit of a fifth of the
        values, and with it the same search would have another history.
        """
        step = jnp.asarray(step, jnp.float32)
        rise = max(1, round(self.warmup * self.steps))
        part = jnp.clip((step - rise + 1) / max(1, self.steps - rise), 0.0, 1.0)
        cosine = SCHEDULE_FLOOR + (1 - SCHEDULE_FLOOR) * 0.5 * (1 + jnp.cos(math.pi * part))
        return jnp.minimum((step + 1) / rise, 1.0) * cosine

    @functools.cached_property
    def fingerprint(self) -> str:
        """Hash of everything that decides a fitness besides program and seed (32 hex digits)."""
        facts = {
            "version": VERSION,
            "name": self.name, "scale": self.scale, "settings": self.settings.facts(),
            "steps": self.steps, "batch_size": self.batch_size, "warmup": self.warmup,
            "validation_batch": self.validation_batch, "source": self.source,
            "data": self.data.fingerprint, "weights": self.shapes(),
        }  # fmt: skip
        text = json.dumps(facts, sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    @functools.cached_property
    def parameters(self) -> int:
        """Number of weights."""
        return sum(math.prod(shape) for shape in self.shapes().values())

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each array of weights, by its path."""
        with fixed_numerics():
            tree = jax.eval_shape(self.init, jax.random.key(0))
        leaves = jax.tree.leaves_with_path(tree)
        return {jax.tree_util.keystr(path): leaf.shape for path, leaf in leaves}

    @functools.cached_property
    def flops(self) -> float:
        """Floating-point operations of the training's gradients: XLA's count for a step x steps."""
        step = jax.jit(lambda w, a, i: jax.value_and_grad(self.loss)(w, self.data.take(a, i)))
        with fixed_numerics():
            weights = jax.eval_shape(self.init, jax.random.key(0))
            arrays = jax.tree.map(jax.typeof, self.data.arrays)
            indices = jax.typeof(np.zeros(self.batch_size, np.int32))
            cost: Any = step.lower(weights, arrays, indices).cost_analysis()
        return float(cost["flops"]) * self.steps
