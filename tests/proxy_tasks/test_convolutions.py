"""Convolutional networks: batch normalization in training and in validation."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from proxy_tasks.convolutions import AVERAGING, Conv, ResNet, UNet


def test_averages_follow_the_batches_and_decide_in_validation():
    model = ResNet(blocks=1, width=2, classes=3)
    images = jax.random.normal(jax.random.key(1), (6, 4, 4, 1))
    params = jax.eval_shape(model.init, jax.random.key(0), images)
    rng = np.random.default_rng(0)
    params = jax.tree.map(lambda s: 0.5 * rng.normal(size=s.shape).astype(np.float32), params)
    params["batch_stats"] = jax.tree.map(lambda leaf: jnp.ones_like(leaf), params["batch_stats"])

    @jax.jit
    def train(params, images):
        return model.apply(params, images, training=True, mutable=["batch_stats"])

    _, new = train(params, images)
    kernel = np.asarray(params["params"]["input"]["kernel"], np.float64)[:, :, 0]
    padded = np.pad(np.asarray(images)[..., 0], ((0, 0), (1, 1), (1, 1)))
    x = sum(
        padded[:, i : i + 4, j : j + 4, None] * kernel[i, j] for i in range(3) for j in range(3)
    )
    mean = AVERAGING * 1 + (1 - AVERAGING) * x.mean((0, 1, 2))
    var = AVERAGING * 1 + (1 - AVERAGING) * x.var((0, 1, 2))
    np.testing.assert_allclose(new["batch_stats"]["norm"]["mean"], mean, rtol=1e-4)
    np.testing.assert_allclose(new["batch_stats"]["norm"]["var"], var, rtol=1e-4)
    validate = jax.jit(model.apply)
    alone, beside = validate(params, images[:1]), validate(params, images)[:1]
    np.testing.assert_allclose(alone, beside, rtol=1e-4)  # one image's logits are its own
    assert jnp.abs(validate({**params, **new}, images)[:1] - beside).max() > 1e-4


@pytest.mark.parametrize(("size", "stride", "side"), [(3, 1, 5), (3, 2, 6), (3, 2, 5), (1, 2, 4)])
def test_a_convolution_is_flax_s(size, stride, side):
    x = jax.random.normal(jax.random.key(0), (2, side, side, 3))
    theirs = nn.Conv(4, (size, size), stride, padding=size // 2)
    params = theirs.init(jax.random.key(1), x)
    ours = Conv(4, size, stride, use_bias=True)
    np.testing.assert_allclose(ours.apply(params, x), theirs.apply(params, x), atol=1e-5)


def test_the_denoiser_is_told_the_time():
    model = UNet(width=4)
    x = jax.random.normal(jax.random.key(0), (2, 4, 4, 1))
    shapes = jax.eval_shape(model.init, jax.random.key(0), x, jnp.zeros(2))
    rng = np.random.default_rng(0)
    params = jax.tree.map(lambda s: 0.3 * rng.normal(size=s.shape).astype(np.float32), shapes)
    apply = jax.jit(model.apply)
    early, late = (apply(params, x, jnp.array([time, 0.5])) for time in (0.1, 0.9))
    assert early.shape == x.shape and jnp.abs(early[0] - late[0]).max() > 1e-3
    np.testing.assert_allclose(early[1], late[1], atol=1e-6)  # an image's noise is its own
