"""The tasks whose data need no download, for tests that run over the table."""

import jax

from proxy_tasks import TASKS, Task
from proxy_tasks.device import batches

EMBEDDED = [
    name if not preset else f"{name}:{preset}"
    for name, spec in TASKS.items()
    for preset in ("", *spec.presets)
    if preset != "paper"
]


def check_one_gradient(task: Task) -> None:
    """Batches, loss, gradient and fitness have the right shapes; nothing is compiled."""
    order = batches(task, 0)
    assert order.shape == (task.steps, 64)
    batch = task.data.take(task.data.arrays, order[0])
    weights = jax.eval_shape(task.init, jax.random.key(0))
    assert jax.eval_shape(jax.grad(task.loss), weights, batch) == weights
    assert jax.eval_shape(task.fitness, weights, batch).shape == ()
