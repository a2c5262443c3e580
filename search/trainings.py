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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from programs import Program, analyse, parse
from search.jobs import Evaluate, Factory, Job, Pool, Stopped
from search.scores import Evaluation, Outcome
from search.settings import Engine
from search.store import Store

SEARCH, META = "search_validation", "meta_validation"  # splits
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


def scale_of(task: str) -> float:
    """The scale in a task's name."""
    return float(task.partition("@")[2] or 1)


def purpose_of(task: str, split: str) -> str:
    """How a job says which task and split it asks for."""
    return json.dumps([task, split])


def _evaluate(job: Job, run: Callable[[Request], Evaluation]) -> list[Evaluation]:
    task, split = json.loads(job.purpose)
    program = parse(job.program)
    return [run(Request(program, task, seed, split)) for seed in job.seeds]


def _make(engine: Engine, settings: dict, tasks_file: str | None) -> Evaluate:
    from search.trainer import Trainer  # JAX is for workers

    return functools.partial(_evaluate, run=Trainer(engine, settings, tasks_file).run)


def factory(
    engine: Engine = "auto", settings: dict | None = None, tasks_file: str | None = None
) -> Factory:
    """For workers whose jobs' purposes are made by `purpose_of`."""
    return functools.partial(_make, engine, settings or {}, tasks_file)


class Expected(NamedTuple):
    """How much is to be done."""

    trainings: int
    compute: float  # the same in trainings at scale 1


@dataclass(slots=True)
class Progress:
    """How far it is; `expected` is a guess that whoever asks for scores keeps up to date."""

    done: int = 0  # trainings run by this process
    reused: int = 0  # trainings found in the store
    expected: Expected | None = None  # None: not known
    compute_done: float = 0.0  # of the trainings run, in trainings at scale 1
    compute_reused: float = 0.0
    started: float = 0.0

    def left_s(self) -> float:
        """Seconds that what is still expected will take, by its compute."""
        if self.expected is None or not self.compute_done:
            return math.nan
        left = max(0.0, self.expected.compute - self.compute_done - self.compute_reused)
        return left * (time.monotonic() - self.started) / self.compute_done


class Ledger:
    """A `Scorer` by way of a pool of workers that pays for each training once.

    What has arrived is committed to the store under its key (program, task, seed, split) before
    anyone uses it, so a killed process that starts again asks only for the rest, and once more for
    what failed for a lost worker or a time limit: that may have been the machine's doing.

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
            found = json.loads(value)
            if found["outcome"] != Outcome.FAILED.name:
                self._known[key] = -math.inf if found["fitness"] is None else found["fitness"]

    def __call__(self, requests: Sequence[Request]) -> list[float]:
        """Raises Stopped when asked to stop; what has been paid for is in the store."""
        keys = [self.key(request) for request in requests]
        missing = {k: r for k, r in zip(keys, requests) if k not in self._known}
        reused = {k: r for k, r in zip(keys, requests) if k not in missing}
        self.progress.reused += len(reused)
        self.progress.compute_reused += sum(scale_of(r.task) for r in reused.values())
        waiting: dict[int, str] = {}
        for key, request in missing.items():
            purpose = purpose_of(request.task, request.split)
            text = str(request.program)
            self.pool.submit(Job(self._jobs, purpose, text, (request.seed,)))
            waiting[self._jobs] = key
            self._jobs += 1
        while waiting:
            for result in self.pool.collect(WAIT_S):
                key = waiting.pop(result.job.number)
                self._pay(key, result.evaluations, result.failure)
                self.progress.done += 1
                self.progress.compute_done += scale_of(missing[key].task)
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
