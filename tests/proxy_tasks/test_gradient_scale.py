"""Gradients of random sizes: which rules notice."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from proxy_tasks import (
    DeviceData,
    TaskError,
    TaskSettings,
    Training,
    make_task,
    train,
)
from proxy_tasks.gradient_scale import gradient_scale
from tests.proxy_tasks.planes import fitness, plane

WEIGHTS = {"a": np.zeros((2, 3)), "b": [np.zeros(4), np.zeros(())]}
ADAM = optax.adam(0.03, eps=1e-30)  # without the guard, next to which small gradients vanish
SGD = optax.sgd(0.1)


def powers(seed, by_seed, by_array):
    settings = TaskSettings(gradient_scale_by_seed=by_seed, gradient_scale_by_array=by_array)
    scale = gradient_scale(settings, WEIGHTS, seed)
    assert jax.tree.structure(scale) == jax.tree.structure(WEIGHTS)
    return np.log10(np.array(jax.tree.leaves(scale)))


def test_off_by_default():
    assert gradient_scale(TaskSettings(), WEIGHTS, 0) is None
    assert DeviceData(make_task("vision_mlp", steps=2)).start(0).gradient_scale is None


def test_one_power_for_each_seed_and_one_for_each_array():
    by_seed = np.array([powers(seed, 3.0, 0.0) for seed in range(400)])  # [seeds, arrays]
    assert (by_seed == by_seed[:, :1]).all()
    by_array = np.array([powers(seed, 0.0, 3.0) for seed in range(400)])
    assert len(np.unique(by_array)) == by_array.size
    for drawn in (by_seed[:, 0], by_array.ravel()):
        assert np.abs(drawn).max() <= 3 and np.abs(drawn.mean()) < 0.3
        np.testing.assert_allclose(drawn.std(), 3 / np.sqrt(3), rtol=0.05)
    both = np.array([powers(seed, 3.0, 3.0) for seed in range(400)])
    np.testing.assert_allclose(both, by_seed + by_array, atol=1e-5)


@pytest.mark.parametrize("name", ["gradient_scale_by_seed", "gradient_scale_by_array"])
def test_it_is_a_setting_of_every_task_and_part_of_its_fingerprint(name):
    off = make_task("vision_mlp")
    assert make_task("vision_mlp", **{name: 0.0}).fingerprint == off.fingerprint
    fingerprints = {make_task("vision_mlp", **{name: size}).fingerprint for size in (1, 2.0)}
    assert len(fingerprints | {off.fingerprint}) == 3
    with pytest.raises(TaskError, match=f"{name}: expected a number >= 0 and <= 10, got -1"):
        make_task("vision_mlp", **{name: -1})


def test_the_optimizer_sees_the_gradient_times_the_scale():
    """By a training of one step, whose update is the gradient that the optimizer is given."""
    steps = []

    def keep(updates, state, params, *, grad, **_):
        jax.debug.callback(lambda *leaves: steps.append(leaves), *jax.tree.leaves((updates, grad)))
        return updates, state

    optimizer = optax.GradientTransformationExtraArgs(lambda _: optax.EmptyState(), keep)
    tasks = [replace(plane(gradient_scale_by_array=size), steps=1) for size in (0.0, 2.0)]
    for task in tasks:
        train(task, optimizer)
    plain, scaled = steps
    factors = 2 * jax.tree.leaves(DeviceData(tasks[1]).start(0).gradient_scale)
    assert len(set(factors)) == 2
    for before, after, factor in zip(plain, scaled, factors, strict=True):
        np.testing.assert_array_equal(after, before * factor)


SCALES = ({"gradient_scale_by_seed": 3.0}, {"gradient_scale_by_array": 3.0})


@pytest.mark.parametrize("scales", SCALES, ids=["by seed", "by array"])
@pytest.mark.parametrize(
    "optimizer", [ADAM, optax.sign_sgd(0.03), optax.lion(0.03)], ids=["adam", "sign", "lion"]
)
def test_rules_that_divide_by_the_size_train_alike(optimizer, scales):
    np.testing.assert_allclose(fitness(optimizer, **scales), fitness(optimizer), atol=1e-3)


def by_norm(rate):
    return optax.chain(optax.clip_by_global_norm(0.1), optax.sgd(rate))


@pytest.mark.parametrize(
    ("optimizer", "scales"),
    [(SGD, SCALES[0]), (SGD, SCALES[1]), (by_norm(1.0), SCALES[1])],
    ids=["sgd by seed", "sgd by array", "norm by array"],
)
def test_rules_that_do_not_train_otherwise(optimizer, scales):
    assert (np.abs(fitness(optimizer, **scales) - fitness(optimizer)) > 0.1).any()


def test_a_seed_gives_every_optimizer_the_same_scale_and_compiles_once():
    task = plane(gradient_scale_by_seed=2.0)
    training = Training(task, lambda rate: optax.sgd(rate))
    first = [training(np.float32(1e-4), seed).fitness for seed in (0, 1, 0)]
    assert training.compilations == 1
    assert first[0] == first[2] != first[1]
    scales = [DeviceData(task).start(seed).gradient_scale for seed in (0, 0, 1)]
    same = [jax.tree.all(jax.tree.map(jnp.array_equal, scales[0], other)) for other in scales[1:]]
    assert same == [True, False]
