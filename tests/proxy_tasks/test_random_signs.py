"""Weights of random signs, as the optimizer sees them: which rules notice."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from proxy_tasks import DeviceData, TaskSettings, Training, make_task
from proxy_tasks.random_signs import random_signs
from tests.proxy_tasks.planes import fitness, plane

WEIGHTS = {"a": np.zeros((20, 30)), "b": [np.zeros(400), np.zeros(())]}
ON = TaskSettings(random_signs=True)


def test_off_by_default_and_part_of_the_fingerprint():
    assert random_signs(TaskSettings(), WEIGHTS, 0) is None
    off = make_task("vision_mlp", steps=2)
    assert DeviceData(off).start(0).signs is None
    assert make_task("vision_mlp", steps=2, random_signs=False).fingerprint == off.fingerprint
    assert make_task("vision_mlp", steps=2, random_signs=True).fingerprint != off.fingerprint


def test_one_sign_for_each_weight_others_for_each_seed():
    first, again, other = (random_signs(ON, WEIGHTS, seed) for seed in (0, 0, 1))
    assert jax.tree.map(np.shape, first) == jax.tree.map(np.shape, WEIGHTS)
    drawn = [np.concatenate([leaf.ravel() for leaf in jax.tree.leaves(t)]) for t in (first, other)]
    for signs in drawn:
        assert set(signs) == {-1, 1} and abs(signs.mean()) < 0.1
    assert abs((drawn[0] * drawn[1]).mean()) < 0.1
    assert jax.tree.all(jax.tree.map(np.array_equal, first, again))


def by_norm():
    return optax.chain(optax.clip_by_global_norm(0.1), optax.sgd(1.0, momentum=0.9))


ODD = {
    "adamw": lambda: optax.adamw(0.03, weight_decay=0.1),
    "lion": lambda: optax.lion(0.03, weight_decay=0.1),
    "normalised": by_norm,
    "adafactor": lambda: optax.adafactor(0.03),  # by the size of the weights
    # A line search: evaluates the loss at weights of its own.
    "line search": lambda: optax.chain(
        optax.sgd(1.0), optax.scale_by_backtracking_linesearch(max_backtracking_steps=5)
    ),
}


@pytest.mark.parametrize("name", ODD)
def test_a_rule_whose_update_is_odd_trains_just_the_same(name):
    np.testing.assert_allclose(
        fitness(ODD[name](), random_signs=True), fitness(ODD[name]()), rtol=1e-6, atol=1e-6
    )


def drift(rate):
    """All weights up, whatever the gradient."""
    return optax.stateless(lambda g, _: jax.tree.map(lambda leaf: jnp.full_like(leaf, rate), g))


def least(c):
    """The lesser of a sign's step and a part of the weight."""

    def update(g, w):
        return jax.tree.map(lambda g, w: -jnp.minimum(0.02 * jnp.sign(g), c * w), g, w)

    return optax.stateless(update)


@pytest.mark.parametrize("optimizer", [drift(0.02), least(0.08)], ids=["drift", "minimum"])
def test_a_rule_that_knows_up_from_down_does_not(optimizer):
    assert (np.abs(fitness(optimizer, random_signs=True) - fitness(optimizer)) > 0.1).all()


def test_a_training_ends_with_the_models_weights():
    """The start is the model's, whatever its signs, and so is what is trained: an optimizer that is
    told to end at zero does."""
    to_zero = optax.stateless(lambda g, w: jax.tree.map(jnp.negative, w))
    tasks = [replace(plane(random_signs=on), steps=1) for on in (False, True)]
    ends = [Training(task, lambda _: to_zero)(np.float32(0), seed=0).fitness for task in tasks]
    assert ends[0] == ends[1]
