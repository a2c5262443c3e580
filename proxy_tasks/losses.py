"""Loss and fitness of models that give logits: of images' classes and of next tokens alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
import optax

from proxy_tasks.data import Batch

Fitness = Literal["accuracy", "negative_log_perplexity", "negative_loss"]
Logits = Callable[..., Any]  # (params, inputs) -> [..., classes]


def cross_entropy(logits_of: Logits) -> Callable[[Any, Batch], jax.Array]:
    """Mean of -log p(target), in nats; the batch is (inputs, targets [...]).

    The largest logit is subtracted first. Otherwise logits that are all alike and huge lose the
    digits that distinguish a loss of 2.3 from one of 0, and a program that makes them so looks
    perfect.
    """

    def loss(params: Any, batch: Batch) -> jax.Array:
        inputs, targets = batch
        logits: jax.Array = logits_of(params, inputs)
        logits -= jax.lax.stop_gradient(logits.max(-1, keepdims=True))
        return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(logits, targets))

    return loss


def metric_of(fitness: str, logits_of: Logits) -> Callable[[Any, Batch], jax.Array]:
    """The fitness function of a setting, higher is better.

    accuracy: fraction of targets whose logit is the largest. negative_loss: minus the
    cross-entropy, which for a language model is the negative log-perplexity (per token, nats).
    """
    loss = cross_entropy(logits_of)

    def accuracy(params: Any, batch: Batch) -> jax.Array:
        inputs, targets = batch
        return jnp.mean(jnp.argmax(logits_of(params, inputs), -1) == targets)

    return accuracy if fitness == "accuracy" else lambda params, batch: -loss(params, batch)
