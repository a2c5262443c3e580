"""Random signs of weights: an option of every task, for rules that must not know up from down.

Most weights begin above zero as often as below, but what a model computes may gain by a drift of
them all in one direction, and in a short training by much: `update + 0.1`, `minimum(update, w)`,
`cos(m)`. Such a rule fits one model. One whose update is odd, as those of SGD, AdamW and Lion are
(of the other sign where weights and gradient are), trains just the same.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from proxy_tasks.settings import TaskSettings

STREAM = 4  # of a seed's random numbers, so that the others of a seed stay as they are


def random_signs(settings: TaskSettings, weights: Any, seed: int) -> Any | None:
    """The factors, each 1 or -1, by which the weights are multiplied as the optimizer sees them,
    and with them gradients and updates.

    They are drawn once for each weight of a training, and are the same for every optimizer.

    Returns:
      A tree of float32 arrays like `weights`, or None without the setting.
    """
    if not settings.random_signs:
        return None
    rng = np.random.default_rng([seed, STREAM])

    def draw(leaf: Any) -> np.ndarray:
        signs: np.ndarray = 2 * rng.integers(2, size=np.shape(leaf)) - 1
        return signs.astype(np.float32)

    return jax.tree.map(draw, weights)


def with_signs(tree: Any, signs: Any | None) -> Any:
    """Weights, gradients or updates from the model's signs to the optimizer's, or back."""
    if signs is None:
        return tree
    return jax.tree.map(jnp.multiply, tree, signs)
