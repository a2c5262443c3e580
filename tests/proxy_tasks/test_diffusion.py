"""Diffusion: noise, samples, and the Frechet distance."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy_tasks import TaskError, make_task
from proxy_tasks.convolutions import UNet
from proxy_tasks.diffusion import LEVELS, drawn, sampled, signal_kept
from proxy_tasks.frechet import frechet_distance


def test_the_last_level_is_noise_and_the_first_nearly_the_image():
    kept = signal_kept()
    assert kept.shape == (LEVELS,) and (np.diff(kept) < 0).all()
    assert kept[0] > 0.999 and 0 < kept[-1] < 1e-4


def test_noise_is_an_image_s_own():
    indices, key = jnp.array([5, 1, 8]), jax.random.key(0)
    levels, noise = drawn(indices, (4, 4, 1), key)
    alone_level, alone = drawn(indices[1:2], (4, 4, 1), key)
    assert levels[1] == alone_level[0] and (noise[1] == alone[0]).all()
    many, all_noise = drawn(jnp.arange(2000), (4, 4, 1), key)
    assert {*np.asarray(many).tolist()} == {*range(LEVELS)}
    assert abs(all_noise.mean()) < 0.02 and abs(all_noise.std() - 1) < 0.02


def test_the_right_noise_gives_the_image_back():
    """A model that knows the one image there is, (noisy - sqrt(kept) image) / sqrt(1 - kept)."""
    image, kept = 0.5, jnp.asarray(signal_kept())

    class Knows(UNet):
        def apply(self, params, x, times):
            share = kept[jnp.round(times * LEVELS).astype(int) - 1][:, None, None, None]
            return (x - jnp.sqrt(share) * image) / jnp.sqrt(1 - share)

    made = jax.jit(lambda key: sampled(Knows(width=1), {}, key, shape=(5, 2, 2, 1)))
    np.testing.assert_allclose(made(jax.random.key(0)), image, atol=1e-2)


@settings(deadline=None)  # the first call sets up LAPACK
@given(st.integers(0, 2**32 - 1), st.integers(1, 5))
def test_the_distance_is_that_of_the_definition(seed, features):
    rng = np.random.default_rng(seed)
    a, b = (rng.normal(size=(20, features)) @ rng.normal(size=(features, features)) for _ in "ab")
    b += rng.normal(size=features)
    first, second = (np.atleast_2d(np.cov(x.T)) for x in (a, b))
    root = scipy.linalg.sqrtm(first @ second).real
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(first + second - 2 * root)
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-5, abs=1e-6)
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-6, abs=1e-8)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-6)
    assert np.isnan(frechet_distance(a, b * np.nan))


def test_images_of_an_odd_side():
    with pytest.raises(TaskError, match="image_size: expected an even number, got 7"):
        make_task("diffusion", image_size=7)
