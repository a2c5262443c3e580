"""Where fitness comes from: proxy tasks, or anything else with the same three answers."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from search.config.messages import KeyPath, nearest
from search.config.settings import Config, Engine, EvaluationSettings
from search.evaluation.inspection import Inspection, inspect_here, inspect_tasks
from search.evaluation.jobs import Evaluate, Factory
from search.evaluation.request import SettingsByTask, TaskFunction


class Fitness(Protocol):
    """A source of fitness."""

    def factory(self, config: Config) -> Factory:
        """Makes the evaluation function of a worker, in the worker."""
        ...

    def fingerprints(self, config: Config) -> dict[str, str]:
        """What fitness depends on besides the config: task settings and data, by name."""
        ...

    def mistakes(self, config: Config) -> Iterable[tuple[KeyPath, str]]:
        """What is wrong with a config whose types are right, by key path."""
        ...


class ProxyTasks:
    """Fitness from training on the config's proxy tasks."""

    def __init__(self, tasks_file: str | None = None, tasks: Sequence[TaskFunction] = ()) -> None:
        """tasks_file: a Python file that registers tasks of the user's own. It comes from the
        command line alone, so that a config never runs code. tasks: the same as functions, from
        Python."""
        self._tasks_file, self._tasks = tasks_file, tuple(tasks)
        self._inspections: dict[str, Inspection] = {}

    def factory(self, config: Config) -> Factory:
        return worker_factory(config.evaluation, self._tasks_file, self._tasks)

    def fingerprints(self, config: Config) -> dict[str, str]:
        return self._inspect(config.evaluation).fingerprints

    def mistakes(self, config: Config) -> Iterable[tuple[KeyPath, str]]:
        settings = config.evaluation
        for name in settings.settings:
            if name not in settings.tasks:
                near = nearest(name, list(settings.tasks))
                yield ("evaluation", "settings", name), f"is none of evaluation.tasks{near}"
        for name, message in self._inspect(settings).mistakes.items():
            yield ("evaluation", "tasks", settings.tasks.index(name)), message

    def _inspect(self, settings: EvaluationSettings) -> Inspection:
        key = settings.model_dump_json()
        if key not in self._inspections:
            what = settings.tasks, task_settings(settings), self._tasks_file
            self._inspections[key] = (
                inspect_here(*what, self._tasks) if self._tasks else inspect_tasks(*what)
            )
        return self._inspections[key]


def task_settings(settings: EvaluationSettings) -> SettingsByTask:
    """The settings of each of the tasks, as an Evaluator takes them."""
    return {task: settings.settings.get(task, {}) for task in settings.tasks}


def worker_factory(
    settings: EvaluationSettings,
    tasks_file: str | None = None,
    tasks: Sequence[TaskFunction] = (),
) -> Factory:
    """Makes a worker's evaluation function: any job, on the search's tasks or on others."""
    return functools.partial(
        evaluation_function,
        settings.engine,
        hurdles=settings.hurdles.at,
        settings=task_settings(settings),
        tasks_file=tasks_file,
        tasks=tasks,
    )


def evaluation_function(
    engine: Engine,
    *,
    hurdles: Sequence[float] = (),
    settings: SettingsByTask | None = None,
    tasks_file: str | None = None,
    tasks: Sequence[TaskFunction] = (),
) -> Evaluate:
    """A worker's evaluation function; it keeps the compiled trainings (see Evaluator)."""
    from search.evaluation.evaluator import Evaluator  # JAX is for workers

    evaluator = Evaluator(
        engine=engine, hurdles=hurdles, settings=settings, tasks_file=tasks_file, registered=tasks
    )
    return lambda job: list(evaluator.each(job))


@dataclass(frozen=True)
class Function:
    """Fitness from a factory of one's own, such as a toy's."""

    made: Factory

    def factory(self, config: Config) -> Factory:
        return self.made

    def fingerprints(self, config: Config) -> dict[str, str]:
        return {}

    def mistakes(self, config: Config) -> Iterable[tuple[KeyPath, str]]:
        return ()
