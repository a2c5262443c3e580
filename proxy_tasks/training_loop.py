"""A training as one XLA program: train to a checkpoint, validate, and so on.

S steps, B examples of a batch, K checkpoints of which the last is the end, C batches of V examples
of a validation split.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from proxy_tasks.device import Start
from proxy_tasks.random_signs import with_signs
from proxy_tasks.task import ModelState, Params, Task

Hyper = Any  # a pytree of arrays: what differs between trainings of one compilation
TINY = 1e-30  # keeps an infinite explosion infinite when the first loss is 0


class Inputs(NamedTuple):
    """All that a compiled training is called with."""

    hyper: Hyper
    start: Start
    validation: jax.Array  # [2, C, V] int32, indices of search and meta-validation
    arrays: Any  # the task's data
    thresholds: np.ndarray  # [K + 1] float32, least fitness to go on; -inf: no hurdle
    checkpoints: np.ndarray  # [K + 1] int32, steps done; the last two are both S
    explosion: np.float32  # [], the multiple of the first loss above which a loss has diverged
    checkpoint_count: np.int32  # [], how many to validate at: K, or K + 1 with meta-validation


class Outputs(NamedTuple):
    """How a training went."""

    steps: jax.Array  # [] int32, steps done
    diverged: jax.Array  # [] bool, whether the last step's training loss was bad
    finite: jax.Array  # [K + 1] bool, whether the validation loss was finite; False: not reached
    fitness: jax.Array  # [K + 1] float32


class StepState(NamedTuple):
    """What one step passes to the next."""

    step: jax.Array  # [] int32, steps done
    weights: Params  # with the model's state
    optimizer: optax.OptState
    limit: jax.Array  # [] float32, the loss above which the training has exploded
    diverged: jax.Array  # [] bool


class CheckpointState(NamedTuple):
    """What one checkpoint passes to the next."""

    checkpoint: jax.Array  # [] int32, index of the next one
    training: StepState
    finite: jax.Array  # [K + 1] bool
    fitness: jax.Array  # [K + 1] float32
    running: jax.Array  # [] bool


@dataclass(frozen=True, eq=False)
class TrainingLoop:
    """The training of a task by the optimizers that `optimizer_of` makes; called within jit.

    After the K checkpoints comes another one at the same step, that validates on meta-validation:
    so validation is compiled once. Checkpoints before the end see the first batch of the split
    only: hurdles are checked often, and on a cheap task a whole split costs as much as 10 to 20
    steps.
    """

    task: Task
    optimizer_of: Callable[[Hyper], optax.GradientTransformation]

    def __call__(self, inputs: Inputs) -> Outputs:
        return self.run(inputs)[0]

    def run(self, inputs: Inputs, first: Any = 0) -> tuple[Outputs, StepState]:
        """Also what the last step left; validation begins at the checkpoint `first`."""
        optimizer = self.optimizer(inputs)
        begin = self.begin(inputs, optimizer)
        end = jax.lax.while_loop(
            lambda state: (state.checkpoint < inputs.checkpoint_count) & state.running,
            lambda state: self._to_checkpoint(inputs, optimizer, state),
            begin._replace(checkpoint=jnp.int32(first)),
        )
        outputs = Outputs(end.training.step, end.training.diverged, end.finite, end.fitness)
        return outputs, end.training

    def optimizer(self, inputs: Inputs) -> optax.GradientTransformationExtraArgs:
        """What `step` takes."""
        return optax.with_extra_args_support(self.optimizer_of(inputs.hyper))

    def begin(self, inputs: Inputs, optimizer: Any) -> CheckpointState:
        """Before the first step."""
        weights, signs = inputs.start.weights, inputs.start.signs
        slots = len(inputs.checkpoints)
        return CheckpointState(
            checkpoint=jnp.int32(0),
            training=StepState(
                step=jnp.int32(0),
                weights=weights,
                optimizer=optimizer.init(with_signs(self.task.split(weights)[0], signs)),
                limit=jnp.float32(0),
                diverged=jnp.bool_(False),
            ),
            finite=jnp.zeros(slots, bool),
            fitness=jnp.zeros(slots, jnp.float32),
            running=jnp.bool_(True),
        )

    def _to_checkpoint(
        self, inputs: Inputs, optimizer: Any, state: CheckpointState
    ) -> CheckpointState:
        """Train to the next checkpoint and validate there."""
        index, meta = state.checkpoint, len(inputs.checkpoints) - 1
        training = jax.lax.while_loop(
            lambda training: (training.step < inputs.checkpoints[index]) & ~training.diverged,
            lambda training: self.step(inputs, optimizer, training),
            state.training,
        )
        # After divergence a validation is wasted time, and expensive when batches are small.
        finite, fitness = jax.lax.cond(
            training.diverged,
            lambda *_: (jnp.bool_(False), jnp.float32(jnp.nan)),
            lambda weights, batches, count: self._validate(
                inputs.arrays, weights, batches=batches, count=count
            ),
            training.weights,
            inputs.validation[jnp.int32(index == meta)],
            jnp.where(index < meta - 1, 1, inputs.validation.shape[1]),
        )
        return CheckpointState(
            checkpoint=index + 1,
            training=training,
            finite=state.finite.at[index].set(finite),
            fitness=state.fitness.at[index].set(fitness),
            running=finite & (fitness >= inputs.thresholds[index]),
        )

    def step(self, inputs: Inputs, optimizer: Any, state: StepState) -> StepState:
        """One step of the optimizer."""
        task, signs = self.task, inputs.start.signs
        weights, model_state = task.split(state.weights)
        batch = task.data.take(inputs.arrays, inputs.start.batches[state.step])
        key = None
        if inputs.start.key is not None:
            key = jax.random.fold_in(jax.random.wrap_key_data(inputs.start.key), state.step)

        def of_weights(weights: Params) -> tuple[jax.Array, ModelState]:
            return task.step_loss(weights, batch, state=model_state, key=key)

        (loss, new_state), gradient = jax.value_and_grad(of_weights, has_aux=True)(weights)
        if inputs.start.gradient_scale is not None:
            gradient = jax.tree.map(jnp.multiply, gradient, inputs.start.gradient_scale)
        gradient = with_signs(gradient, signs)

        # optax's line searches pass on to it whatever extra arguments it can take.
        def loss_at(weights: Params, lr: Any = None, obj_fn: Any = None) -> jax.Array:
            return of_weights(with_signs(weights, signs))[0]

        updates, optimizer_state = optimizer.update(
            gradient, state.optimizer, with_signs(weights, signs),
            lr=task.schedule(state.step),
            value=loss, grad=gradient, value_fn=loss_at, obj_fn=loss_at,
        )  # fmt: skip
        limit = jnp.where(state.step == 0, inputs.explosion * (jnp.abs(loss) + TINY), state.limit)
        return StepState(
            step=state.step + 1,
            weights=task.join(optax.apply_updates(weights, with_signs(updates, signs)), new_state),
            optimizer=optimizer_state,
            limit=limit,
            diverged=jnp.logical_not((loss <= limit) & jnp.isfinite(loss)),
        )

    def _validate(
        self, arrays: Any, weights: Params, *, batches: jax.Array, count: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """Whether the loss is finite, and the fitness, on the first `count` of batches [C, V]."""

        def add(index: jax.Array, sums: jax.Array) -> jax.Array:
            return sums + self.losses(arrays, weights, batches[index])

        loss, fitness = jax.lax.fori_loop(0, count, add, jnp.zeros(2)) / count
        return jnp.isfinite(loss), fitness

    def losses(self, arrays: Any, weights: Params, indices: jax.Array) -> jax.Array:
        """Loss and fitness on the examples `indices` [V]: float32 [2]."""
        batch = self.task.data.take(arrays, indices)
        return jnp.stack([self.task.loss(weights, batch), self.task.fitness(weights, batch)])
