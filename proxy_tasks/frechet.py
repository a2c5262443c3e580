"""The Frechet distance of generated images to real ones, in the features of a classifier.

As the usual FID (Heusel et al. 2017), but for the classifier, which is trained on the task's own
images: so a distance compares with others of the same task alone.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import optax

from proxy_tasks.losses import cross_entropy
from proxy_tasks.models import MLP

FEATURES = 32  # of an image: what the last hidden layer of the classifier gives
STEPS, BATCH, RATE = 400, 128, 0.01  # of its training


def frechet_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Between normal distributions with the means and covariances of features [N, F], [M, F].

    The square of the 2-Wasserstein distance: |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)).
    """
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        return float("nan")
    difference = first.mean(0) - second.mean(0)
    covariances = [np.atleast_2d(np.cov(features.T)) for features in (first, second)]
    root = _root(covariances[0])
    # (S1 S2)^(1/2) has the trace of the symmetric (S1^(1/2) S2 S1^(1/2))^(1/2).
    trace = np.trace(_root(root @ covariances[1] @ root))
    total = difference @ difference + np.trace(covariances[0]) + np.trace(covariances[1])
    return float(max(0.0, total - 2 * trace))


def _root(matrix: np.ndarray) -> np.ndarray:
    """Square root of a symmetric matrix without negative eigenvalues."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T)


def classifier_features(
    images: np.ndarray, labels: np.ndarray, classes: int
) -> Callable[[np.ndarray], np.ndarray]:
    """Trains an MLP on images [N, ...] of labels [N].

    Returns:
      A function of images [M, ...] that gives their features [M, FEATURES].
    """
    model = MLP(FEATURES, classes, layers=2)
    flat = jnp.asarray(images.reshape(len(images), -1), jnp.float32)
    targets = jnp.asarray(labels)
    optimizer = optax.adam(optax.cosine_decay_schedule(RATE, STEPS))
    loss = cross_entropy(model.apply)

    @jax.jit
    def trained(order: jax.Array) -> object:
        params = model.init(jax.random.key(0), flat[:1])

        def step(index: jax.Array, carry: tuple[object, optax.OptState]) -> object:
            params, state = carry
            batch = flat[order[index]], targets[order[index]]
            updates, state = optimizer.update(jax.grad(loss)(params, batch), state)
            return optax.apply_updates(params, updates), state

        return jax.lax.fori_loop(0, STEPS, step, (params, optimizer.init(params)))[0]

    params = trained(np.random.RandomState(0).randint(len(flat), size=(STEPS, BATCH)))

    def hidden(flat: jax.Array) -> object:
        _, inside = model.apply(params, flat, capture_intermediates=True)
        return jax.nn.gelu(inside["intermediates"]["hidden_1"]["__call__"][0])

    of_images = jax.jit(hidden)
    return lambda images: np.asarray(of_images(images.reshape(len(images), -1)))
