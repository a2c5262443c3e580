"""Trainings by way of a pool of workers, each paid for once."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from search.evaluation.fitness import Evaluation, Outcome
from search.evaluation.jobs import Job, Purpose, Result
from search.evaluation.request import Request, Scorer, scale_of
from search.selection.objective import Expected
from search.stopping import Stopped, deferred
from search.storage.queries import trainings
from search.storage.schema import TrainingRow
from search.storage.store import Store
from search.workers.pool import Pool

WAIT_S = 0.2  # longest wait for a worker, so that a signal is noticed


@dataclass(slots=True)
class Progress:
    """How far the present phase is."""

    phase: str = ""
    expected: Expected | None = None  # at most, in this phase; None: not known
    done: int = 0  # trainings run in this phase
    reused: int = 0  # trainings found in the store
    compute_done: float = 0.0  # of the trainings run, in trainings at scale 1
    compute_reused: float = 0.0
    started: float = field(default_factory=time.monotonic)

    def begin(self, phase: str, expected: Expected | None = None) -> None:
        """A new phase, of which nothing is done."""
        self.phase, self.expected = phase, expected
        self.done = self.reused = 0
        self.compute_done = self.compute_reused = 0.0
        self.started = time.monotonic()

    def left_s(self) -> float:
        """Seconds that the rest of the phase takes at most, by its compute; NaN: not known."""
        if self.expected is None or not self.compute_done:
            return math.nan
        left = max(0.0, self.expected.compute - self.compute_done - self.compute_reused)
        return left * (time.monotonic() - self.started) / self.compute_done


class Key(NamedTuple):
    """What a training's fitness depends on."""

    program: str  # see Request.program_key
    fingerprint: str  # of the task, its data and engine
    seed: int
    split: str


class Ledger:
    """A `Scorer` by way of a pool of workers that pays for each training once.

    What has arrived is committed to the store under its key (program, task, seed, split) before
    anyone uses it, so a killed process that starts again asks only for the rest, and once more for
    what failed for a lost worker or a time limit: that may have been the machine's doing.

    Args:
      fingerprint: task name -> what a fitness on it depends on; part of the key.
      again: whether that is so; what others have begun with must stay as it was.
      show: called often with the progress; stopping: the signal that asks to
        stop, if any.
    """

    def __init__(
        self,
        pool: Pool,
        store: Store,
        *,
        fingerprint: Callable[[str], str],
        again: bool = True,
        show: Callable[[Progress], None] = lambda _: None,
        stopping: Callable[[], int | None] = lambda: None,
    ):
        self.pool, self.store, self.progress = pool, store, Progress()
        self.fingerprint, self._show, self._stopping = fingerprint, show, stopping
        self._jobs = 0
        self._known = {
            Key(row.program, row.fingerprint, row.seed, row.split): row.fitness
            for row in trainings(store)
            if row.outcome != Outcome.FAILED.name or not again
        }
        self._earlier: dict[Key, str | None] = dict.fromkeys(self._known)  # phase that last asked

    def __call__(self, requests: Sequence[Request]) -> list[float]:
        """Raises Stopped when asked to stop; what has been paid for is in the store."""
        if signal := self._stopping():
            raise Stopped(signal)
        keys = [self.key(request) for request in requests]
        missing = {k: r for k, r in zip(keys, requests) if k not in self._known}
        reused = {k: r for k, r in zip(keys, requests) if k not in missing}
        self._reuse(reused)
        waiting: dict[int, Key] = {}
        for key, request in missing.items():
            self.pool.submit(Job(self._jobs, Purpose.TRAINING, (request,)))
            waiting[self._jobs] = key
            self._jobs += 1
        with deferred(self._stopping):
            self._wait(waiting, missing)
        return [self._known[key] for key in keys]

    def _wait(self, waiting: dict[int, Key], missing: Mapping[Key, Request]) -> None:
        """Until what was submitted has arrived; waiting: keys by number of the job."""
        while waiting:
            for result in self.pool.collect(WAIT_S):
                key = waiting.pop(result.job.number)
                self._pay(key, missing[key].task, result)
                self.progress.done += 1
                self.progress.compute_done += scale_of(missing[key].task)
            for kind, text in self.pool.events:
                self.store.add_event(kind, text)
            self.pool.events.clear()
            self.store.commit()
            self._show(self.progress)
            if signal := self._stopping():
                raise Stopped(signal)

    def _reuse(self, requests: Mapping[Key, Request]) -> None:
        """Counts trainings that earlier processes paid for, each once in a phase."""
        for key, request in requests.items():
            if self._earlier.get(key, self.progress.phase) != self.progress.phase:
                self._earlier[key] = self.progress.phase
                self.progress.reused += 1
                self.progress.compute_reused += scale_of(request.task)

    def key(self, request: Request) -> Key:
        """By what the store finds a training."""
        fingerprint = self.fingerprint(request.task)
        return Key(request.program_key, fingerprint, request.seed, request.split)

    def _pay(self, key: Key, task: str, result: Result) -> None:
        """Keeps a training in the store, also one whose worker failed."""
        if result.failure:
            evaluation = Evaluation(task, key.seed, -math.inf, Outcome.FAILED, 0)
        else:
            (evaluation,) = result.evaluations
        fitness = evaluation.fitness if math.isfinite(evaluation.fitness) else -math.inf
        self._known[key] = fitness
        self.store.add(
            TrainingRow(
                *key,
                task=task,
                fitness=fitness,
                outcome=evaluation.outcome.name,
                steps=evaluation.steps,
                seconds=evaluation.compile_seconds + evaluation.run_seconds,
                cause=result.failure,
            )
        )


def remembered(score: Scorer) -> Scorer:
    """The same, without training anything twice in this process."""
    known: dict[tuple[str, str, int, str], float] = {}

    def scored(requests: Sequence[Request]) -> list[float]:
        keys = [(r.program_key, r.task, r.seed, r.split) for r in requests]
        missing = {k: r for k, r in zip(keys, requests) if k not in known}
        known.update(zip(missing, score(list(missing.values()))))
        return [known[key] for key in keys]

    return scored
