"""Ray workers: one process per core, disposable; the driver owns deadlines, retries and blame.

A worker that hangs is killed: by itself (faulthandler, which needs no GIL), else by the driver. The
jobs of a batch that fails are run again one by one, so that only the culprit is charged, and only
after it failed alone more than `retries` times, so that a lost machine blames nobody. Alone means
that nothing waits behind it either: a job that kills its process takes along the results before it
that are still on their way.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import sys
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from search.config.settings import WorkerSettings
from search.evaluation.jobs import Factory, Job, Result
from search.evaluation.threads import SINGLE_THREADED
from search.workers.in_process import InProcess
from search.workers.pool import Pool
from search.workers.process import Worker
from search.workers.ray_cluster import ClusterLost, WorkerError, cause, connect, descendants, knock

START_S = 300.0  # a worker must be ready within this time
GRACE_S = 4.0  # what a worker gets beyond its limit before the driver kills it
START_FAILURES = 3  # failed starts in a row that end the search
AHEAD = 2  # batches per worker in flight: one runs, one waits

_COMPILED = {  # one worker's compilations spare the others theirs, and the next run's
    "JAX_COMPILATION_CACHE_DIR": str(Path("~/.cache/update-rule-search/xla").expanduser()),
    "JAX_COMPILATION_CACHE_MAX_SIZE": str(2**30),
}
_RAY_ENVIRONMENT = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # keeps all of Ray's listeners on loopback
    "RAY_task_events_report_interval_ms": "0",  # else the GCS grows with every call
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    # Ray's own 15 starves workers beside any other busy process, until they are over their limits.
    "RAY_worker_niceness": "0",
}


def make_pool(factory: Factory, settings: WorkerSettings) -> Pool:
    """The pool that `workers.address` names."""
    if settings.address == "in_process":
        return InProcess(factory, settings)
    return RayWorkers(factory, settings)


@dataclass(slots=True)
class Batch:
    """Jobs that were sent to a worker in one call."""

    jobs: list[Job]
    suspect: bool  # a job that failed before, or whose batch did
    call: Any  # Ray's reference to the coming results
    limit_s: float
    begun: float = math.inf  # set when it begins, and the deadline with it
    deadline: float = math.inf


@dataclass(slots=True)
class Seat:
    """A place for a worker; when one dies, the next takes its place."""

    index: int
    actor: Any = None
    ready: Any = None  # Ray's reference to the end of its start; None: it has started
    ready_by: float = 0.0
    batches: deque[Batch] = field(default_factory=deque)


class RayWorkers:
    """A pool of Ray actors."""

    def __init__(self, factory: Factory, settings: WorkerSettings):
        self.settings, self.factory = settings, factory
        self.busy_seconds = 0.0
        self.events: list[tuple[str, str]] = []
        self.outstanding = 0
        self._queue: deque[Job] = deque()
        self._suspects: deque[Job] = deque()  # to be run alone
        self._failures: Counter[tuple[int, str, tuple[int, ...]]] = Counter()
        self._done: list[Result] = []
        self._mean_s = 0.0  # of an evaluation; 0: none yet
        self._bad_starts = 0
        self._seats: list[Seat] = []
        self._checked, self._lost = time.monotonic(), False
        self._ray = _import_ray(settings)
        self._started = connect(self._ray, settings)
        self._gcs = self._ray.get_runtime_context().gcs_address
        try:
            self.count = self._fitting()
        except WorkerError:
            self.close()
            raise
        self._actor_class = self._ray.remote(
            num_cpus=settings.cpus, num_gpus=settings.gpus, max_restarts=0, max_task_retries=0
        )(Worker)
        self._seats = [Seat(index) for index in range(self.count)]
        for seat in self._seats:
            self._hire(seat)

    def _fitting(self) -> int:
        """How many workers there will be: as many as are wanted and find room."""
        shares = {"CPU": self.settings.cpus, "GPU": self.settings.gpus}
        shares = {name: share for name, share in shares.items() if share}
        nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        room = sum(
            min(
                (int(node.get(name, 0) / share + 1e-6) for name, share in shares.items()), default=1
            )
            for node in nodes
        )
        wanted = self.settings.count or max(room, 1)
        if shares and room < wanted:
            most = {name: max([0.0, *(node.get(name, 0.0) for node in nodes)]) for name in shares}
            said = f"each needs {_listed(shares)}; the most that a machine has is {_listed(most)}"
            if not room:
                raise WorkerError(f"there is no room for a worker: {said}")
            self.events.append(("worker", f"room for {room} of {wanted} workers: {said}"))
            print(f"warning: {self.events[-1][1]}", file=sys.stderr)
        return min(wanted, room) if shares else wanted

    def submit(self, job: Job) -> None:
        self.outstanding += 1
        self._queue.append(job)

    def collect(self, timeout_s: float) -> list[Result]:
        self._send()
        ready = self._ready(0.0 if self._done else timeout_s)
        self._check_cluster()
        for seat in self._seats:
            self._look_after(seat, ready)
        self._send()
        done, self._done = self._done, []
        self.outstanding -= len(done)
        return done

    def _ready(self, timeout_s: float) -> set[Any]:
        """The calls that have ended, at least one if one does within the time."""
        calls = [seat.ready for seat in self._seats if seat.ready is not None]
        calls += [seat.batches[0].call for seat in self._seats if seat.batches and not seat.ready]
        if not calls:
            time.sleep(timeout_s)
            return set()
        try:
            ready, waiting = self._ray.wait(calls, num_returns=1, timeout=timeout_s)
            if ready and waiting:
                ready += self._ray.wait(waiting, num_returns=len(waiting), timeout=0)[0]
        except Exception as error:  # any error here is Ray's own
            self._lost = True
            raise ClusterLost(f"Ray is lost: {cause(error)}") from error
        return set(ready)

    def close(self) -> None:
        """Ends the workers and, if it was started here, Ray."""
        if self._lost:  # a call to Ray may wait for ever, and its agents outlive it by a minute
            for process in descendants(os.getpid()) if self._started else ():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            return
        for seat in self._seats:
            self._kill(seat)
        if self._started:
            self._ray.shutdown()

    # Seats

    def _hire(self, seat: Seat) -> None:
        pinned = seat.index if self._fills_the_machine else None
        environment = _environment(self.settings)
        seat.actor = self._actor_class.remote(environment, pinned, self.settings.memory_gb)
        seat.ready = seat.actor.start.remote(self.factory)
        seat.ready_by = time.monotonic() + START_S

    def _kill(self, seat: Seat) -> None:
        try:
            self._ray.kill(seat.actor, no_restart=True)
        except Exception as error:  # it may be dead already, or Ray may be
            self.events.append(("worker", f"could not be killed: {type(error).__name__}"))

    @property
    def _fills_the_machine(self) -> bool:
        """Fewer workers are not pinned: another search would choose the same cores."""
        alone = self.settings.address == "local" and self.settings.cpus == 1
        return alone and self.count >= len(os.sched_getaffinity(0))

    def _look_after(self, seat: Seat, ready: set[Any]) -> None:
        """Takes in what has arrived; replaces a worker that died or is late."""
        now = time.monotonic()
        if seat.ready is not None:
            self._look_after_start(seat, seat.ready in ready, now)
        elif seat.batches and seat.batches[0].call in ready:
            try:
                results, seconds = self._ray.get(seat.batches[0].call)
            except self._ray.exceptions.RayError as error:
                batch = seat.batches[0]  # a worker ends itself when a job is over the limit
                late = now - batch.begun > batch.limit_s
                self._lose(seat, _over(batch.limit_s) if late else cause(error), late)
                return
            batch = seat.batches.popleft()
            self._begin(seat)
            self._take(batch, results, seconds)
        elif seat.batches and now > seat.batches[0].deadline:
            self._lose(seat, _over(seat.batches[0].limit_s), late=True)

    def _look_after_start(self, seat: Seat, is_ready: bool, now: float) -> None:
        error: Exception = TimeoutError(f"no worker was ready within {START_S:.0f} s")
        if is_ready:
            try:
                self._ray.get(seat.ready)
            except self._ray.exceptions.RayError as caught:
                error = caught
            else:
                seat.ready = None
                self._bad_starts = 0
                return
        elif now < seat.ready_by:
            return
        elif any(other.ready is None for other in self._seats):
            seat.ready_by = now + START_S
            self.events.append(("worker", "waits for room, while others work"))
            return
        self._bad_starts += 1
        self.events.append(("worker", f"did not start: {cause(error)}"))
        if self._bad_starts >= START_FAILURES:
            raise WorkerError(f"workers cannot start: {cause(error)}")
        self._kill(seat)
        self._hire(seat)

    def _take(self, batch: Batch, results: Sequence[Result], seconds: float) -> None:
        self.busy_seconds += seconds
        mean = seconds / len(results)
        self._mean_s = 0.8 * self._mean_s + 0.2 * mean if self._mean_s else mean
        for result in results:
            if result.failure:
                self._suspect(result.job, result.failure, alone=True)
            else:
                self._done.append(result)

    def _lose(self, seat: Seat, why: str, late: bool) -> None:
        """The worker is gone: the batch that ran is suspect, those that waited are not.

        Unless it was late, it may have been done, and one that waited the culprit.
        """
        self.events.append(("worker", f"lost: {why}"))
        self._kill(seat)
        running, *waiting = seat.batches
        for batch in reversed(waiting):
            self._queue.extendleft(reversed(batch.jobs))
        for job in running.jobs:
            self._suspect(job, why, alone=len(running.jobs) == 1 and (late or not waiting))
        seat.batches.clear()
        self._hire(seat)

    def _suspect(self, job: Job, why: str, alone: bool) -> None:
        key = job.number, job.purpose, job.seeds
        self._failures[key] += alone
        if self._failures[key] > self.settings.retries:
            self.events.append(("failed", f"individual {job.number}: {why}"))
            self._done.append(Result(job, (), why))
        else:
            self.events.append(("retry", f"individual {job.number}: {why}"))
            self._suspects.append(job)

    # Batches

    def _send(self) -> None:
        """Gives every worker that has too little to do the next batch.

        A suspect goes to an idle worker with nothing behind it; so that one falls idle, nothing is
        sent ahead while suspects wait.
        """
        for ahead in range(AHEAD):
            for seat in self._seats:
                if seat.ready is not None or len(seat.batches) > ahead:
                    continue
                if seat.batches and (self._suspects or seat.batches[0].suspect):
                    continue
                suspect = bool(self._suspects)
                if jobs := [self._suspects.popleft()] if suspect else self._next():
                    limit = self.settings.timeout_s
                    call = seat.actor.run.remote(jobs, limit)
                    seat.batches.append(Batch(jobs, suspect, call, limit))
                    if len(seat.batches) == 1:
                        self._begin(seat)

    def _next(self) -> list[Job]:
        """The next batch of the queue."""
        fair = math.ceil(len(self._queue) / (AHEAD * self.count))
        fitting = math.ceil(self.settings.batch_s / self._mean_s) if self._mean_s else 1
        return [self._queue.popleft() for _ in range(min(fair, fitting, len(self._queue)))]

    def _begin(self, seat: Seat) -> None:
        """Starts the clock of the batch that now runs."""
        if seat.batches:
            batch = seat.batches[0]
            others = 4 * self._mean_s * (len(batch.jobs) - 1)
            batch.begun = time.monotonic()
            batch.deadline = batch.begun + batch.limit_s + GRACE_S + others

    def _check_cluster(self) -> None:
        """Ray ends this process 60 s after its GCS died, without a word: notice it before."""
        if time.monotonic() - self._checked < 5.0:
            return
        self._checked = time.monotonic()
        try:
            knock(self._gcs)
        except (OSError, ValueError) as error:
            self._lost = True
            raise ClusterLost(f"Ray's control service at {self._gcs} is gone: {error}") from error


def _environment(settings: WorkerSettings) -> dict[str, str]:
    platform = {} if settings.gpus else {"JAX_PLATFORMS": "cpu"}
    return {**SINGLE_THREADED, **platform, **_COMPILED}


def _import_ray(settings: WorkerSettings) -> Any:
    """Ray's modules; what it reads from the environment is set before."""
    for name, value in {**_environment(settings), **_RAY_ENVIRONMENT}.items():
        os.environ.setdefault(name, value)
    import ray
    import ray.exceptions

    return ray


def _over(limit_s: float) -> str:
    return f"over its limit of {limit_s:g} s (workers.timeout_s)"


def _listed(resources: dict[str, float]) -> str:
    return " and ".join(f"{amount:g} {name}" for name, amount in resources.items())
