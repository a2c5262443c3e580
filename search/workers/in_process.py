"""One worker in the driver's process: for tests, and to debug an evaluation.

It evaluates in a thread of its own, one job after the other and only while its results are waited
for: whoever collects can ask in between whether to stop, however long a training takes. In the main
thread a signal would wait for XLA to come back.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque

from search.config.settings import WorkerSettings
from search.evaluation.jobs import Factory, Job, Result, attempt

LOOK_S = 0.5  # how long a collection waits for a job at least, so that short ones end in theirs


class InProcess:
    """One worker in the driver's process: for tests, and to debug an evaluation."""

    count = 1
    training = 0  # jobs under way, of all pools of this process

    def __init__(self, factory: Factory, settings: WorkerSettings | None = None):
        self.busy_seconds = 0.0
        self.events: list[tuple[str, str]] = []
        self._batch_s = (settings or WorkerSettings()).batch_s
        self._evaluate = factory()
        self._queue: deque[Job] = deque()
        self._sent: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[Result | BaseException] = queue.SimpleQueue()
        self._is_busy = False
        threading.Thread(target=self._work, daemon=True).start()

    @property
    def outstanding(self) -> int:
        return len(self._queue) + self._is_busy

    def submit(self, job: Job) -> None:
        self._queue.append(job)

    def collect(self, timeout_s: float) -> list[Result]:
        """Raises what an evaluation raises that is no Exception, such as KeyboardInterrupt."""
        begin = time.perf_counter()
        results: list[Result] = []
        while self.outstanding and (not results or time.perf_counter() - begin < self._batch_s):
            result = self._next(max(timeout_s, LOOK_S))
            if result is None:
                break
            results.append(result)
        self.busy_seconds += time.perf_counter() - begin
        return results

    def _next(self, timeout_s: float) -> Result | None:
        """The result of the job under way, or of the next; None: not within the time."""
        if not self._is_busy:
            self._is_busy = True
            self._sent.put(self._queue.popleft())
        try:
            result = self._done.get(timeout=timeout_s)
        except queue.Empty:
            return None
        self._is_busy = False
        if isinstance(result, BaseException):
            raise result
        return result

    def _work(self) -> None:
        while job := self._sent.get():
            InProcess.training += 1
            try:
                result: Result | BaseException = attempt(self._evaluate, job)
            except BaseException as error:
                result = error
            InProcess.training -= 1
            self._done.put(result)

    def close(self) -> None:
        self._queue.clear()
        self._sent.put(None)


def is_training() -> bool:
    """Whether this process still computes for a pool, closed or not."""
    return InProcess.training > 0
