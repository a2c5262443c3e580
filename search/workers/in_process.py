"""One worker in the driver's process: for tests, and to debug an evaluation."""

from __future__ import annotations

import time
from collections import deque

from search.config.settings import WorkerSettings
from search.evaluation.jobs import Factory, Job, Result, attempt


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
