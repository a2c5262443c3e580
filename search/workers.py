"""Ray workers: one process per core, disposable; the driver owns deadlines, retries and blame.

A worker that hangs is killed: by itself (faulthandler, which needs no GIL), else by the driver. The
jobs of a batch that fails are run again one by one, so that only the culprit is charged, and only
after it failed alone more than `retries` times, so that a lost machine blames nobody.
"""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import math
import os
import resource
import signal
import socket
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from search.jobs import Evaluate, Factory, InProcess, Job, Pool, Result
from search.settings import WorkerSettings
from search.threads import SINGLE_THREADED

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
}


class WorkerError(RuntimeError):
    """No worker can run; one line that says what to do."""


class ClusterLost(WorkerError):
    """Ray itself has died or cannot be reached."""


def make_pool(factory: Factory, settings: WorkerSettings) -> Pool:
    """The pool that `workers.address` names."""
    if settings.address == "in_process":
        return InProcess(factory, settings)
    return RayWorkers(factory, settings)


class Worker:
    """Runs in an actor's process."""

    def __init__(self, environment: dict[str, str], core: int | None, memory_gb: float | None):
        os.environ.update(environment)  # before JAX is imported
        cores = sorted(os.sched_getaffinity(0))
        if core is not None:
            os.sched_setaffinity(0, {cores[core % len(cores)]})
        if memory_gb is not None:
            limit = int(memory_gb * 2**30)
            resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
        self._evaluate: Evaluate | None = None

    def start(self, factory: Factory) -> int:
        """Makes the evaluation function; returns the process id."""
        self._evaluate = factory()
        return os.getpid()

    def run(self, jobs: Sequence[Job], timeout_s: float) -> tuple[list[Result], float]:
        """The results in order, and the seconds they took."""
        assert self._evaluate is not None
        begin, results = time.perf_counter(), []
        for job in jobs:
            faulthandler.dump_traceback_later(timeout_s, exit=True)
            try:
                results.append(Result(job, tuple(self._evaluate(job))))
            except Exception as error:  # whatever a program brings about is its own failure
                text = f"{type(error).__name__}: {str(error)[:200]}".splitlines()[0]
                results.append(Result(job, (), text))
            finally:
                faulthandler.cancel_dump_traceback_later()
        return results, time.perf_counter() - begin


