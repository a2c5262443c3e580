"""A training gives the same bits whatever JAX is set to."""

import contextlib
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from proxy_tasks import Outcome, Task, Training, make_task, split_examples, train
from proxy_tasks.numerics import fixed_numerics


def other_settings():
    """All at once, for each alone takes as long."""
    stack = contextlib.ExitStack()
    for setting in (
        jax.numpy_dtype_promotion("strict"),
        jax.numpy_rank_promotion("raise"),
        jax.debug_nans(True),
        jax.debug_infs(True),
        jax.default_prng_impl("rbg"),
        jax.threefry_partitionable(False),
    ):
        stack.enter_context(setting)
    return stack


def trained(name):
    task = make_task(name, steps=10)
    training = Training(task, lambda rate: optax.adam(rate))
    adam, wild = (training(np.float32(rate), seed=3) for rate in (0.01, 1e30))
    assert wild.outcome is Outcome.DIVERGED
    return task.fingerprint, task.flops, adam.fitness.hex(), [f.hex() for _, f in adam.curve]


@pytest.mark.parametrize("name", ["vision_mlp", "language_mlp"])
def test_the_same_bits_whatever_jax_is_set_to(name):
    by_default = trained(name)
    for settings in (jax.enable_x64(True), other_settings()):
        with settings:
            assert trained(name) == by_default


def test_a_task_made_by_hand_under_x64_is_trained_in_32_bits():
    types = set()

    def loss(weights, batch):
        types.update({weights.dtype, batch.dtype})
        return jnp.mean((batch - weights) ** 2)

    with jax.enable_x64(True):
        data = split_examples(jnp.arange(20.0).reshape(10, 2))
        task = Task(lambda _: jnp.zeros(2), loss, data, steps=3, batch_size=2)
        (result,) = train(task, optax.sgd(0.1))
    assert types == {np.dtype("float32")}
    assert result.outcome is Outcome.COMPLETED


def test_nothing_compiles_anew_within():
    """Where nothing is set, all is as it was."""
    double = jax.jit(lambda x: 2 * x)
    double(1.0)
    with fixed_numerics():
        double(1.0)
    assert double._cache_size() == 1


@pytest.mark.skipif("cuda" in {d.platform for d in jax.devices()}, reason="there is a GPU")
def test_a_platform_that_is_not_there_is_one_line():
    command = [sys.executable, "-m", "proxy_tasks", "list", "vision_mlp"]
    environment = {**os.environ, "JAX_PLATFORMS": "cuda"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "error: JAX finds no device to run on (JAX_PLATFORMS=cuda); set JAX_PLATFORMS=cpu, or "
        "install JAX for your accelerator\n"
    )
