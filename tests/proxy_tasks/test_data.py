"""Splits."""

import jax
import numpy as np
import pytest

from proxy_tasks import Data, TaskError, make_task, split_examples
from tests.proxy_tasks.tasks import EMBEDDED


@pytest.mark.parametrize("name", EMBEDDED)
def test_splits_are_disjoint_and_a_batch_has_its_size(name):
    task = make_task(name)
    splits = [task.data.train, task.data.search_validation, task.data.meta_validation]
    numbers = np.concatenate(splits)
    assert len(set(numbers.tolist())) == len(numbers)
    batch = task.data.take(task.data.arrays, task.data.train[: task.batch_size])
    assert {len(leaf) for leaf in jax.tree.leaves(batch)} == {task.batch_size}


def test_data_that_cannot_be_split():
    with pytest.raises(TaskError, match=r"the search_validation split is empty"):
        split_examples((np.zeros((4, 2)), np.zeros(4)))
    with pytest.raises(TaskError, match=r"arrays of different lengths: \[3, 4\]"):
        split_examples((np.zeros(4), np.zeros(3)))


def test_the_fingerprint_is_of_contents_type_and_shape():
    def of(values, **change):
        values = np.asarray(values)
        indices = {"train": [0], "search_validation": [1], "meta_validation": [2], **change}
        return Data(values, **{k: np.array(v, np.int32) for k, v in indices.items()}).fingerprint

    values = np.arange(6, dtype=np.float32)
    assert of(values) == of(values.copy())
    others = [values + 1, values.astype(np.float64), values.reshape(3, 2)]
    fingerprints = {of(values), *map(of, others), of(values, train=[3])}
    assert len(fingerprints) == 5
