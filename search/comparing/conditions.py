"""What optimizers are compared on: tasks by batch size, warm-up and schedule."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from proxy_tasks.settings import Shape
from search.config.comparison import ComparisonConfig
from search.evaluation.request import settings_of

if TYPE_CHECKING:
    from proxy_tasks import Task  # which needs JAX

Settings = tuple[tuple[str, int | float | bool | str], ...]
Axes = tuple[int | None, float | None, Shape | None]  # batch size, warm-up, schedule


@dataclass(frozen=True, slots=True)
class Condition:
    """A task as it is trained here.

    task: its name; settings: on top of what the name says, with the batch size,
      warm-up and schedule.
    examples: whether the steps change with the batch size, so that the examples seen do not.
    """

    task: str
    settings: Settings = ()
    batch_size: int | None = None  # None: the task's own
    warmup: float | None = None  # None: the task's own
    schedule: Shape | None = None  # None: the task's own
    examples: bool = False

    @property
    def all_settings(self) -> dict[str, Any]:
        """As `make_task` takes them, but for the steps."""
        given = dict(self.settings)
        if self.batch_size is not None:
            given["batch_size"] = self.batch_size
        if self.warmup is not None:
            given["warmup"] = self.warmup
        if self.schedule is not None:
            given["schedule"] = self.schedule
        return given

    @property
    def axes(self) -> Axes:
        """What is different for the same task."""
        return self.batch_size, self.warmup, self.schedule

    @property
    def label(self) -> str:
        """What tables call it; different for the different conditions of a comparison."""
        return self._label(batch=True)

    @property
    def series(self) -> str:
        """What all are called that differ in the batch size alone."""
        return self._label(batch=False)

    def _label(self, *, batch: bool) -> str:
        parts = [self.task]
        parts += [f"batch {self.batch_size}"] if batch and self.batch_size is not None else []
        parts += [self.schedule] if self.schedule not in (None, "cosine") else []
        parts += [f"warm-up {self.warmup!r}"] if self.warmup is not None else []
        return ", ".join(parts)

    def make(self) -> Task:
        """The task. Raises TaskError."""
        from proxy_tasks import make_task
        from proxy_tasks.registry import resolved_settings

        settings = self.all_settings
        if self.examples and self.batch_size is not None:
            own: Any = resolved_settings(self.task, **dict(self.settings))
            seen = own.steps * own.batch_size
            settings["steps"] = max(1, round(seen / self.batch_size))
        return make_task(self.task, **settings)


def conditions_of(config: ComparisonConfig) -> list[Condition]:
    """All conditions of a comparison, tasks first."""
    axes = (
        config.tasks,
        config.batch_sizes or (None,),
        config.schedules or (None,),
        config.warmups or (None,),
    )
    return [
        Condition(
            task=task,
            settings=tuple(sorted(settings_of(task, config.settings).items())),
            batch_size=batch_size,
            warmup=warmup,
            schedule=schedule,
            examples=config.hold == "examples",
        )
        for task, batch_size, schedule, warmup in itertools.product(*axes)
    ]
