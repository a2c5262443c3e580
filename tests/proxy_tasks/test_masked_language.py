"""Masked language modelling: what is masked, and that nobody sees it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from proxy_tasks import make_task
from proxy_tasks.masked_language import chosen_tokens, masked_loss
from proxy_tasks.models import Transformer
from tests.proxy_tasks.test_models import random_weights


def test_a_window_has_a_mask_of_its_own():
    """Whatever else is in the batch; in training another one in each step."""
    tokens, starts = jnp.zeros((5, 20), jnp.int32), jnp.array([3, 9, 4, 70, 3])
    key = jax.random.key(1)
    chosen = np.asarray(chosen_tokens((tokens, starts), 4, key))
    part = np.asarray(chosen_tokens((tokens[1:3], starts[1:3]), 4, key))
    np.testing.assert_array_equal(chosen[1:3], part)
    np.testing.assert_array_equal(chosen[0], chosen[4])
    assert all(len(set(row)) == 4 and row.min() >= 0 and row.max() < 20 for row in chosen)
    assert len({tuple(row) for row in chosen}) == 4
    assert (chosen != np.asarray(chosen_tokens((tokens, starts), 4, jax.random.key(2)))).any()


def test_the_model_sees_both_sides_but_not_what_is_masked():
    model = Transformer(layers=1, width=8, heads=2, vocabulary=21, causal=False)
    tokens = jax.random.randint(jax.random.key(0), (1, 10), 0, 20)
    params = random_weights(model, tokens)

    @jax.jit
    def loss(tokens, target):  # of the token at 4, masked
        chosen = jnp.array([[4]])
        return masked_loss(model, params, (tokens.at[0, 4].set(target), None), chosen=chosen)

    probabilities = [float(jnp.exp(-loss(tokens, target))) for target in range(21)]
    assert sum(probabilities) == pytest.approx(1, rel=1e-5)  # so the input is the same for all
    for position in (1, 8):
        other = tokens.at[0, position].set((tokens[0, position] + 1) % 20)
        assert abs(loss(other, 3) - loss(tokens, 3)) > 1e-6


def test_windows_are_of_the_text():
    task = make_task("masked_language", context=12, batch_size=4)
    tokens, starts = task.data.take(task.data.arrays, task.data.train[:4])
    assert tokens.shape == (4, 12) and starts.tolist() == task.data.train[:4].tolist()
    for row, start in zip(np.asarray(tokens), starts.tolist()):
        np.testing.assert_array_equal(row, task.data.arrays[start : start + 12])
