"""What is reported of a training besides its loss: measures over a whole split."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
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


@dataclass(frozen=True, eq=False)
class OverSplit:
    """A report that computes a function of each batch of data, and one number from all of that.

    The data may be replaced by others with batches alike.
    """

    data: Data
    function: OfBatch
    number: Callable[[np.ndarray], float]  # of what the function gives for each batch, [C, ...]

    def __call__(self, params: Any, batches: np.ndarray) -> float:
        return self.number(self._outputs(params, batches))

    @functools.cached_property
    def _outputs(self) -> Callable[[Any, np.ndarray], np.ndarray]:
        return outputs_over(self.data, self.function)


def mean_over(data: Data, function: OfBatch) -> OverSplit:
    """The mean of a function of a batch."""
    return OverSplit(data, function, _mean)


def perplexity(data: Data, loss: OfBatch) -> OverSplit:
    """exp of a mean cross-entropy in nats."""
    return OverSplit(data, loss, lambda means: math.exp(min(_mean(means), 700.0)))  # no overflow


def _mean(outputs: np.ndarray) -> float:
    return float(outputs.mean(dtype=np.float64))


def ranking(data: Data, scores: OfBatch, labels: Callable[[Batch], Any]) -> OverSplit:
    """The area under the curve of scores [B] of a batch, whose labels are 0 or 1, [B]."""

    def area(both: np.ndarray) -> float:  # [C, 2, B]
        scored, truth = both.swapaxes(0, 1).reshape(2, -1)
        return area_under_curve(scored, truth)

    both = lambda params, batch: jnp.stack([scores(params, batch), labels(batch)])
    return OverSplit(data, both, area)


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
