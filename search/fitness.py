"""Where fitness comes from: proxy tasks, or anything else with the same three answers."""

from __future__ import annotations

import functools
import multiprocessing
import signal
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Protocol

from programs import ProgramError
from programs import load as load_program
from search.jobs import Evaluate, Factory, Job
from search.scores import Evaluation
from search.settings import Config, EvaluationSettings
from search.store import Reader, StoreError
from search.threads import single_threaded
from search.wording import KeyPath, nearest


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


def wrong_files(config: Config) -> Iterable[tuple[KeyPath, str]]:
    """What a config names and cannot be read: programs and earlier runs."""
    yield from wrong_programs(config)
    for place, run in enumerate(config.cache.runs):
        try:
            Reader(run).close()
        except StoreError as error:
            yield ("cache", "runs", place), str(error)


def wrong_programs(config: Config) -> Iterable[tuple[KeyPath, str]]:
    """Warm starts and baselines that cannot be read."""
    named: list[tuple[KeyPath, str]] = [
        (("evolution", "warm_start", place), name)
        for place, name in enumerate(config.evolution.warm_start)
    ]
    if config.funnel is not None:
        named += [
            (("funnel", "baselines", place), name)
            for place, name in enumerate(config.funnel.baselines)
        ]
    for path, name in named:
        try:
            program = load_program(name)
        except ProgramError as error:
            yield path, str(error)
            continue
        constants = [
            a for statement in program for a in statement.arguments if not isinstance(a, str)
        ]
        if config.evolution.mode == "tune" and path[0] == "evolution" and not constants:
            yield path, f"{name} has no constant for the mode tune to change"


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
        return functools.partial(_trained, config.evaluation, self._tasks_file)

    def fingerprints(self, config: Config) -> dict[str, str]:
        return self._look(config.evaluation).fingerprints

    def mistakes(self, config: Config) -> Iterable[tuple[KeyPath, str]]:
        yield from wrong_files(config)
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

    single_threaded()
    seen = Seen({}, {})
    for place, name in enumerate(settings.tasks):
        try:
            seen.fingerprints[name] = _task(settings, name, tasks_file).fingerprint
        except TaskError as error:
            seen.mistakes[place] = str(error)
    return seen


def _task(settings: EvaluationSettings, name: str, tasks_file: str | None) -> Any:
    from proxy_tasks.task import load_tasks_file, make_task

    if tasks_file:
        load_tasks_file(tasks_file)
    return make_task(name, **settings.settings.get(name, {}))


def _trained(settings: EvaluationSettings, tasks_file: str | None = None) -> Evaluate:
    """The evaluation function of a worker; it keeps the compiled trainings."""
    from search.evaluate import Evaluator

    tasks = [_task(settings, name, tasks_file) for name in settings.tasks]
    evaluator = Evaluator(tasks, settings.engine, settings.hurdles.at)

    def evaluate(job: Job) -> list[Evaluation]:
        stop_early = job.purpose == "search"  # what comes after a failure cannot mend it
        found = evaluator.evaluate(job.program, job.seeds, job.thresholds, not stop_early)
        names = (name for name in settings.tasks for _ in job.seeds)
        return [replace(evaluation, task=name) for evaluation, name in zip(found, names)]

    return evaluate


@dataclass(frozen=True)
class Function:
    """Fitness from a factory of one's own, such as a toy's."""

    made: Factory

    def factory(self, config: Config) -> Factory:
        return self.made

    def fingerprints(self, config: Config) -> dict[str, str]:
        return {}

    def mistakes(self, config: Config) -> Iterable[tuple[KeyPath, str]]:
        return wrong_files(config)
