"""Labels of other examples: the same inputs, the same labels in each split, and nothing to learn."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from proxy_tasks import TaskError, make_task, split_examples, train
from proxy_tasks.data import SPLITS, Data
from proxy_tasks.shuffled_labels import with_shuffled_labels


def batch(data, split):
    inputs, labels = data.take(data.arrays, jnp.asarray(getattr(data, split)[:500]))
    return np.asarray(inputs), np.asarray(labels)


@pytest.mark.parametrize("name", ["vision_mlp", "language_mlp", "language_transformer"])
def test_inputs_stay_and_labels_are_those_of_the_split(name):
    plain = make_task(name, validation_examples=500)
    shuffled = make_task(name, validation_examples=500, shuffled_labels=True)
    for split in SPLITS[:2]:  # the whole of these is looked at
        inputs, labels = batch(plain.data, split)
        same, others = batch(shuffled.data, split)
        np.testing.assert_array_equal(inputs, same)
        assert sorted(map(tuple, labels.reshape(len(labels), -1))) == sorted(
            map(tuple, others.reshape(len(others), -1))
        )
        assert np.mean(labels == others) < 0.3
    assert len({plain.fingerprint, shuffled.fingerprint}) == 2
    off = make_task(name, validation_examples=500, shuffled_labels=False)
    assert off.fingerprint == plain.fingerprint


def test_every_index_has_the_label_of_one_of_its_own_split():
    data = split_examples((np.arange(50), np.arange(50)))
    shuffled = with_shuffled_labels(data)
    for split in SPLITS:
        indices = getattr(data, split)
        inputs, labels = shuffled.take(shuffled.arrays, jnp.asarray(indices))
        np.testing.assert_array_equal(inputs, indices)
        assert sorted(np.asarray(labels)) == sorted(indices)


def test_there_is_nothing_to_learn():
    [result] = train(
        make_task("vision_mlp", steps=100, shuffled_labels=True), optax.adam(0.003), seeds=[0]
    )
    assert result.fitness == pytest.approx(-np.log(10), abs=0.1)  # ten digits


def test_batches_that_are_no_pairs_are_refused():
    data = Data(np.zeros((9, 2)), *np.arange(9, dtype=np.int32).reshape(3, 3))
    with pytest.raises(TaskError, match="shuffled_labels: expected batches that are pairs"):
        with_shuffled_labels(data)
