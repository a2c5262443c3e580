"""Where fitness comes from: proxy tasks, or anything else with the same three answers."""

from __future__ import annotations

import functools
import multiprocessing
import signal
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

from search.config.messages import KeyPath, nearest
from search.config.settings import Config, Engine, EvaluationSettings
from search.evaluation.jobs import Evaluate, Factory
from search.evaluation.request import SettingsByTask
from search.evaluation.threads import single_threaded


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
    """Fitness from training on the config's proxy tasks.

    JAX runs in the workers only: the driver starts processes, which is not safe beside JAX's
    threads. So even a look at the tasks is a process of its own.
    """

    def __init__(self, tasks_file: str | None = None) -> None:
        """tasks_file: a Python file that registers tasks of the user's own. It comes from the
        command line alone, so that a config never runs code."""
        self._tasks_file = tasks_file
        self._seen: dict[str, Seen] = {}

    def factory(self, config: Config) -> Factory:
        return worker_factory(config.evaluation, self._tasks_file)

    def fingerprints(self, config: Config) -> dict[str, str]:
        return self._look(config.evaluation).fingerprints

    def mistakes(self, config: Config) -> Iterable[tuple[KeyPath, str]]:
        settings = config.evaluation
        for name in settings.settings:
            if name not in settings.tasks:
                near = nearest(name, list(settings.tasks))
                yield ("evaluation", "settings", name), f"is none of evaluation.tasks{near}"
        for place, message in self._look(settings).mistakes.items():
            yield ("evaluation", "tasks", place), message

    def _look(self, settings: EvaluationSettings) -> Seen:
        key = settings.model_dump_json()
        if key not in self._seen:
            self._seen[key] = _in_a_process(_look_at_tasks, settings, self._tasks_file)
        return self._seen[key]


def _in_a_process(look: Callable[..., Seen], *arguments: Any) -> Seen:
    """The call's result. Ctrl-C reaches this process alone, which then ends the other."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as process:
        try:
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # the child inherits it
            try:
                coming = process.submit(look, *arguments)
            finally:
                signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
            return coming.result()
        except BaseException:  # Ctrl-C, too: the other process must not outlive this one
            for child in multiprocessing.active_children():
                child.kill()
            raise


@dataclass(frozen=True)
class Seen:
    """What a look at the tasks showed."""

    fingerprints: dict[str, str]
    mistakes: dict[int, str]  # by place in evaluation.tasks


def _look_at_tasks(settings: EvaluationSettings, tasks_file: str | None) -> Seen:
    from proxy_tasks.errors import TaskError
    from search.evaluation.evaluator import Evaluator

    single_threaded()
    seen, evaluator = (
        Seen({}, {}),
        Evaluator(settings=task_settings(settings), tasks_file=tasks_file),
    )
    for place, name in enumerate(settings.tasks):
        try:
            seen.fingerprints[name] = evaluator.task(name).fingerprint
        except TaskError as error:
            seen.mistakes[place] = str(error)
    return seen


def task_settings(settings: EvaluationSettings) -> SettingsByTask:
    """The settings of each of the tasks, as an Evaluator takes them."""
    return {task: settings.settings.get(task, {}) for task in settings.tasks}


def worker_factory(settings: EvaluationSettings, tasks_file: str | None = None) -> Factory:
    """Makes a worker's evaluation function: any job, on the search's tasks or on others."""
    return functools.partial(
        evaluation_function,
        settings.engine,
        hurdles=settings.hurdles.at,
        settings=task_settings(settings),
        tasks_file=tasks_file,
    )


def evaluation_function(
    engine: Engine,
    *,
    hurdles: Sequence[float] = (),
    settings: SettingsByTask | None = None,
    tasks_file: str | None = None,
) -> Evaluate:
    """A worker's evaluation function; it keeps the compiled trainings (see Evaluator)."""
    from search.evaluation.evaluator import Evaluator  # JAX is for workers

    evaluator = Evaluator(engine=engine, hurdles=hurdles, settings=settings, tasks_file=tasks_file)
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
