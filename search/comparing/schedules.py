"""Tasks with another schedule than their cosine."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from typing import Any

import jax
import jax.numpy as jnp

from proxy_tasks import Task
from proxy_tasks.task import SCHEDULE_FLOOR
from search.config.comparison import Shape


@dataclasses.dataclass(frozen=True, eq=False)
class ScheduledTask(Task):
    """A task whose schedule value falls in another way after its warm-up."""

    shape: Shape = "cosine"

    def schedule(self, step: Any) -> jax.Array:
        """Schedule value of a step (0 to S - 1): the task's warm-up, then linear to a hundredth, or
        constant; or a root of the task's own."""
        if self.shape == "cosine":
            return super().schedule(step)
        if self.shape == "cube_root":
            return jnp.cbrt(super().schedule(step))
        step = jnp.asarray(step, jnp.float32)
        rise = max(1, round(self.warmup * self.steps))
        part = jnp.clip((step - rise + 1) / max(1, self.steps - rise), 0.0, 1.0)
        fallen = part if self.shape == "linear" else jnp.zeros_like(part)
        return jnp.minimum((step + 1) / rise, 1.0) * (1 - (1 - SCHEDULE_FLOOR) * fallen)

    @functools.cached_property
    def fingerprint(self) -> str:
        """As of every task; another for another schedule."""
        text = f"{super().fingerprint} {self.shape}"
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def scheduled(task: Task, shape: Shape) -> Task:
    """The task with a schedule of that shape; with its own as it is."""
    if shape == "cosine":
        return task
    own = {field.name: getattr(task, field.name) for field in dataclasses.fields(task)}
    return ScheduledTask(**own, shape=shape)
