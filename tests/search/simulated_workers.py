"""Workers in simulated time: no processes and no waiting, whatever their number.

The clock goes on only while the driver waits for results, so a simulation depends on nothing but
its seed; with `driver_time` the driver's own work takes its time, too.
"""

from __future__ import annotations

import heapq
import math
import random
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from search.evaluation.jobs import Evaluate, Job, Result

TICK_S = 0.02  # between two looks at the workers, as POLL_S of search/evolution/driver.py


class Running(NamedTuple):
    """An evaluation under way; the one that ends first sorts first."""

    end: float  # of the simulation, in seconds
    order: int  # of starting
    begin: float
    job: Job


class SimulatedWorkers:
    """A pool of workers; an evaluation takes what `duration` draws, in simulated seconds.

    As real ones, a worker has its next job at hand, so it waits only where the queue is empty.
    """

    def __init__(
        self,
        count: int,
        duration: Callable[[random.Random], float],
        *,
        evaluate: Evaluate,
        driver_time: Callable[[], float] = lambda: 0.0,
        seed: int = 0,
    ):
        """driver_time: seconds that the driver has worked; 0: it is infinitely fast."""
        self.count, self.now = count, 0.0
        self.events: list[tuple[str, str]] = []
        self.started, self.longest_s = 0, 0.0  # evaluations
        self.spent = 0.0  # CPU seconds that the simulation took
        self._ended_seconds = 0.0
        self._duration, self._evaluate, self._driver_time = duration, evaluate, driver_time
        self._random, self._seen = random.Random(seed), driver_time()
        self._queue: deque[Job] = deque()
        self._running: list[Running] = []
        self._ended: list[Job] = []

    @property
    def outstanding(self) -> int:
        return len(self._queue) + len(self._running) + len(self._ended)

    @property
    def busy_seconds(self) -> float:
        running = sum(min(self.now, running.end) - running.begin for running in self._running)
        return self._ended_seconds + running

    def submit(self, job: Job) -> None:
        self._queue.append(job)
        if len(self._running) < self.count:
            self._start(self.now)

    def collect(self, timeout_s: float) -> list[Result]:
        begin = time.process_time()
        self._go_to(self.now + self._driver_time() - self._seen)
        if timeout_s and self._running and not self._ended:
            self._go_to(max(self._running[0].end, self.now + TICK_S))
        results = [Result(job, tuple(self._evaluate(job))) for job in self._ended]
        self._ended.clear()
        self.spent += time.process_time() - begin
        self._seen = self._driver_time()  # without the simulation's
        return results

    def close(self) -> None:
        self._queue.clear()

    def _go_to(self, moment: float) -> None:
        while self._running and self._running[0].end <= moment:
            end, _, begin, job = heapq.heappop(self._running)
            self._ended_seconds += end - begin
            self._ended.append(job)
            if self._queue:
                self._start(end)
        self.now = max(self.now, moment)

    def _start(self, moment: float) -> None:
        takes = self._duration(self._random)
        self.started += 1
        self.longest_s = max(self.longest_s, takes)
        running = Running(moment + takes, self.started, moment, self._queue.popleft())
        heapq.heappush(self._running, running)


def log_normal(mean_s: float, sigma: float = 1.0) -> Callable[[random.Random], float]:
    """Durations whose logarithm is normal."""
    location = math.log(mean_s) - sigma**2 / 2
    return lambda rng: rng.lognormvariate(location, sigma)


def pareto(mean_s: float, exponent: float = 2.5) -> Callable[[random.Random], float]:
    """Durations with a power law's tail: P(X > x) falls as x to the power of -exponent."""
    shortest = mean_s * (exponent - 1) / exponent
    return lambda rng: shortest * rng.paretovariate(exponent)


def at_most(limit_s: float, duration: Callable[[random.Random], float]):
    """The same with a time limit, after which a worker is killed."""
    return lambda rng: min(limit_s, duration(rng))
