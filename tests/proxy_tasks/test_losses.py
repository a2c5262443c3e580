"""The loss against its formula."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from proxy_tasks.losses import cross_entropy


@pytest.mark.parametrize("size", [0.0, 1.0, -7e11, 7e11, 3e38])
def test_logits_that_are_all_alike_have_the_loss_of_a_guess_however_large(size):
    loss = cross_entropy(lambda params, inputs: params + jnp.zeros((len(inputs), 10)))
    value, gradient = jax.value_and_grad(loss)(jnp.float32(size), (np.zeros(4), np.arange(4)))
    np.testing.assert_allclose(value, np.log(10), rtol=1e-6)
    assert abs(gradient) < 1e-6


def test_the_loss_is_the_cross_entropy():
    rng = np.random.default_rng(0)
    logits, targets = 5 * rng.normal(size=(6, 4, 10)), rng.integers(0, 10, (6, 4))
    shares = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    expected = -np.log(np.take_along_axis(shares, targets[..., None], -1)).mean()
    loss = cross_entropy(lambda params, inputs: params)
    assert np.isclose(loss(logits.astype(np.float32), (None, targets)), expected, rtol=1e-5)
