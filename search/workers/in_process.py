"""One worker in the driver's process: without Ray, for one accelerator, tests and debugging.

It evaluates in a thread of its own, one job after the other and only while its results are waited
for: whoever collects can ask in between whether to stop, however long a training takes. In the main
thread a signal would wait for XLA to come back.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque

from search.config.machines import WorkerSettings
from search.evaluation.jobs import Factory, Job, Result, attempt_together, size_of

LOOK_S = 0.5  # how long a collection waits for a job at least, so that short ones end in theirs


class InProcess:
    """One worker in the driver's process: without Ray, for one accelerator, tests and debugging."""

    count = 1
    training = 0  # evaluations under way, of all pools of this process

    def __init__(self, factory: Factory, settings: WorkerSettings | None = None):
        self.busy_seconds = 0.0
        self.events: list[tuple[str, str]] = []
        self._batch_s = (settings or WorkerSettings()).batch_s
        self._evaluate = factory()
        self._size = size_of(self._evaluate)
        self._queue: deque[Job] = deque()
        self._sent: queue.SimpleQueue[list[Job] | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[list[Result] | BaseException] = queue.SimpleQueue()
        self._under_way = 0  # jobs
        threading.Thread(target=self._work, daemon=True).start()

    @property
    def outstanding(self) -> int:
        return len(self._queue) + self._under_way

    def submit(self, job: Job) -> None:
        self._queue.append(job)

    def collect(self, timeout_s: float) -> list[Result]:
        """Raises what an evaluation raises that is no Exception, such as KeyboardInterrupt."""
        if not timeout_s and not self._under_way and len(self._queue) < self._size > 1:
            return []  # there are more jobs to come, and a full batch costs hardly more
        begin = time.perf_counter()
        results: list[Result] = []
        while self.outstanding and (not results or time.perf_counter() - begin < self._batch_s):
            new = self._next(max(timeout_s, LOOK_S))
            if new is None:
                break
            results += new
        self.busy_seconds += time.perf_counter() - begin
        return results

    def _next(self, timeout_s: float) -> list[Result] | None:
        """The results of the jobs under way, or of the next; None: not within the time."""
        if not self._under_way:
            self._under_way = min(self._size, len(self._queue))
            self._sent.put([self._queue.popleft() for _ in range(self._under_way)])
        try:
            results = self._done.get(timeout=timeout_s)
        except queue.Empty:
            return None
        self._under_way = 0
        if isinstance(results, BaseException):
            raise results
        return results

    def _work(self) -> None:
        while jobs := self._sent.get():
            InProcess.training += 1
            try:
                results: list[Result] | BaseException = attempt_together(self._evaluate, jobs)
            except BaseException as error:
                results = error
            InProcess.training -= 1
            self._done.put(results)

    def close(self) -> None:
        self._queue.clear()
        self._sent.put(None)


def is_training() -> bool:
    """Whether this process still computes for a pool, closed or not."""
    return InProcess.training > 0
