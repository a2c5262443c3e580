"""Labels of other examples: an option of every task, for studies of what is found in noise.

With it inputs say nothing about labels, so no update rule can learn more than how often each label
occurs, and whatever a search "finds" there is luck.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import numpy as np

from proxy_tasks.data import SPLITS, Arrays, Batch, Data
from proxy_tasks.errors import TaskError


def with_shuffled_labels(data: Data) -> Data:
    """The same examples, each with the labels of another one of its split, in a fixed random order.

    Raises TaskError unless a batch is a pair of inputs and labels.
    """
    batch = jax.eval_shape(data.take, data.arrays, data.train[:1])
    if not isinstance(batch, tuple) or len(batch) != 2:
        raise TaskError(
            "shuffled_labels: expected batches that are pairs of inputs and labels, got "
            f"{type(batch).__name__}"
        )
    rng = np.random.RandomState(0)  # whose stream numpy promises never to change
    splits = [getattr(data, name) for name in SPLITS]
    other = np.zeros(1 + max(int(split.max()) for split in splits), np.int32)
    for split in splits:
        other[split] = rng.permutation(split)

    def take(arrays: Arrays, indices: jax.Array) -> Batch:
        examples, other = arrays
        inputs: Any = data.take(examples, indices)[0]
        return inputs, data.take(examples, other[indices])[1]

    return replace(data, arrays=(data.arrays, other), take=take)
