"""Trains programs on proxy tasks in this process.

An Evaluator lives as long as a worker and keeps every compiled training, so that after the first
program of a size the next ones only run.

This file needs JAX, so a process that starts workers imports it only once they run: JAX's threads
do not survive the forks by which Ray starts.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import optax

from programs import Program, ProgramError
from programs.functions import version
from programs.interpreter import Branching, Capacity, capacity_of, encode, interpreted
from programs.transform import as_optax
from proxy_tasks import (
    DeviceData,
    Hurdle,
    StopRules,
    Task,
    TaskError,
    Training,
    TrainingResult,
    make_task,
    parse_settings,
    register,
)
from proxy_tasks.batch_loop import ROWS
from proxy_tasks.run_errors import named_errors
from search.arguments import check_choice
from search.config.messages import nearest
from search.config.settings import Engine
from search.evaluation.fitness import Evaluation, Outcome
from search.evaluation.jobs import Job
from search.evaluation.optimizers import PREFIX, HandDesigned, read_program
from search.evaluation.plan import trainings
from search.evaluation.request import (
    META,
    SEARCH,
    Request,
    SettingsByTask,
    TaskFunction,
    base_name,
    settings_of,
)
from search.evaluation.tasks_file import load_tasks

COMPILE_S = 10.0  # what compiling the training of one program may cost, in seconds
STATEMENT_S, NUMBER_S = 1e-6, 1e-9  # what the interpreter adds per statement, and per weight in it
STATEMENTS = 10  # live statements of a typical program
COMPILED_KEPT = 8  # trainings of single programs that are kept for the next seed


def engine_for(task: Task) -> Literal["interpreted", "compiled"]:
    """The engine of "auto": compiled where interpreting would cost more than the compilation.

    It depends on the task alone, neither on the program nor on the clock, so that all programs of a
    search are scored by the same engine on any machine.
    """
    added = task.steps * STATEMENTS * (STATEMENT_S + NUMBER_S * task.parameters)
    return "compiled" if added > COMPILE_S else "interpreted"


class _Interpreted(NamedTuple):
    """What one compilation serves: all programs that fit."""

    task: str
    capacity: Capacity
    checked: bool  # at the hurdles
    functions: int  # version of the table
    branching: Branching | None  # of rows of programs; None: one program at a time


class _Compiled(NamedTuple):
    """What one compilation serves: all seeds of a program."""

    task: str
    program: Program | HandDesigned
    checked: bool  # at the hurdles
    functions: int  # version of the table


class Evaluator:
    """Runs trainings in this process, and keeps what it has compiled.

    Args:
      tasks: what `evaluate` scores on: names, such as "vision_mlp@10", or Tasks. `run` takes any
        other name, too.
      engine: "interpreted": one compilation for all programs of a size; "compiled": one for each
        program; "auto": see `engine_for`.
      hurdles: shares of a training's steps at which a request's thresholds may end it; validated
        there on the search split only.
      settings: of tasks, on top of what their names say.
      tasks_file: a Python file that registers user-defined tasks.
      registered: such tasks as functions, as `register` takes them.

    Raises:
      TaskError: no such task, or a share is not in (0, 1). ValueError: no such engine.
    """

    def __init__(
        self,
        tasks: Sequence[str | Task] = (),
        engine: Engine = "auto",
        *,
        hurdles: Sequence[float] = (),
        settings: SettingsByTask | None = None,
        tasks_file: str | None = None,
        registered: Sequence[TaskFunction] = (),
    ):
        check_choice("engine", engine, get_args(Engine))
        if tasks_file is not None:
            load_tasks(tasks_file)
        for function in registered:
            register(function)
        self.engine, self.hurdles = engine, tuple(hurdles)
        self._checked, self._unchecked = StopRules(curve=self.hurdles), StopRules(curve=())
        self.settings = settings or {}
        self._tasks: dict[str, Task] = {}
        self._data: dict[str, DeviceData] = {}  # by task
        self._interpreted: dict[_Interpreted, Training] = {}
        self._compiled: OrderedDict[_Compiled, Training] = OrderedDict()
        self.tasks = [self._added(task) for task in tasks]
        if tasks:
            self._check_settings()

    def _check_settings(self) -> None:
        """Settings are of tasks that there are. Raises TaskError."""
        names = [base_name(task.name) for task in self.tasks]
        for name, own in self.settings.items():
            if not isinstance(own, Mapping):
                raise TaskError(
                    f"settings: expected those of each task by its name, such as "
                    f"{{'{names[0]}': {{'{name}': {own!r}}}}}, got {{'{name}': {own!r}}}"
                )
            if base_name(name) not in names:
                raise TaskError(f"settings: '{name}' is not one of the tasks{nearest(name, names)}")

    def _added(self, task: str | Task) -> Task:
        if isinstance(task, str):
            return self.task(task)
        if self._tasks.setdefault(task.name, task) is not task:
            raise TaskError(f"two tasks are called {task.name}")
        return task

    def task(self, name: str) -> Task:
        """A task by name. Raises TaskError."""
        if name not in self._tasks:
            self._tasks[name] = make_task(name, **settings_of(name, self.settings))
        return self._tasks[name]

    def engine_of(self, name: str, program: Program | HandDesigned | None = None) -> Engine:
        """The engine that scores a task; an optimizer designed by hand is always compiled."""
        if isinstance(program, HandDesigned):
            return "compiled"
        return engine_for(self.task(name)) if self.engine == "auto" else self.engine

    def run(self, request: Request) -> Evaluation:
        """Trains and scores. Raises TaskError: there is no such task, or no memory for it."""
        hurdles, meta = self.hurdles_of(request), request.split == META
        with named_errors(request.task):
            training, hyper = self.training(request)
            result = training(hyper, request.seed, hurdles, meta=meta)
        return self.evaluation(request, result)

    def hurdles_of(self, request: Request) -> list[Hurdle]:
        """What its training must reach on the way."""
        return [Hurdle(at, least) for at, least in zip(self.hurdles, request.thresholds)]

    def each(self, job: Job) -> Iterator[Evaluation]:
        """A job's evaluations one by one, as they are made."""
        return trainings(job, self.run)

    def evaluate(
        self,
        program: Program | HandDesigned | str | Path,
        seeds: Sequence[int] = (0,),
        show: Callable[[Evaluation], None] = lambda _: None,
    ) -> list[Evaluation]:
        """One Evaluation for each of `tasks` and seed, in that order.

        Args:
          program: a program, its text, a file or library name, or an optax optimizer.
          seeds: of the initial weights and the order of the examples.
          show: called with each evaluation as it is made.

        Raises:
          ProgramError: the program cannot be read or is invalid, or only programs can be
            interpreted and it is none.
        """
        program = read_program(program)
        if isinstance(program, HandDesigned) and self.engine == "interpreted":
            raise ProgramError(
                f"the engine 'interpreted' has no meaning for {PREFIX}{program.name}: only "
                "programs are interpreted; leave it out"
            )
        evaluations = []
        for task in self.tasks:
            for seed in seeds:
                evaluations.append(self.run(Request(program, task.name, seed)))
                show(evaluations[-1])
        return evaluations

    def __call__(self, requests: Sequence[Request]) -> list[float]:
        """Fitness by request: an Evaluator is a Scorer."""
        return [self.run(request).fitness for request in requests]

    def training(
        self, request: Request, branching: Branching | None = None
    ) -> tuple[Training, object]:
        """A training, and what to call it with.

        branching: given for a training of rows of programs, see `interpreted`; the compiled engine
          ignores it.
        """
        name, program = request.task, request.program
        checked = bool(self.hurdles) and request.split == SEARCH
        task, stop = self.task(name), self._checked if checked else self._unchecked
        if name not in self._data:
            self._data[name] = DeviceData(task)
        data = self._data[name]
        if isinstance(program, HandDesigned) or self.engine_of(name) == "compiled":
            compiled = _Compiled(name, program, checked, version())
            if compiled not in self._compiled:
                self._compiled[compiled] = Training(
                    task, lambda _: _optax(program, task), stop, data=data
                )
                if len(self._compiled) > COMPILED_KEPT:
                    self._compiled.popitem(last=False)
            self._compiled.move_to_end(compiled)
            return self._compiled[compiled], ()
        capacity = capacity_of(program)
        key = _Interpreted(name, capacity, checked, version(), branching)
        if key not in self._interpreted:
            axis = ROWS if branching else None
            how: Branching = branching or "switch"
            self._interpreted[key] = Training(
                task,
                lambda code: interpreted(code, capacity, axis=axis, branching=how),
                stop,
                data=data,
            )
        return self._interpreted[key], encode(program, capacity)

    def evaluation(self, request: Request, result: TrainingResult) -> Evaluation:
        """What a training's result says of a request."""
        steps = self.task(request.task).steps
        outcome = Outcome[result.outcome.name]
        fitness = result.meta_fitness if request.split == META else result.fitness
        if fitness is None or outcome is not Outcome.COMPLETED:
            fitness = float("-inf")
        reached = dict(result.curve)
        checkpoints = [min(max(1, round(at * steps)), steps) for at in self.hurdles]
        return Evaluation(
            task=request.task,
            seed=request.seed,
            fitness=fitness,
            outcome=outcome,
            steps=result.steps_run,
            checkpoints=tuple(reached[step] for step in checkpoints if step in reached),
            compile_seconds=result.compile_seconds,
            run_seconds=result.run_seconds,
            rate=request.rate,
        )


def _optax(program: Program | HandDesigned, task: Task) -> optax.GradientTransformation:
    return (
        program.optimizer(task.schedule) if isinstance(program, HandDesigned) else as_optax(program)
    )


def evaluator_for(
    tasks: Sequence[str],
    texts: Sequence[str],
    *,
    engine: Engine = "auto",
    tasks_file: str | None = None,
) -> Evaluator:
    """An Evaluator for what a command line says.

    texts: settings: `steps=200` of all these tasks, `vision_mlp.steps=200` of one.

    Raises:
      TaskError: no such task or setting.
    """
    settings = settings_for(tasks, texts, tasks_file)
    return Evaluator(tasks, engine, settings=settings)


def settings_for(
    tasks: Sequence[str], texts: Sequence[str], tasks_file: str | None = None
) -> SettingsByTask:
    """The settings that a command line gives to tasks; see `evaluator_for`."""
    if tasks_file is not None:
        load_tasks(tasks_file)
    return parse_settings(texts, tasks)
