"""Which jobs run together, which again, and which is to blame: policy, without Ray.

When a batch fails, its jobs are retried one at a time. A job counts as failed only after failing
alone more than `retries` times, so that a lost machine never marks a program as failed. Alone means
that nothing waits behind it either: a job that kills its process takes along the results before it
that are still on their way.

A hanging job costs its limit once: a first attempt is given up early, for it is far beyond what
jobs take, and a job that was late before fails when it is late again, alone and with the whole
limit.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass

from search.evaluation.jobs import Job, Purpose, Result

AHEAD = 2  # batches per worker in flight: one runs, one waits
FIRST_LIMIT_S, FIRST_LIMIT_MEANS = 60.0, 300.0  # of a first attempt: seconds, or mean durations


Key = tuple[int, Purpose, tuple[int, ...]]  # of a job: individual, purpose, seeds


@dataclass(frozen=True, slots=True)
class Batch:
    """Jobs that are sent to a worker in one call."""

    jobs: tuple[Job, ...]
    suspect: bool  # a job that failed before, or whose batch did
    limit_s: float = math.inf  # of each job, wall-clock


class Batches:
    """The queue of jobs, the suspects among them, and the results.

    Args:
      workers: how many share the queue.
      batch_s: how long a batch should last, in seconds.
      retries: how often a job that fails alone is tried again before it counts as failed.
      timeout_s: wall-clock limit of a job, or of those that are evaluated together.
      together: how many jobs a worker evaluates side by side; it is sent as many, if there are.
      events: gets the kind and text of each failure.
    """

    def __init__(
        self,
        workers: int,
        *,
        batch_s: float,
        retries: int,
        timeout_s: float,
        events: list[tuple[str, str]],
        together: int = 1,
    ):
        self.workers, self.batch_s, self.retries = workers, batch_s, retries
        self.timeout_s, self.events, self.together = timeout_s, events, together
        self.mean_s = 0.0  # of a job, recent ones weighing most; 0: none yet
        self._queue: deque[Job] = deque()
        self._suspects: deque[Job] = deque()
        self._failures: Counter[Key] = Counter()  # alone
        self._late: Counter[Key] = Counter()  # over the limit, alone or not
        self._done: list[Result] = []

    @property
    def has_results(self) -> bool:
        return bool(self._done)

    def submit(self, job: Job) -> None:
        self._queue.append(job)

    def next(self, running: Batch | None, *, more_to_come: bool = False) -> Batch | None:
        """The next batch for a worker, if there is one that may be sent to it.

        A suspect goes to an idle worker with nothing behind it; so that one falls idle, nothing is
        sent ahead while suspects wait.

        running: the batch that the worker already has; more_to_come: whether further jobs are
          about to be submitted, so that what is evaluated together waits until it is full.
        """
        if running is not None and (self._suspects or running.suspect):
            return None
        if self._suspects:
            return Batch((self._suspects.popleft(),), suspect=True, limit_s=self.timeout_s)
        fair = math.ceil(len(self._queue) / (AHEAD * self.workers))
        fitting = math.ceil(self.batch_s / self.mean_s) if self.mean_s else 1
        size = min(fair, fitting, len(self._queue))
        if self.together > 1:
            if more_to_come and len(self._queue) < self.together:
                return None
            share = math.ceil(len(self._queue) / self.workers)
            size = max(size, min(share, self.together))
        jobs = tuple(self._queue.popleft() for _ in range(size))
        return Batch(jobs, suspect=False, limit_s=self._first_limit_s()) if jobs else None

    def _first_limit_s(self) -> float:
        if not self.mean_s or self.together > 1:
            return self.timeout_s
        return min(self.timeout_s, max(FIRST_LIMIT_S, FIRST_LIMIT_MEANS * self.mean_s))

    def returned(self, results: Sequence[Result], seconds: float) -> None:
        """A batch has come back, after so many seconds of work."""
        mean = seconds / len(results)
        self.mean_s = 0.8 * self.mean_s + 0.2 * mean if self.mean_s else mean
        for result in results:
            if result.failure:
                self._suspect(result.job, result.failure, alone=True)
            else:
                self._done.append(result)

    def lost(
        self, batches: Sequence[Batch], why: str, *, late: bool = False, with_all: bool = False
    ) -> None:
        """A worker is gone: the batch that ran is suspect, those that waited are not.

        Unless it was late, it may have been done, and one that waited the culprit. If it was lost
        with all others, a job is charged only where it was suspect before.
        """
        running, *waiting = batches
        for batch in reversed(waiting):
            self._queue.extendleft(reversed(batch.jobs))
        whole = running.limit_s >= self.timeout_s
        alone = len(running.jobs) == 1 and (whole if late else not waiting)
        alone &= running.suspect or not with_all
        for job in running.jobs:
            self._late[_key(job)] += late
            again = self._late[_key(job)] > 1
            self._suspect(job, why, alone=alone, last=late and alone and again)

    def collect(self) -> list[Result]:
        """The results since the last call."""
        done, self._done = self._done, []
        return done

    def _suspect(self, job: Job, why: str, *, alone: bool, last: bool = False) -> None:
        """last: it has no retries left."""
        self._failures[_key(job)] += alone
        failed = last or self._failures[_key(job)] > self.retries
        self.events.append(("failed" if failed else "retry", f"individual {job.number}: {why}"))
        if failed:
            self._done.append(Result(job, (), why))
        else:
            self._suspects.append(job)


def _key(job: Job) -> Key:
    return job.number, job.purpose, job.seeds
