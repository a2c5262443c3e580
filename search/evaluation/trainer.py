"""Runs single trainings in this process; what asks for them is in trainings.py.

This file needs JAX, so a process that starts workers imports it only once they run: JAX's threads
do not survive the forks by which Ray starts.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence

from programs import Program
from programs.interpreter import capacity_of, encode, interpreted
from programs.transform import as_optax
from proxy_tasks.task import Task, load_tasks_file, make_task, parse_setting
from proxy_tasks.train import StopRules, Training
from search.config.settings import Engine
from search.evaluation.evaluator import engine_for
from search.evaluation.fitness import Evaluation, Outcome
from search.evaluation.request import META, Request, base_name

COMPILED_KEPT = 8  # trainings of single programs that a worker keeps for the next seed


class Trainer:
    """Runs trainings in this process, and keeps what it has compiled.

    settings: of tasks, on top of what their names say (see `task_settings`).
    tasks_file: a Python file that registers tasks of one's own.
    """

    def __init__(
        self, engine: Engine = "auto", settings: dict | None = None, tasks_file: str | None = None
    ):
        if tasks_file is not None:
            load_tasks_file(tasks_file)
        self.engine, self.settings = engine, settings or {}
        self._tasks: dict[str, Task] = {}
        self._interpreted: dict = {}  # (task, capacity) -> Training
        self._compiled: OrderedDict = OrderedDict()  # (task, program) -> Training

    def task(self, name: str) -> Task:
        """A task by name. Raises TaskError."""
        if name not in self._tasks:
            base = base_name(name)
            own = {
                key.partition(".")[2] or key: value
                for key, value in self.settings.items()
                if key.partition(".")[0] == base or "." not in key
            }
            self._tasks[name] = make_task(name, **own)
        return self._tasks[name]

    def engine_of(self, name: str) -> str:
        """The engine that scores a task."""
        return engine_for(self.task(name)) if self.engine == "auto" else self.engine

    def run(self, request: Request) -> Evaluation:
        """Trains and scores. Raises TaskError for an unknown task."""
        training, hyper = self._training(request.task, request.program)
        meta = request.split == META
        result = training(hyper, request.seed, (), meta=meta)
        outcome = Outcome[result.outcome.name]
        fitness = result.meta_fitness if meta else result.fitness
        if fitness is None or outcome is not Outcome.COMPLETED:
            fitness = -math.inf
        seconds = result.compile_seconds, result.run_seconds
        return Evaluation(
            request.task, request.seed, fitness, outcome, result.steps_run, (), *seconds
        )

    def __call__(self, requests: Sequence[Request]) -> list[float]:
        return [self.run(request).fitness for request in requests]

    def _training(self, name: str, program: Program) -> tuple[Training, object]:
        task, stop = self.task(name), StopRules(curve=())
        if self.engine_of(name) == "compiled":
            if (name, program) not in self._compiled:
                self._compiled[name, program] = Training(task, lambda _: as_optax(program), stop)
                if len(self._compiled) > COMPILED_KEPT:
                    self._compiled.popitem(last=False)
            self._compiled.move_to_end((name, program))
            return self._compiled[name, program], ()
        capacity = capacity_of(program)
        if (name, capacity) not in self._interpreted:
            self._interpreted[name, capacity] = Training(
                task, lambda code: interpreted(code, capacity), stop
            )
        return self._interpreted[name, capacity], encode(program, capacity)


def task_settings(tasks: Sequence[str], texts: Sequence[str]) -> dict:
    """Settings from texts: `steps=200` of all tasks, `vision_mlp.steps=200` of one. Raises
    TaskError."""
    settings = {}
    for text in texts:
        front = text.partition("=")[0].partition(".")
        own = [task for task in tasks if base_name(task) == front[0].strip() and front[1]]
        rest = text.partition(".")[2] if own else text
        for task in own or tasks:
            key, value = parse_setting(task, rest)
            settings[f"{base_name(task)}.{key}" if own else key] = value
    return settings
