"""What the driver asks of workers and what comes back; and a worker without Ray, in process."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from search.hurdles import Thresholds
from search.scores import Evaluation
from search.settings import WorkerSettings


class Stopped(BaseException):
    """The search was asked to stop, by this signal; all that was told is in the store.

    As KeyboardInterrupt, it is no Exception, so that nobody takes it for a failure.
    """


class Failing(RuntimeError):
    """What fails is not the programs: one line with the cause."""


@dataclass(frozen=True, slots=True)
class Job:
    """One program to evaluate."""

    number: int  # of the individual
    purpose: str  # search, audit or rescore
    program: str
    seeds: tuple[int, ...]
    thresholds: Thresholds = ()


@dataclass(frozen=True, slots=True)
class Result:
    """A job's evaluations, or why there are none."""

    job: Job
    evaluations: tuple[Evaluation, ...]
    failure: str = ""


Evaluate = Callable[[Job], Sequence[Evaluation]]
Factory = Callable[[], Evaluate]  # called once in each worker; holds the compiled trainings


class Pool(Protocol):
    """Workers that evaluate jobs, in any order."""

    count: int  # workers
    busy_seconds: float  # spent evaluating, over all workers
    events: list[tuple[str, str]]  # kind and text of what went wrong since last read

    @property
    def outstanding(self) -> int:
        """Jobs submitted and not collected."""
        ...

    def submit(self, job: Job) -> None: ...

    def collect(self, timeout_s: float) -> list[Result]:
        """Results that have arrived, or that arrive within the time."""
        ...

    def close(self) -> None: ...


def attempt(evaluate: Evaluate, job: Job) -> Result:
    """A job's result; whatever a program brings about is its own failure."""
    try:
        return Result(job, tuple(evaluate(job)))
    except Exception as error:
        text = f"{type(error).__name__}: {str(error)[:200]}".splitlines()[0]
        return Result(job, (), text)


class InProcess:
    """One worker in the driver's process: for tests, and to debug an evaluation."""

    count = 1

    def __init__(self, factory: Factory, settings: WorkerSettings | None = None):
        self.busy_seconds = 0.0
        self.events: list[tuple[str, str]] = []
        self._batch_s = (settings or WorkerSettings()).batch_s
        self._evaluate = factory()
        self._queue: deque[Job] = deque()

    @property
    def outstanding(self) -> int:
        return len(self._queue)

    def submit(self, job: Job) -> None:
        self._queue.append(job)

    def collect(self, timeout_s: float) -> list[Result]:
        begin = time.perf_counter()
        results: list[Result] = []
        while self._queue and (not results or time.perf_counter() - begin < self._batch_s):
            results.append(attempt(self._evaluate, self._queue.popleft()))
        self.busy_seconds += time.perf_counter() - begin if results else 0.0
        return results

    def close(self) -> None:
        self._queue.clear()
