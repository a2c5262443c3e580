"""Labels of other examples: the same inputs, the same labels in each split, and nothing to learn."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from proxy_tasks import Task, TaskError, make_task, split_examples, train
from proxy_tasks.data import SPLITS, Data
from proxy_tasks.metrics import mean_over
from proxy_tasks.shuffled_labels import shuffled, with_shuffled_labels


def batch(data, split):
    inputs, labels = data.take(data.arrays, jnp.asarray(getattr(data, split)[:500]))
    return np.asarray(inputs), np.asarray(labels)


@pytest.mark.parametrize("name", ["vision_mlp", "language_mlp", "language_transformer"])
def test_inputs_stay_and_labels_are_those_of_the_split(name):
    plain = make_task(name, validation_examples=500)
    mixed = make_task(name, validation_examples=500, shuffled_labels=True)
    for split in SPLITS[:2]:  # the whole of these is looked at
        inputs, labels = batch(plain.data, split)
        same, others = batch(mixed.data, split)
        np.testing.assert_array_equal(inputs, same)
        assert sorted(map(tuple, labels.reshape(len(labels), -1))) == sorted(
            map(tuple, others.reshape(len(others), -1))
        )
        assert np.mean(labels == others) < 0.3
    assert len({plain.fingerprint, mixed.fingerprint}) == 2
    off = make_task(name, validation_examples=500, shuffled_labels=False)
    assert off.fingerprint == plain.fingerprint


def test_every_index_has_the_label_of_one_of_its_own_split():
    data = split_examples((np.arange(50), np.arange(50)))
    others = shuffled(data)
    for split in SPLITS:
        indices = getattr(data, split)
        inputs, labels = others.take(others.arrays, jnp.asarray(indices))
        np.testing.assert_array_equal(inputs, indices)
        assert sorted(np.asarray(labels)) == sorted(indices)


def test_reports_are_of_the_shuffled_labels_and_those_that_cannot_be_are_left_out():
    data = split_examples((np.arange(50), np.arange(50)))
    same = mean_over(data, lambda params, batch: jnp.mean(batch[0] == batch[1]))
    task = Task(
        init=lambda key: jnp.zeros(1),
        loss=lambda params, batch: jnp.mean((batch[0] - batch[1]) ** 2.0),
        data=data,
        steps=1,
        batch_size=1,
        reports={"same": same, "elsewhere": lambda params, batches: 7.0},
    )
    assert task.metrics(np.zeros(1), "train") == {"loss": 0.0, "same": 1.0, "elsewhere": 7.0}
    measured = with_shuffled_labels(task, "t").metrics(np.zeros(1), "train")
    assert set(measured) == {"loss", "same"} and measured["same"] < 0.5 < measured["loss"]


def test_the_perplexity_is_that_of_the_loss():
    task = make_task("language_mlp", validation_examples=64, shuffled_labels=True)
    measured = task.metrics(task.init(jax.random.key(0)), "search_validation")
    assert measured["perplexity"] == pytest.approx(math.exp(measured["loss"]))


def test_there_is_nothing_to_learn():
    [result] = train(
        make_task("vision_mlp", steps=100, shuffled_labels=True), optax.adam(0.003), seeds=[0]
    )
    assert result.fitness == pytest.approx(-np.log(10), abs=0.1)  # ten digits


@pytest.mark.parametrize("name", ["diffusion", "masked_language", "click_through", "contrastive"])
def test_a_task_without_labels_is_refused(name):
    quick = {"click_through": {"examples": 200}}
    with pytest.raises(TaskError, match=f"task {name}: shuffled_labels: it has no labels"):
        make_task(name, shuffled_labels=True, **quick.get(name, {}))


def test_batches_that_are_no_pairs_are_not_shuffled():
    data = Data(np.zeros((9, 2)), *np.arange(9, dtype=np.int32).reshape(3, 3))
    assert shuffled(data) is None
