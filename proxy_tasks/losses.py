"""Loss and fitness of models that give logits: of images' classes and of tokens alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
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
    if fitness == "accuracy":
        return accuracy(logits_of)
    return lambda params, batch: -loss(params, batch)


def accuracy(logits_of: Logits) -> Callable[[Any, Batch], jax.Array]:
    """Fraction of targets whose logit is the largest."""

    def of_batch(params: Any, batch: Batch) -> jax.Array:
        inputs, targets = batch
        return jnp.mean(jnp.argmax(logits_of(params, inputs), -1) == targets)

    return of_batch


def constant_loss(training: np.ndarray, validation: np.ndarray) -> float:
    """Cross-entropy, in nats, of predicting the classes' shares in training whatever the input.

    Both are classes 0, 1, ... of any shape; each is counted once more than it occurs, so that one
    that is missing in training costs a finite loss.
    """
    classes = 1 + int(max(training.max(), validation.max()))
    counts = np.bincount(training.reshape(-1), minlength=classes) + 1
    return float(-np.log(counts / counts.sum())[validation.reshape(-1)].mean())