@dataclass(slots=True)
class Batch:
    """Jobs that were sent to a worker in one call."""

    jobs: list[Job]
    call: Any  # Ray's reference to the coming results
    limit_s: float
    deadline: float = math.inf  # set when the batch begins


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
        self._checked, self._lost = time.monotonic(), False
        self._ray, self._started = _start_ray(settings)
        self._gcs = self._ray.get_runtime_context().gcs_address
        self.count = settings.count or self._room()
        self._actor_class = self._ray.remote(
            num_cpus=settings.cpus, num_gpus=settings.gpus, max_restarts=0, max_task_retries=0
        )(Worker)
        self._seats = [Seat(index) for index in range(self.count)]
        for seat in self._seats:
            self._hire(seat)

    def _room(self) -> int:
        """How many workers the cluster has room for."""
        resources = self._ray.cluster_resources()
        room = [
            resources.get(name, 0) / share
            for name, share in (("CPU", self.settings.cpus), ("GPU", self.settings.gpus))
            if share
        ]
        return max(1, int(min(room, default=1)))

    def submit(self, job: Job) -> None:
        self.outstanding += 1
        self._queue.append(job)

    def collect(self, timeout_s: float) -> list[Result]:
        self._send()
        calls = [seat.ready for seat in self._seats if seat.ready is not None]
        calls += [seat.batches[0].call for seat in self._seats if seat.batches and not seat.ready]
        if calls and not self._done:
            try:
                self._ray.wait(calls, num_returns=1, timeout=timeout_s, fetch_local=True)
            except Exception as error:  # any error here is Ray's own
                self._lost = True
                raise ClusterLost(f"Ray is lost: {_cause(error)}") from error
        elif not self._done:
            time.sleep(timeout_s)
        self._check_cluster()
        for seat in self._seats:
            self._look_after(seat)
        self._send()
        done, self._done = self._done, []
        self.outstanding -= len(done)
        return done

    def close(self) -> None:
        """Ends the workers and, if it was started here, Ray."""
        if self._lost:  # a call to Ray may wait for ever, and its agents outlive it by a minute
            for process in _descendants(os.getpid()) if self._started else ():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            return
        for seat in self._seats:
            self._kill(seat)
        if self._started:
            self._ray.shutdown()

    # Seats

    def _hire(self, seat: Seat) -> None:
        pinned = (
            seat.index if self.settings.address == "local" and self.settings.cpus == 1 else None
        )
        environment = _environment(self.settings)
        seat.actor = self._actor_class.remote(environment, pinned, self.settings.memory_gb)
        seat.ready = seat.actor.start.remote(self.factory)
        seat.ready_by = time.monotonic() + START_S

    def _kill(self, seat: Seat) -> None:
        try:
            self._ray.kill(seat.actor, no_restart=True)
        except Exception as error:  # it may be dead already, or Ray may be
            self.events.append(("worker", f"could not be killed: {type(error).__name__}"))

    def _look_after(self, seat: Seat) -> None:
        """Takes in what has arrived; replaces a worker that died or is late."""
        now = time.monotonic()
        if seat.ready is not None:
            self._look_after_start(seat, now)
            return
        while seat.batches:
            batch = seat.batches[0]
            try:
                results, seconds = self._ray.get(batch.call, timeout=0)
            except self._ray.exceptions.GetTimeoutError:
                if now > batch.deadline:
                    self._lose(seat, f"over its limit of {batch.limit_s:.0f} s")
                return
            except self._ray.exceptions.RayError as error:
                self._lose(seat, _cause(error))
                return
            seat.batches.popleft()
            self._begin(seat)
            self._take(batch, results, seconds)

    def _look_after_start(self, seat: Seat, now: float) -> None:
        try:
            self._ray.get(seat.ready, timeout=0)
        except self._ray.exceptions.GetTimeoutError:
            if now < seat.ready_by:
                return
            error: Exception = TimeoutError(f"no worker was ready within {START_S:.0f} s")
        except self._ray.exceptions.RayError as caught:
            error = caught
        else:
            seat.ready = None
            self._bad_starts = 0
            return
        self._bad_starts += 1
        self.events.append(("worker", f"did not start: {_cause(error)}"))
        if self._bad_starts >= START_FAILURES:
            raise WorkerError(f"workers cannot start: {_cause(error)}")
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

    def _lose(self, seat: Seat, cause: str) -> None:
        """The worker is gone: the batch that ran is suspect, those that waited are not."""
        self.events.append(("worker", f"lost: {cause}"))
        self._kill(seat)
        running, *waiting = seat.batches
        for batch in reversed(waiting):
            self._queue.extendleft(reversed(batch.jobs))
        for job in running.jobs:
            self._suspect(job, cause, alone=len(running.jobs) == 1)
        seat.batches.clear()
        self._hire(seat)

    def _suspect(self, job: Job, cause: str, alone: bool) -> None:
        key = (job.number, job.purpose, job.seeds)
        self._failures[key] += alone
        if self._failures[key] > self.settings.retries:
            self.events.append(("failed", f"individual {job.number}: {cause}"))
            self._done.append(Result(job, (), cause))
        else:
            self.events.append(("retry", f"individual {job.number}: {cause}"))
            self._suspects.append(job)

    # Batches

    def _send(self) -> None:
        """Gives every worker that has too little to do the next batch."""
        for ahead in range(AHEAD):
            for seat in self._seats:
                if seat.ready is None and len(seat.batches) <= ahead and (jobs := self._next()):
                    limit = self.settings.timeout_s
                    call = seat.actor.run.remote(jobs, limit)
                    seat.batches.append(Batch(jobs, call, limit))
                    if len(seat.batches) == 1:
                        self._begin(seat)

    def _next(self) -> list[Job]:
        if self._suspects:
            return [self._suspects.popleft()]
        fair = math.ceil(len(self._queue) / (AHEAD * self.count))
        fitting = math.ceil(self.settings.batch_s / self._mean_s) if self._mean_s else 1
        return [self._queue.popleft() for _ in range(min(fair, fitting, len(self._queue)))]

    def _begin(self, seat: Seat) -> None:
        """Starts the clock of the batch that now runs."""
        if seat.batches:
            batch = seat.batches[0]
            others = 4 * self._mean_s * (len(batch.jobs) - 1)
            batch.deadline = time.monotonic() + batch.limit_s + GRACE_S + others

    def _check_cluster(self) -> None:
        """Ray ends this process 60 s after its GCS died, without a word: notice it before."""
        if time.monotonic() - self._checked < 5.0:
            return
        self._checked = time.monotonic()
        host, _, port = self._gcs.rpartition(":")
        try:
            socket.create_connection((host, int(port)), timeout=5.0).close()
        except OSError as error:
            self._lost = True
            raise ClusterLost(f"Ray's control service at {self._gcs} is gone: {error}") from error


def _environment(settings: WorkerSettings) -> dict[str, str]:
    platform = {} if settings.gpus else {"JAX_PLATFORMS": "cpu"}
    return {**SINGLE_THREADED, **platform, **_COMPILED}


def _start_ray(settings: WorkerSettings) -> tuple[Any, bool]:
    """Ray's module, connected, and whether it was started here.

    A local Ray listens on loopback only and has no dashboard.
    """
    for name, value in {**_environment(settings), **_RAY_ENVIRONMENT}.items():
        os.environ.setdefault(name, value)
    import ray
    import ray.exceptions

    if ray.is_initialized():
        return ray, False
    options: dict[str, Any] = {"address": settings.address, "log_to_driver": False}
    if settings.address == "local":
        options |= {"include_dashboard": False, "_node_ip_address": "127.0.0.1"}
        wanted = math.ceil((settings.count or 0) * settings.cpus)
        options["num_cpus"] = max(wanted, len(os.sched_getaffinity(0)))
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for attempt in range(3):  # Ray's start has fixed waits that a very busy machine exceeds
        try:
            ray.init(logging_level=logging.ERROR, **options)
            for number, handler in handlers.items():  # Ray takes SIGTERM for itself
                signal.signal(number, handler)
            return ray, True
        except Exception as error:  # whatever it is: again, then say so
            ray.shutdown()
            if attempt == 2:
                raise WorkerError(
                    f"Ray did not start at '{settings.address}': {_cause(error)}; "
                    "is the address right, and is there memory and /tmp space left?"
                ) from error
            time.sleep(2.0)
    raise AssertionError


def _descendants(process: int) -> list[int]:
    """The processes that a process started, and those that they started (Linux)."""
    found = []
    with contextlib.suppress(OSError):  # it has just ended
        for task in Path(f"/proc/{process}/task").glob("*/children"):
            for child in map(int, task.read_text().split()):
                found += [child, *_descendants(child)]
    return found


def _cause(error: BaseException) -> str:
    """The first line that says what went wrong."""
    inner = getattr(error, "cause", None) or error
    lines = [line.strip() for line in str(inner).splitlines() if line.strip()]
    return f"{type(inner).__name__}: {lines[0][:200]}" if lines else type(inner).__name__
