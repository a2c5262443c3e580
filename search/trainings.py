"""Single trainings, asked for by program, task, seed and split, and each paid for once.

A search scores programs on fixed tasks and seeds. Choosing among its best needs other tasks,
scales, seeds and splits for each question; all that asks such questions (funnel, tuning, ablation)
does so through one function, `Scorer`, and so runs in process, on Ray workers or on a toy alike.
"""

from __future__ import annotations

import functools
import json
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from programs import Program, analyse, parse
from programs.interpreter import capacity_of, encode, interpreted
from programs.transform import as_optax
from proxy_tasks.task import Task, load_tasks_file, make_task, parse_setting
from proxy_tasks.train import StopRules, Training
from search.evaluate import Engine, engine_for
from search.jobs import Evaluate, Factory, Job, Pool, Stopped
from search.scores import Evaluation, Outcome
from search.store import Store

SEARCH, META = "search_validation", "meta_validation"  # splits
COMPILED_KEPT = 8  # trainings of single programs that a worker keeps for the next seed
WAIT_S = 0.2  # longest wait for a worker, so that a signal is noticed


@dataclass(frozen=True, slots=True)
class Request:
    """One training of a program, to be scored on a split."""

    program: Program
    task: str  # as make_task takes it, such as "vision_mlp@10"
    seed: int
    split: str = SEARCH


Scorer = Callable[[Sequence[Request]], list[float]]
"""Fitness by request, -inf where a training did not complete."""


class Trainer:
    """Runs trainings in this process, and keeps what it has compiled.

    settings: of tasks, on top of what their names say (see `task_settings`).
    """

    def __init__(self, engine: Engine = "auto", settings: dict | None = None):
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


def flat_settings(settings: Mapping[str, Mapping[str, object]]) -> dict:
    """A config's settings by task, as a Trainer takes them."""
    return {
        f"{base_name(task)}.{key}": value
        for task, own in settings.items()
        for key, value in own.items()
    }


def base_name(task: str) -> str:
    """The task's name without preset and scale."""
    return task.partition("@")[0].partition(":")[0]


def purpose_of(task: str, split: str) -> str:
    """How a job says which task and split it asks for."""
    return json.dumps([task, split])


def _evaluate(job: Job, trainer: Trainer) -> list[Evaluation]:
    task, split = json.loads(job.purpose)
    program = parse(job.program)
    return [trainer.run(Request(program, task, seed, split)) for seed in job.seeds]


def _make(engine: Engine, settings: dict, tasks_file: str | None) -> Evaluate:
    if tasks_file is not None:
        load_tasks_file(tasks_file)
    return functools.partial(_evaluate, trainer=Trainer(engine, settings))


def factory(
    engine: Engine = "auto", settings: dict | None = None, tasks_file: str | None = None
) -> Factory:
    """For workers whose jobs' purposes are made by `purpose_of`."""
    return functools.partial(_make, engine, settings or {}, tasks_file)


@dataclass(slots=True)
class Progress:
    """How far it is; `expected` is a guess that whoever asks for scores keeps up to date."""

    done: int = 0  # trainings run by this process
    reused: int = 0  # trainings found in the store
    expected: int = 0
    started: float = 0.0

    def left_s(self) -> float:
        """Seconds that the trainings still expected will take, as those before did."""
        left = max(0, self.expected - self.done - self.reused)
        return left * (time.monotonic() - self.started) / self.done if self.done else math.nan


class Ledger:
    """A `Scorer` by way of a pool of workers that pays for each training once.

    What has arrived is committed to the store under its key (program, task, seed, split) before
    anyone uses it, so a killed process that starts again asks only for the rest.

    Args:
      fingerprint: task name -> what a fitness on it depends on; part of the key.
      show: called often with the progress; stopping: the signal that asks to
        stop, if any.
    """

    def __init__(
        self,
        pool: Pool,
        store: Store,
        fingerprint: Callable[[str], str],
        show: Callable[[Progress], None] = lambda _: None,
        stopping: Callable[[], int | None] = lambda: None,
    ):
        self.pool, self.store, self.progress = pool, store, Progress(started=time.monotonic())
        self.fingerprint, self._show, self._stopping = fingerprint, show, stopping
        self._known: dict[str, float] = {}
        self._jobs = 0
        prefix = KEY.format("", "", "", "")[: KEY.index("{")]
        for key, value in store.rows(
            "SELECT key, value FROM meta WHERE key >= ? AND key < ?", (prefix, prefix + "~")
        ):
            fitness = json.loads(value)["fitness"]
            self._known[key] = -math.inf if fitness is None else fitness

    def __call__(self, requests: Sequence[Request]) -> list[float]:
        """Raises Stopped when asked to stop; what has been paid for is in the store."""
        keys = [self.key(request) for request in requests]
        missing = {k: r for k, r in zip(keys, requests) if k not in self._known}
        self.progress.reused += len(set(keys) - set(missing))
        waiting: dict[int, str] = {}
        for key, request in missing.items():
            purpose = purpose_of(request.task, request.split)
            text = str(request.program)
            self.pool.submit(Job(self._jobs, purpose, text, (request.seed,)))
            waiting[self._jobs] = key
            self._jobs += 1
        while waiting:
            for result in self.pool.collect(WAIT_S):
                self._pay(waiting.pop(result.job.number), result.evaluations, result.failure)
            for kind, text in self.pool.events:
                self.store.add_event(kind, text)
            self.pool.events.clear()
            self.store.commit()
            self._show(self.progress)
            if signal := self._stopping():
                raise Stopped(signal)
        return [self._known[key] for key in keys]

    def key(self, request: Request) -> str:
        """Where the store keeps a training."""
        program = analyse(request.program).functional_hash.hex()
        return KEY.format(program, self.fingerprint(request.task), request.seed, request.split)

    def _pay(self, key: str, evaluations: Sequence[Evaluation], failure: str) -> None:
        if failure:
            evaluations = [Evaluation("", 0, -math.inf, Outcome.FAILED, 0)]
        (evaluation,) = evaluations
        finite = math.isfinite(evaluation.fitness)
        described = {
            "fitness": evaluation.fitness if finite else None,
            "outcome": evaluation.outcome.name,
            "task": evaluation.task,
            "steps": evaluation.steps,
            "seconds": round(evaluation.compile_seconds + evaluation.run_seconds, 4),
        }
        self.store.set_meta(key, json.dumps(described | ({"cause": failure} if failure else {})))
        self._known[key] = evaluation.fitness if finite else -math.inf
        self.progress.done += 1


KEY = "training {} {} {} {}"  # functional hash, task fingerprint, seed, split


def remembered(score: Scorer) -> Scorer:
    """The same, without training anything twice in this process."""
    known: dict[tuple, float] = {}

    def scored(requests: Sequence[Request]) -> list[float]:
        keys = [(analyse(r.program).functional_hash, r.task, r.seed, r.split) for r in requests]
        missing = {k: r for k, r in zip(keys, requests) if k not in known}
        known.update(zip(missing, score(list(missing.values()))))
        return [known[key] for key in keys]

    return scored
