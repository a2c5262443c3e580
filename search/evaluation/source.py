"""Where fitness comes from: proxy tasks, or anything else with the same three answers."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from programs.user_functions import NONE, Registered, registered
from proxy_tasks.errors import TaskError
from search.arguments import listed
from search.config.machines import BatchSize
from search.config.messages import nearest
from search.config.settings import Config, Engine, EvaluationSettings
from search.config.strict_yaml import KeyPath
from search.evaluation.inspection import Inspection, inspect_here, inspect_tasks
from search.evaluation.jobs import Evaluate, Factory
from search.evaluation.request import SettingsByTask, TaskFunction, scaled
from search.evaluation.shipment import NOTHING, Shipment, inspect_and_keep, shipment_for


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
        """tasks_file: a Python file that registers user-defined tasks. It comes from the
        command line alone, so that a config never runs code. tasks: the same as functions, from
        Python."""
        self._tasks_file, self._tasks = tasks_file, listed("tasks", tasks)
        self._inspections: dict[str, Inspection] = {}

    def factory(self, config: Config) -> Factory:
        shipment = NOTHING
        if config.workers.are_elsewhere:
            shipment = shipment_for(
                every_task(config),
                task_settings(config.evaluation),
                tasks_file=self._tasks_file,
                tasks=self._tasks,
                functions=registered(),
            )
        return worker_factory(
            config.evaluation,
            self._tasks_file,
            self._tasks,
            batch=config.workers.batch,
            shipment=shipment,
        )

    def fingerprints(self, config: Config) -> dict[str, str]:
        fingerprints = self._inspect(config).fingerprints
        return {name: fingerprints[name] for name in config.evaluation.tasks}

    def mistakes(self, config: Config) -> Iterable[tuple[KeyPath, str]]:
        settings = config.evaluation
        for name in settings.settings:
            if name not in settings.tasks:
                near = nearest(name, list(settings.tasks))
                yield ("evaluation", "settings", name), f"is not one of evaluation.tasks{near}"
        inspected = self._inspect(config).mistakes
        wrong = [name for name in settings.tasks if name in inspected]
        for name in wrong:
            for key, message in inspected[name].items():
                if settings.settings.get(name):
                    yield ("evaluation", "settings", name, key)[: 4 if key else 3], message
                else:
                    yield ("evaluation", "tasks", settings.tasks.index(name)), message
        for path, task, scale in _later_tasks(config):
            name = _scaled(task, scale)
            if task not in wrong and name in inspected and name not in settings.tasks:
                yield path, next(iter(inspected[name].values()))

    def _inspect(self, config: Config) -> Inspection:
        names, settings = every_task(config), task_settings(config.evaluation)
        key = json.dumps((names, settings))
        if key not in self._inspections:
            self._inspections[key] = self._inspected(names, settings, config.workers.are_elsewhere)
        return self._inspections[key]

    def _inspected(
        self, names: Sequence[str], settings: SettingsByTask, elsewhere: bool
    ) -> Inspection:
        if self._tasks:
            return inspect_here(names, settings, tasks_file=self._tasks_file, tasks=self._tasks)
        look = inspect_and_keep if elsewhere else inspect_tasks
        return look(names, settings, self._tasks_file)


def every_task(config: Config) -> tuple[str, ...]:
    """The tasks of a search and of all that comes later, by name."""
    later = [_scaled(task, scale) for _, task, scale in _later_tasks(config)]
    return tuple(dict.fromkeys([*config.evaluation.tasks, *later]))


def _later_tasks(config: Config) -> Iterator[tuple[KeyPath, str, float]]:
    """The tasks of all that comes later: where they are asked for, name and scale."""
    meta, tasks = config.meta_validation, config.evaluation.tasks
    for task in tasks if meta.every else ():
        yield ("meta_validation", "scale"), task, meta.scale
    for number, stage in enumerate(config.funnel.stages if config.funnel else ()):
        path = "funnel", "stages", number
        for index, task in enumerate(stage.tasks or tasks):
            yield (*path, "tasks", index) if stage.tasks else (*path, "scale"), task, stage.scale
    if config.funnel and config.ablation.scale != 1:
        for task in tasks:
            yield ("ablation", "scale"), task, config.ablation.scale


def _scaled(task: str, factor: float) -> str:
    """The task's name at a scale; as it is if it is none, which is reported by itself."""
    try:
        return scaled(task, factor)
    except TaskError:
        return task


def task_settings(settings: EvaluationSettings) -> SettingsByTask:
    """The settings of each of the tasks, as an Evaluator takes them."""
    return {task: settings.settings.get(task, {}) for task in settings.tasks}


def worker_factory(
    settings: EvaluationSettings,
    tasks_file: str | None = None,
    tasks: Sequence[TaskFunction] = (),
    *,
    batch: BatchSize = 1,
    shipment: Shipment = NOTHING,
) -> Factory:
    """Makes a worker's evaluation function: any job, on the search's tasks or on others."""
    return functools.partial(
        evaluation_function,
        settings.engine,
        hurdles=settings.hurdles.at,
        settings=task_settings(settings),
        tasks_file=tasks_file,
        tasks=tasks,
        functions=registered(),
        batch=batch,
        shipment=shipment,
    )


def evaluation_function(
    engine: Engine,
    *,
    hurdles: Sequence[float] = (),
    settings: SettingsByTask | None = None,
    tasks_file: str | None = None,
    tasks: Sequence[TaskFunction] = (),
    functions: Registered = NONE,
    batch: BatchSize = 1,
    shipment: Shipment = NOTHING,
) -> Evaluate:
    """A worker's evaluation function; it keeps the compiled trainings (see Evaluator).

    functions: of the user's own, which programs may call.
    batch: jobs that are trained side by side; "auto": 1 on a CPU, see `Together`.
    shipment: what this machine may lack.
    """
    shipment.unpack()
    replace(functions, files=tuple(map(shipment.path_of, functions.files))).register()
    tasks_file = shipment.path_of(tasks_file) if tasks_file else None
    from search.evaluation.evaluator import Evaluator  # JAX is for workers

    evaluator = Evaluator(
        engine=engine, hurdles=hurdles, settings=settings, tasks_file=tasks_file, registered=tasks
    )
    if batch == 1:
        return lambda job: list(evaluator.each(job))
    from search.evaluation.together import Together, is_cpu

    if batch == "auto" and is_cpu():
        return lambda job: list(evaluator.each(job))
    return Together(evaluator, batch)


@dataclass(frozen=True)
class Function:
    """Fitness from any factory, such as a test's."""

    made: Factory

    def factory(self, config: Config) -> Factory:
        return self.made

    def fingerprints(self, config: Config) -> dict[str, str]:
        return {}

    def mistakes(self, config: Config) -> Iterable[tuple[KeyPath, str]]:
        return ()
