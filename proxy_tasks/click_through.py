"""Click-through rate: embedding tables and an MLP on logs of shown ads."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from pydantic import Field

from proxy_tasks.click_logs import ClickLogs, load_clicks
from proxy_tasks.data import Batch, Data, split_examples
from proxy_tasks.losses import constant_loss
from proxy_tasks.metrics import Report, ranking
from proxy_tasks.models import MLP
from proxy_tasks.scaling import grow
from proxy_tasks.settings import Count, Fraction, Scale, TaskSettings
from proxy_tasks.task import Params, Task


class ClickThroughSettings(TaskSettings):
    """Settings of `click_through`."""

    data: str = "generated"  # generated or criteo:FILE
    examples: Count = 120_000  # lines, at most
    buckets: Count = 1000  # rows of a table of embeddings, for each category of a file
    held_out: Annotated[float, Field(gt=0, lt=0.5)] = 0.15  # fraction of each validation split
    validation_examples: Count = 4096  # of each validation split, at most
    fitness: Literal["negative_loss"] = "negative_loss"
    steps: Count = 800
    batch_size: Count = 256
    embedding: Count = 8  # numbers per value of a category
    hidden: Count = 64  # width of the hidden layers
    layers: Count = 2
    warmup: Fraction = 0.05  # fraction of the steps
    scale: Scale = 1.0


class ClickModel(nn.Module):
    """Logits of clicks, [B], from numbers [B, D] and rows of the table of embeddings [B, F]."""

    rows: int
    embedding: int
    hidden: int
    layers: int

    @nn.compact
    def __call__(self, numbers: jax.Array, categories: jax.Array) -> jax.Array:
        x = nn.Embed(self.rows, self.embedding, name="embedding")(categories)
        x = jnp.concatenate([x.reshape(len(x), -1), numbers], axis=1)
        return MLP(self.hidden, 1, self.layers, name="mlp")(x)[:, 0]


def click_through(settings: ClickThroughSettings) -> Task:
    """Click-through rate, the log loss; the truth is known where the logs are generated."""
    logs = load_clicks(settings.data, settings.examples, settings.buckets)
    data = _data(logs, settings)
    fields, numbers = int(logs.categories.shape[1]), int(logs.numbers.shape[1])

    def embedding(width: int) -> int:
        return max(1, round(settings.embedding * width / settings.hidden))

    def cost(width: int) -> float:  # multiplications per example
        inputs = fields * embedding(width) + numbers
        return width * (inputs + (settings.layers - 1) * width + 1)

    width, steps = grow(settings.scale, settings.hidden, steps=settings.steps, cost=cost)
    model = ClickModel(logs.rows, embedding(width), width, settings.layers)

    def logits(params: Params, batch: Batch) -> Any:
        return model.apply(params, batch[0], batch[1])

    def loss(params: Params, batch: Batch) -> jax.Array:
        return jnp.mean(optax.sigmoid_binary_cross_entropy(logits(params, batch), batch[2]))

    reports: dict[str, Report] = {"auc": ranking(data, logits, lambda batch: batch[2])}
    if logs.probability is not None:
        reports["irreducible_loss"] = _loss_of_truth(logs)
    clicked = logs.clicked
    return Task(
        init=lambda key: model.init(key, logs.numbers[:1], logs.categories[:1]),
        loss=loss,
        data=data,
        steps=steps,
        batch_size=settings.batch_size,
        warmup=settings.warmup,
        validation_batch=1024,
        reports=reports,
        trivial_loss=constant_loss(clicked[data.train], clicked[data.search_validation]),
    )


def _data(logs: ClickLogs, settings: ClickThroughSettings) -> Data:
    """Batches of numbers, categories and clicks; numbers are scaled by what training has of them.

    A number that is missing becomes their mean.
    """
    split = split_examples((logs.numbers, logs.categories, logs.clicked), settings.held_out)
    known = np.ma.masked_invalid(logs.numbers[split.train].astype(np.float64))
    mean, deviation = known.mean(0).filled(0), np.maximum(known.std(0).filled(1), 1e-6)
    numbers = np.nan_to_num((logs.numbers - mean) / deviation).astype(np.float32)
    limit = settings.validation_examples
    return Data(
        (numbers, logs.categories, logs.clicked.astype(np.float32)),
        split.train,
        split.search_validation[:limit],
        split.meta_validation[:limit],
    )


def _loss_of_truth(logs: ClickLogs) -> Report:
    """The log loss of the probability from which the clicks were drawn."""
    assert logs.probability is not None
    right = np.where(logs.clicked == 1, logs.probability, 1 - logs.probability)
    losses = -np.log(np.maximum(right, 1e-12))
    return lambda params, batches: float(losses[batches].mean())
