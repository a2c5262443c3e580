"""A user-defined task: fit a noisy plane. Give this file to a command by `--tasks-file`."""

import jax.numpy as jnp
import numpy as np

from proxy_tasks import Task, register, split_examples


@register
def plane(
    steps: int = 200,
    batch_size: int = 32,
    features: int = 8,
    noise: float = 0.1,
    scale: float = 1.0,
) -> Task:
    """Linear regression with a known slope; at scale 10 it is trained 10 times as long."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2000, features)).astype("float32")
    y = (x.sum(axis=1) + noise * rng.normal(size=2000)).astype("float32")

    def loss(weights, batch):
        x, y = batch
        return jnp.mean((x @ weights["slope"] + weights["offset"] - y) ** 2)

    return Task(
        init=lambda key: {"slope": jnp.zeros(features), "offset": jnp.zeros(())},
        loss=loss,
        data=split_examples((x, y)),
        steps=round(steps * scale),
        batch_size=batch_size,
    )
