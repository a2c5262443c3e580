"""Image classification: an MLP and a vision Transformer."""

from __future__ import annotations

from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from proxy_tasks.data import Data, split_examples
from proxy_tasks.definition import Task
from proxy_tasks.images import load_images


class MLP(nn.Module):
    """Multi-layer perceptron on flat images: [B, D] -> [B, classes]."""

    hidden: int
    classes: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = nn.relu(nn.Dense(self.hidden, name="hidden")(x))
        return nn.Dense(self.classes, name="output")(x)


def vision_mlp(
    data: str = "digits",
    fitness: Literal["accuracy", "negative_loss"] = "accuracy",
    steps: int = 500,
    batch_size: int = 64,
    hidden: int = 32,
    scale: float = 1.0,
) -> Task:
    """MLP with one hidden layer: the cheapest task, for dense search."""
    images = load_images(data)
    x = images.pixels.reshape(len(images.pixels), -1).astype(np.float32)
    x = (x - x.mean()) / x.std()
    width = max(1, round(hidden * scale**0.5))
    cost = (width * (x.shape[1] + images.classes)) / (hidden * (x.shape[1] + images.classes))
    return classification(
        MLP(width, images.classes), split_examples((x, images.labels)), images.classes, fitness,
        max(1, round(steps * scale / cost)), batch_size,
    )  # fmt: skip


def classification(
    model: nn.Module, data: Data, classes: int, fitness: str, steps: int, batch_size: int
) -> Task:
    """A task of (input, label) examples with the cross-entropy as the loss."""
    example = jax.tree.map(lambda a: jnp.zeros((1, *a.shape[1:]), a.dtype), data.arrays)[0]

    def loss(params, batch):
        x, labels = batch
        # One-hot labels instead of a gather: the gather's gradient is a slow scatter on a CPU.
        one_hot = jax.nn.one_hot(labels, classes)
        return optax.softmax_cross_entropy(model.apply(params, x), one_hot).mean()

    def accuracy(params, batch):
        x, labels = batch
        return jnp.mean(jnp.argmax(model.apply(params, x), -1) == labels)

    return Task(
        init=lambda key: model.init(key, example),
        loss=loss,
        metric=accuracy if fitness == "accuracy" else None,
        data=data,
        steps=steps,
        batch_size=batch_size,
    )
