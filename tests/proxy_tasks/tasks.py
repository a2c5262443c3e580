"""The tasks whose data need no download, for tests that run over the table."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from proxy_tasks import TASKS, DeviceData, Task
from proxy_tasks.device import batches

EMBEDDED = [
    name if not preset else f"{name}:{preset}"
    for name, spec in TASKS.items()
    for preset in ("", *spec.presets)
    if preset != "paper"
]

SLOW_TO_COMPILE = {"vision_mixer", "vision_resnet", "contrastive", "diffusion", "fine_tuning"}


def quick_or_slow(names: list[str]) -> list[Any]:
    """Cases of a test that compiles a training: those that take long are slow tests, and so are
    presets, since those of one row share its model."""
    quick = set(TASKS) - SLOW_TO_COMPILE
    return [n if n in quick else pytest.param(n, marks=pytest.mark.slow) for n in names]


def check_one_gradient(task: Task) -> None:
    """Batches, loss, gradient and fitness have the right shapes; nothing is compiled."""
    order = batches(task, 0)
    assert order.shape == (task.steps, 64)
    batch = task.data.take(task.data.arrays, order[0])
    weights = jax.eval_shape(task.init, jax.random.key(0))
    assert jax.eval_shape(jax.grad(task.loss), weights, batch) == weights
    assert jax.eval_shape(task.fitness, weights, batch).shape == ()


def loss_and_gradient_error(task: Task) -> tuple[float, float]:
    """The loss of the first step, and how far its gradient is from the slope of the loss along it,
    as a fraction of that."""
    start, length = DeviceData(task).start(0), 1e-2
    batch = task.data.take(task.data.arrays, np.asarray(start.batches[0]))
    weights, state = task.split(start.weights)
    assert {leaf.dtype for leaf in jax.tree.leaves(weights)} == {np.dtype(np.float32)}

    @jax.jit
    def along(weights, state, batch):
        key = None if start.key is None else jax.random.wrap_key_data(start.key)
        loss = lambda w: task.step_loss(w, batch, state=state, key=key)[0]
        value, gradient = jax.value_and_grad(loss)(weights)
        norm = jnp.sqrt(sum(jnp.sum(g**2) for g in jax.tree.leaves(gradient)))
        ends = jax.lax.map(
            lambda s: loss(jax.tree.map(lambda w, g: w + s * length * g / norm, weights, gradient)),
            jnp.array([-1.0, 1.0]),
        )
        return value, norm, (ends[1] - ends[0]) / (2 * length)

    value, norm, slope = map(float, along(weights, state, batch))
    return value, abs(slope / norm - 1)
