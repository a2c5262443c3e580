"""Trainings by way of a pool of workers, each paid for once."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from search.evaluation.fitness import Evaluation, Outcome
from search.evaluation.jobs import Job, Purpose
from search.evaluation.request import Request, Scorer, scale_of
from search.stopping import Stopped
from search.storage.store import Store
from search.workers.pool import Pool

WAIT_S = 0.2  # longest wait for a worker, so that a signal is noticed


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
            self.pool.submit(Job(self._jobs, Purpose.TRAINING, (request,)))
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
        program = request.program_key
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
        keys = [(r.program_key, r.task, r.seed, r.split) for r in requests]
        missing = {k: r for k, r in zip(keys, requests) if k not in known}
        known.update(zip(missing, score(list(missing.values()))))
        return [known[key] for key in keys]

    return scored
