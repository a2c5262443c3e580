"""Labels of other examples: an option of tasks with labels, for studies of what is found in noise.

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
from proxy_tasks.metrics import OverSplit
from proxy_tasks.task import Task


def with_shuffled_labels(task: Task, name: str) -> Task:
    """The same task, each example with the labels of another one, also where it is reported on.

    Reports that read other data than `proxy_tasks.metrics` gives them are left out: they would be
    of the labels as they were. name: of the task, for the TaskError that one without labels raises.
    """
    data = shuffled(task.data) if task.has_labels else None
    if data is None:
        raise TaskError(
            f"task {name}: shuffled_labels: it has no labels that can be shuffled; expected a task "
            "whose batches are pairs of inputs and labels"
        )
    of_data = {n: one for n, one in task.reports.items() if isinstance(one, OverSplit)}
    reports = {name: replace(report, data=data) for name, report in of_data.items()}
    return replace(task, data=data, reports=reports)


def shuffled(data: Data) -> Data | None:
    """The same examples, each with the labels of another one of its split, in a fixed random order.

    None unless a batch is a pair, of inputs and labels.
    """
    batch = jax.eval_shape(data.take, data.arrays, data.train[:1])
    if not isinstance(batch, tuple) or len(batch) != 2:
        return None
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
