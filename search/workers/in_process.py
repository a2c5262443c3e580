"""One worker in the driver's process: without Ray, for one accelerator, tests and debugging."""

from __future__ import annotations

import time
from collections import deque

from search.config.settings import WorkerSettings
from search.evaluation.jobs import Factory, Job, Result, attempt_together, size_of


class InProcess:
    """One worker in the driver's process: without Ray, for one accelerator, tests and debugging."""

    count = 1

    def __init__(self, factory: Factory, settings: WorkerSettings | None = None):
        self.busy_seconds = 0.0
        self.events: list[tuple[str, str]] = []
        self._batch_s = (settings or WorkerSettings()).batch_s
        self._evaluate = factory()
        self._size = size_of(self._evaluate)
        self._queue: deque[Job] = deque()

    @property
    def outstanding(self) -> int:
        return len(self._queue)

    def submit(self, job: Job) -> None:
        self._queue.append(job)

    def collect(self, timeout_s: float) -> list[Result]:
        if not timeout_s and len(self._queue) < self._size > 1:
            return []  # there are more jobs to come, and a full batch costs hardly more
        begin = time.perf_counter()
        results: list[Result] = []
        while self._queue and (not results or time.perf_counter() - begin < self._batch_s):
            jobs = [self._queue.popleft() for _ in range(min(self._size, len(self._queue)))]
            results += attempt_together(self._evaluate, jobs)
        self.busy_seconds += time.perf_counter() - begin if results else 0.0
        return results

    def close(self) -> None:
        self._queue.clear()
