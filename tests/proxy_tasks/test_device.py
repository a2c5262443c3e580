"""What trainings share on the device."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from proxy_tasks import make_task
from proxy_tasks.device import STARTS, DeviceData, batches, in_32_bits
from proxy_tasks.numerics import fixed_numerics


def test_batches_are_epochs_of_the_training_split():
    task = make_task("vision_mlp", shifts=0, batch_size=64, steps=30)
    count, order = len(task.data.train), batches(task, 0).reshape(-1)
    assert sorted(order[:count]) == sorted(task.data.train)
    assert not np.array_equal(order[:count], batches(task, 1).reshape(-1)[:count])
    few = dataclasses.replace(task, steps=2)
    assert len(set(batches(few, 0).reshape(-1).tolist())) == 2 * task.batch_size


def test_a_start_is_made_once_and_the_latest_are_kept():
    data = DeviceData(make_task("vision_mlp", steps=2))
    first = data.start(0)
    for seed in range(1, STARTS):
        data.start(seed)
    assert data.start(0) is first
    data.start(STARTS)  # seed 1, which was not used for longest, goes
    assert data.start(0) is first
    again = data.start(1)
    assert jax.tree.all(jax.tree.map(jnp.array_equal, again, DeviceData(data.task).start(1)))
    assert not jnp.array_equal(again.batches, first.batches)


@pytest.mark.parametrize("x64", [False, True])
def test_numbers_become_those_of_32_bits(x64):
    with jax.enable_x64(x64):
        leaves = [
            1, 1.5, True, np.float64(2), np.int64(3), np.uint8(4), np.zeros(2), jnp.zeros(2),
            jnp.arange(2), jnp.zeros(2, complex), jnp.zeros(2, jnp.bfloat16),
        ]  # fmt: skip
        key = jax.random.key(0)
    with fixed_numerics():
        assert [str(in_32_bits(leaf).dtype) for leaf in leaves] == [
            "int32", "float32", "bool", "float32", "int32", "uint8", "float32", "float32",
            "int32", "complex64", "bfloat16",
        ]  # fmt: skip
        assert in_32_bits(key) is key
