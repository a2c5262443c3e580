"""A task that compiles in no time, and what optimizers reach on it: for settings of all tasks."""

import jax
import jax.numpy as jnp
import numpy as np

from proxy_tasks import Task, TaskSettings, split_examples, train


def plane(**settings):
    """Fit a plane, quick to compile: weights of one and of two axes."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 3)).astype(np.float32)
    y = x @ np.float32([[1, -2], [0.5, 1], [0, 3]]) + 1
    return Task(
        init=lambda key: {"slope": jax.random.normal(key, (3, 2)), "offset": jnp.zeros(2)},
        loss=lambda w, batch: jnp.mean((batch[0] @ w["slope"] + w["offset"] - batch[1]) ** 2),
        data=split_examples((x, y)),
        steps=60,
        batch_size=8,
        settings=TaskSettings(**settings),
    )


def fitness(optimizer, **settings):
    """[seeds], scored and trained on the loss itself, whatever the optimizer sees of it."""
    return np.array(
        [result.fitness for result in train(plane(**settings), optimizer, seeds=range(3))]
    )
