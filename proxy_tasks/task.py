"""What a proxy task is: a model, its data, and how long it is trained."""

from __future__ import annotations

import functools
import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any

import jax
import numpy as np

from proxy_tasks.data import SPLITS, Batch, Data
from proxy_tasks.errors import TaskError, did_you_mean, short_repr
from proxy_tasks.metrics import Report, mean_over
from proxy_tasks.numerics import fixed_numerics
from proxy_tasks.schedules import schedule_value
from proxy_tasks.settings import TaskSettings

Params = Any  # a pytree of float32 arrays: the weights, and the model's state where there is one
ModelState = dict[str, Any]  # by name, what a training changes without the optimizer
TrainingLoss = Callable[[Params, Batch, jax.Array], tuple[jax.Array, ModelState]]

VERSION = 2  # goes up when the same task and program come to have another fitness
TAKEN = ("fitness", "loss", "seed", "split", "task")  # names that no report can have


@dataclass(frozen=True, eq=False)
class Task:
    """One training problem; `make_task` makes them by name.

    `loss` and `metric` are means over a batch, so that the mean over equal batches is the mean over
    a split. The fitness of a training is `metric` on a validation split: higher is better.

    A model with dropout, batch normalization or the like has a `training_loss` beside its `loss`:
    `(params, batch, key) -> (loss, state)`, with a random key of its own in each step and what
    `state` names, as it is after the step. `state` are entries of the dict that `init` returns,
    as flax's mutable collections: ("batch_stats",) of {"params": ..., "batch_stats": ...}.
    """

    init: Callable[[jax.Array], Params]  # random key -> initial weights, and state
    loss: Callable[[Params, Batch], jax.Array]  # float32 scalar, the same whenever it is asked
    data: Data
    steps: int
    batch_size: int
    metric: Callable[[Params, Batch], jax.Array] | None = None  # None: the negative loss
    training_loss: TrainingLoss | None = None  # what is trained on; None: `loss`
    state: tuple[str, ...] = ()
    reports: Mapping[str, Report] = field(default_factory=dict)  # see `metrics`
    has_labels: bool = True  # False: the second part of a batch is no label; see shuffled_labels.py
    trivial_loss: float | None = None  # on search validation, of predictions that ignore the inputs
    warmup: float = 0.05  # fraction of the steps over which the schedule value rises
    validation_batch: int = 512  # examples per pass over a validation split, at most; see StopRules
    # Filled in by make_task:
    name: str = ""
    settings: TaskSettings = field(default_factory=TaskSettings)
    source: str = ""  # hash of the file that defines the task, for a user's own

    def __post_init__(self) -> None:
        for key in ("steps", "batch_size", "validation_batch"):
            value = getattr(self, key)
            if not isinstance(value, Integral) or value < 1:
                raise TaskError(f"{key}: expected a whole number of at least 1, got {value!r}")
        if not isinstance(self.warmup, Real) or not 0 <= self.warmup < math.inf:
            raise TaskError(f"warmup: expected a number of at least 0, got {self.warmup!r}")
        for name, report in self.reports.items():
            if not callable(report):
                raise TaskError(f"reports: {name}: expected a function, got {short_repr(report)}")
        if taken := [name for name in TAKEN if name in self.reports]:
            raise TaskError(
                f"reports: {short_repr(taken[0])} stands beside the reports of every task; "
                "expected another name"
            )
        if self.state and self.training_loss is None:
            raise TaskError("state: needs a training_loss, which returns what the state becomes")

    @property
    def scale(self) -> float:
        """Compute relative to the task's settings at scale 1."""
        return float(getattr(self.settings, "scale", 1.0))

    def fitness(self, params: Params, batch: Batch) -> jax.Array:
        """Higher is better; float32 scalar, the mean over the batch."""
        return -self.loss(params, batch) if self.metric is None else self.metric(params, batch)

    def split(self, params: Params) -> tuple[Params, ModelState]:
        """What the optimizer trains, and the model's state."""
        if not self.state:
            return params, {}
        state = {name: params[name] for name in self.state}
        return {name: params[name] for name in params if name not in state}, state

    def join(self, weights: Params, state: ModelState) -> Params:
        """What `split` took apart."""
        return {**weights, **state} if self.state else weights

    def step_loss(
        self, weights: Params, batch: Batch, *, state: ModelState, key: jax.Array | None
    ) -> tuple[jax.Array, ModelState]:
        """The loss of a training step, and the state after it.

        key: random, of this step; None without a `training_loss`.
        """
        if self.training_loss is None:
            return self.loss(weights, batch), {}
        assert key is not None
        return self.training_loss(self.join(weights, state), batch, key)

    def metrics(self, params: Params, split: str) -> dict[str, float]:
        """The loss and the task's reports, such as the accuracy, on a split.

        params: as a training leaves them. split: one of data.SPLITS, see `Data.batches`. Raises
        TaskError for another split.
        """
        if split not in SPLITS:
            near = did_you_mean(split, SPLITS)
            raise TaskError(f"metrics: no split {short_repr(split)}{near}")
        batches = self.data.batches(split, self.validation_batch)
        with fixed_numerics():
            loss = self._mean_loss(params, batches)
            reports = {name: report(params, batches) for name, report in self.reports.items()}
        return {"loss": loss, **reports}

    @functools.cached_property
    def _mean_loss(self) -> Report:
        return mean_over(self.data, self.loss)

    def schedule(self, step: Any) -> jax.Array:
        """Schedule value of a step (0 to S - 1); see schedules.py."""
        return schedule_value(
            step, steps=self.steps, warmup=self.warmup, shape=self.settings.schedule
        )

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
        with fixed_numerics():
            weights, _ = self.split(jax.eval_shape(self.init, jax.random.key(0)))
        return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(weights))

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each array of weights and state, by its path."""
        with fixed_numerics():
            tree = jax.eval_shape(self.init, jax.random.key(0))
        leaves = jax.tree.leaves_with_path(tree)
        return {jax.tree_util.keystr(path): leaf.shape for path, leaf in leaves}

    @functools.cached_property
    def flops(self) -> float:
        """Floating-point operations of the training's gradients: XLA's count for a step x steps."""

        def gradient(params: Params, arrays: Any, indices: Any) -> Any:
            weights, state = self.split(params)
            key = None if self.training_loss is None else jax.random.key(0)
            batch = self.data.take(arrays, indices)
            of_weights = functools.partial(self.step_loss, batch=batch, state=state, key=key)
            return jax.value_and_grad(of_weights, has_aux=True)(weights)

        with fixed_numerics():
            params = jax.eval_shape(self.init, jax.random.key(0))
            arrays = jax.tree.map(jax.typeof, self.data.arrays)
            indices = jax.typeof(np.zeros(self.batch_size, np.int32))
            lowered = jax.jit(gradient).lower(params, arrays, indices)
            cost: Any = lowered.cost_analysis()
        return float(cost["flops"]) * self.steps
