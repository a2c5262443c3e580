"""How the schedule value of a training rises and falls."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp

from proxy_tasks.settings import Shape

FLOOR = 0.01  # where it ends: a value of 0 would divide by zero in programs


def schedule_value(step: Any, *, steps: int, warmup: float, shape: Shape) -> jax.Array:
    """Of a step (0 to steps - 1): a linear rise to 1, then a fall, never to 0.

    `cosine` and `linear` fall to a hundredth, `constant` not at all; `square_root` and `cube_root`
    are those roots of the cosine, rise included: rules that searches find have them, so tasks with
    them leave a rule nothing to gain by a flatter schedule.

    optax.warmup_cosine_decay_schedule gives the same as `cosine` but for the last bit of a fifth of
    the values, and with it the same search would have another history.

    Args:
      warmup: share of the steps in which it rises.
    """
    step = jnp.asarray(step, jnp.float32)
    rise = max(1, round(warmup * steps))
    part = jnp.clip((step - rise + 1) / max(1, steps - rise), 0.0, 1.0)
    risen = jnp.minimum((step + 1) / rise, 1.0)
    if shape == "constant":
        return risen
    if shape == "linear":
        return risen * (1 - (1 - FLOOR) * part)
    cosine = risen * (FLOOR + (1 - FLOOR) * 0.5 * (1 + jnp.cos(math.pi * part)))
    if shape == "cosine":
        return cosine
    return jnp.sqrt(cosine) if shape == "square_root" else jnp.cbrt(cosine)
