"""What is reported of a training besides its loss: measures over a whole split."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from proxy_tasks.data import Batch, Data

Report = Callable[[Any, np.ndarray], float]  # (params, batches of indices [C, V]) -> a number
OfBatch = Callable[[Any, Batch], jax.Array]  # (params, batch) -> a number, or one per example


def outputs_over(data: Data, function: OfBatch) -> Callable[[Any, np.ndarray], np.ndarray]:
    """What a function of a batch gives for each batch: [C, ...]."""
    run = jax.jit(lambda params, arrays, batch: function(params, data.take(arrays, batch)))

    def outputs(params: Any, batches: np.ndarray) -> np.ndarray:
        arrays = jax.tree.map(jnp.asarray, data.arrays)
        return np.stack([np.asarray(run(params, arrays, batch)) for batch in batches])

    return outputs


def mean_over(data: Data, function: OfBatch) -> Report:
    """The mean of a function of a batch."""
    outputs = outputs_over(data, function)
    return lambda params, batches: float(outputs(params, batches).mean(dtype=np.float64))


def perplexity(data: Data, loss: OfBatch) -> Report:
    """exp of a mean cross-entropy in nats."""
    mean = mean_over(data, loss)
    return lambda params, batches: math.exp(min(mean(params, batches), 700.0))  # else it overflows


def ranking(data: Data, scores: OfBatch, labels: Callable[[Batch], Any]) -> Report:
    """The area under the curve of scores [B] of a batch, whose labels are 0 or 1, [B]."""
    both = outputs_over(
        data, lambda params, batch: jnp.stack([scores(params, batch), labels(batch)])
    )

    def report(params: Any, batches: np.ndarray) -> float:
        scored, truth = both(params, batches).swapaxes(0, 1).reshape(2, -1)
        return area_under_curve(scored, truth)

    return report


def area_under_curve(scores: np.ndarray, labels: np.ndarray) -> float:
    """The probability that an example of label 1 has a higher score than one of label 0.

    Both [N]; equal scores count half (Mann and Whitney 1947). NaN where a label is missing or a
    score is not finite.
    """
    positive, negative = np.sort(scores[labels == 1]), scores[labels == 0]
    if not len(positive) or not len(negative) or not np.isfinite(scores).all():
        return math.nan
    below = np.searchsorted(positive, negative)  # scores of label 1 that are lower
    above = len(positive) - np.searchsorted(positive, negative, "right")
    equal = len(positive) - above - below
    return float((above + equal / 2).sum() / (len(positive) * len(negative)))
