"""Ray workers: one process per core, disposable; the driver owns deadlines, retries and blame.

A worker that hangs is killed: by itself (faulthandler, which needs no GIL), else by the driver.
Which jobs it gets, and what follows from its loss, is decided in batches.py.
"""

from __future__ import annotations

import math
import os
import secrets
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from search.config.settings import WorkerSettings
from search.evaluation.jobs import AUTO, Factory, Job, Result
from search.evaluation.threads import SINGLE_THREADED, with_our_flags
from search.workers.batches import AHEAD, Batch, Batches
from search.workers.in_process import InProcess
from search.workers.pool import Pool
from search.workers.process import Worker, expanded
from search.workers.ray_cluster import (
    ClusterLost,
    WorkerError,
    check_reachable,
    connect,
    kill_descendants,
    shut_down,
    summarize_error,
)

START_S = 300.0  # a worker must be ready within this time
DETERMINISTIC = "--xla_gpu_deterministic_ops=true"  # else a GPU adds up in any order
GRACE_S = 4.0  # what a worker gets beyond its limit before the driver kills it
START_FAILURES = 3  # failed starts in a row that end the search

_COMPILED = {  # one worker's compilations spare the others theirs, and the next run's
    "JAX_COMPILATION_CACHE_DIR": "~/.cache/update-rule-search/xla",  # each machine's own home
    "JAX_COMPILATION_CACHE_MAX_SIZE": str(2**30),
}
_LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}  # keeps all of Ray's listeners there
_RAY_ENVIRONMENT = {
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
class Call:
    """A batch that was sent to a worker."""

    batch: Batch
    reference: Any  # Ray's, to the coming results
    begun: float = math.inf  # set when it begins, and the deadline with it
    deadline: float = math.inf


@dataclass(slots=True)
class WorkerSlot:
    """One of the pool's workers; when it dies, the next one takes the slot."""

    index: int
    actor: Any = None
    ready: Any = None  # Ray's reference to the end of its start; None: it has started
    ready_by: float = 0.0
    calls: deque[Call] = field(default_factory=deque)


class RayWorkers:
    """A pool of Ray actors."""

    def __init__(self, factory: Factory, settings: WorkerSettings):
        self.settings = settings
        self.busy_seconds = 0.0
        self.events: list[tuple[str, str]] = []
        self.outstanding = 0
        self._bad_starts = 0
        self._slots: list[WorkerSlot] = []
        self._checked, self._lost = time.monotonic(), False
        self._ray = _import_ray(settings)
        self._started = connect(self._ray, settings)
        self._gcs = self._ray.get_runtime_context().gcs_address
        try:
            self.count = self._worker_count()
        except BaseException:
            self.close()
            raise
        self._actor_class = self._ray.remote(
            num_cpus=settings.cpus, num_gpus=settings.gpus, max_restarts=0, max_task_retries=0
        )(Worker)
        self._factory = self._ray.put(factory)  # reaches each machine once, with all its data
        self._batches = Batches(
            self.count,
            batch_s=settings.batch_s,
            retries=settings.retries,
            timeout_s=settings.timeout_s,
            events=self.events,
            together=_together(settings),
        )
        self._slots = [WorkerSlot(index) for index in range(self.count)]
        for slot in self._slots:
            self._start_worker(slot)

    def _worker_count(self) -> int:
        """How many workers there will be: as many as are wanted and fit."""
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
        joining = bool(self.settings.count) and self.settings.are_elsewhere  # machines, later
        if shares and room < wanted:
            most = {name: max([0.0, *(node.get(name, 0.0) for node in nodes)]) for name in shares}
            detail = f"each needs {_as_text(shares)}; the most on any machine is {_as_text(most)}"
            if not room and not joining:
                raise WorkerError(f"no machine has the resources for a worker: {detail}")
            if joining:
                detail += "; the others start when machines join"
            self.events.append(("worker", f"resources for {room} of {wanted} workers: {detail}"))
            print(f"warning: {self.events[-1][1]}", file=sys.stderr)
        return min(wanted, room) if shares and not joining else wanted

    def submit(self, job: Job) -> None:
        self.outstanding += 1
        self._batches.submit(job)

    def collect(self, timeout_s: float) -> list[Result]:
        self._send(more_to_come=not timeout_s)
        ready = self._ready(0.0 if self._batches.has_results else timeout_s)
        self._check_cluster()
        for slot in self._slots:
            self._poll(slot, ready)
        self._send(more_to_come=not timeout_s)
        done = self._batches.collect()
        self.outstanding -= len(done)
        return done

    def _ready(self, timeout_s: float) -> set[Any]:
        """The calls that have ended, at least one if one does within the time."""
        calls = [slot.ready for slot in self._slots if slot.ready is not None]
        calls += [slot.calls[0].reference for slot in self._slots if slot.calls and not slot.ready]
        if not calls:
            time.sleep(timeout_s)
            return set()
        try:
            ready, waiting = self._ray.wait(calls, num_returns=1, timeout=timeout_s)
            if ready and waiting:
                ready += self._ray.wait(waiting, num_returns=len(waiting), timeout=0)[0]
        except Exception as error:  # any error here is Ray's own
            self._lost = True
            raise ClusterLost(f"Ray is lost: {summarize_error(error)}") from error
        return set(ready)

    def close(self) -> None:
        """Ends the workers and, if it was started here, Ray."""
        if self._lost:  # a call to Ray may wait for ever, and its agents outlive it by a minute
            if self._started:
                kill_descendants()
            return
        for slot in self._slots:
            self._kill(slot)
        if self._started:
            shut_down(self._ray)

    # Slots

    def _start_worker(self, slot: WorkerSlot) -> None:
        pinned = slot.index if self._fills_the_machine else None
        environment = _environment(self.settings)
        slot.actor = self._actor_class.remote(environment, pinned, self.settings.memory_gb)
        slot.ready = slot.actor.start.remote(self._factory)
        slot.ready_by = time.monotonic() + START_S

    def _kill(self, slot: WorkerSlot) -> None:
        try:
            self._ray.kill(slot.actor, no_restart=True)
        except Exception as error:  # it may be dead already, or Ray may be
            self.events.append(("worker", f"could not be killed: {type(error).__name__}"))

    @property
    def _fills_the_machine(self) -> bool:
        """Fewer workers are not pinned: another search would choose the same cores."""
        alone = self.settings.address == "local" and self.settings.cpus == 1
        return alone and self.count >= len(os.sched_getaffinity(0))

    def _poll(self, slot: WorkerSlot, ready: set[Any]) -> None:
        """Takes in what has arrived; replaces a worker that died or is late."""
        now = time.monotonic()
        if slot.ready is not None:
            self._poll_start(slot, slot.ready in ready, now)
        elif slot.calls and slot.calls[0].reference in ready:
            try:
                results, seconds = self._ray.get(slot.calls[0].reference)
            except self._ray.exceptions.RayError as error:
                call = slot.calls[0]  # a worker ends itself when a job is over the limit
                late = now - call.begun > call.batch.limit_s
                over = _over(call.batch.limit_s, self.settings.timeout_s)
                self._lose(slot, over if late else summarize_error(error), late=late)
                return
            slot.calls.popleft()
            self._begin(slot)
            self.busy_seconds += seconds
            self._batches.returned(results, seconds)
        elif slot.calls and now > slot.calls[0].deadline:
            limit_s = slot.calls[0].batch.limit_s
            self._lose(slot, _over(limit_s, self.settings.timeout_s), late=True)

    def _poll_start(self, slot: WorkerSlot, is_ready: bool, now: float) -> None:
        error: Exception = TimeoutError(f"no worker was ready within {START_S:.0f} s")
        if is_ready:
            try:
                self._ray.get(slot.ready)
            except self._ray.exceptions.RayError as caught:
                error = caught
            else:
                slot.ready = None
                self._bad_starts = 0
                return
        elif now < slot.ready_by:
            return
        elif any(other.ready is None for other in self._slots):
            slot.ready_by = now + START_S
            self.events.append(("worker", "waiting for resources while other workers run"))
            return
        self._bad_starts += 1
        self.events.append(("worker", f"did not start: {summarize_error(error)}"))
        if self._bad_starts >= START_FAILURES:
            raise WorkerError(f"workers cannot start: {summarize_error(error)}")
        self._kill(slot)
        self._start_worker(slot)

    def _lose(self, slot: WorkerSlot, why: str, *, late: bool) -> None:
        """The worker is gone, and the next one takes its slot."""
        self.events.append(("worker", f"lost: {why}"))
        self._kill(slot)
        self._batches.lost([call.batch for call in slot.calls], why, late=late)
        slot.calls.clear()
        self._start_worker(slot)

    def _send(self, *, more_to_come: bool) -> None:
        """Gives every worker that has too little to do the next batch."""
        for ahead in range(AHEAD):
            for slot in self._slots:
                if slot.ready is not None or len(slot.calls) > ahead:
                    continue
                running = slot.calls[0].batch if slot.calls else None
                if batch := self._batches.next(running, more_to_come=more_to_come):
                    reference = slot.actor.run.remote(batch.jobs, batch.limit_s)
                    slot.calls.append(Call(batch, reference))
                    if len(slot.calls) == 1:
                        self._begin(slot)

    def _begin(self, slot: WorkerSlot) -> None:
        """Starts the clock of the call that now runs."""
        if slot.calls:
            call = slot.calls[0]
            others = 4 * self._batches.mean_s * (len(call.batch.jobs) - 1)
            call.begun = time.monotonic()
            call.deadline = call.begun + call.batch.limit_s + GRACE_S + others

    def _check_cluster(self) -> None:
        """Ray ends this process 60 s after its GCS died, without a word: notice it before."""
        if time.monotonic() - self._checked < 5.0:
            return
        self._checked = time.monotonic()
        try:
            check_reachable(self._gcs)
        except (OSError, ValueError) as error:
            self._lost = True
            raise ClusterLost(f"Ray's control service at {self._gcs} is gone: {error}") from error


def _together(settings: WorkerSettings) -> int:
    """How many jobs a worker should be sent; with `auto` only it knows how many fit."""
    if settings.batch != "auto":
        return settings.batch
    return AUTO if settings.gpus else 1


def _environment(settings: WorkerSettings) -> dict[str, str]:
    platform = {} if settings.gpus else {"JAX_PLATFORMS": "cpu"}
    given = os.environ.get("XLA_FLAGS", "")
    if settings.gpus and DETERMINISTIC.partition("=")[0] not in given:
        given = f"{given} {DETERMINISTIC}".strip()
    flags = {"XLA_FLAGS": with_our_flags(given)}
    compiled = {name: os.environ.get(name, value) for name, value in _COMPILED.items()}
    return {**SINGLE_THREADED, **flags, **platform, **compiled}


def _import_ray(settings: WorkerSettings) -> Any:
    """Ray's modules; what it reads from the environment is set before."""
    environment = expanded(_environment(settings)) | _RAY_ENVIRONMENT
    if settings.address == "local":
        environment |= _LOOPBACK
    if settings.address != "local" and _has_token():
        # With an explicit address Ray itself would not look for it, and be refused for 20 s.
        environment |= {"RAY_AUTH_MODE": "token"}
    elif settings.address == "local" and not _is_authentication_set():
        # Else Ray writes a token to the home folder, if it can, which clusters then refuse.
        environment |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    for name, value in environment.items():
        os.environ.setdefault(name, value)
    try:
        import ray
        import ray.exceptions
    except ModuleNotFoundError as error:
        raise WorkerError(
            f"workers.address '{settings.address}' needs the package {error.name}, which is not "
            "installed: install it, or give in_process"
        ) from None

    return ray


def _is_authentication_set() -> bool:
    return any(name.startswith("RAY_AUTH_") for name in os.environ)


def _has_token() -> bool:
    """Whether there is a token for clusters, in one of the places where Ray looks."""
    given = any(os.environ.get(name) for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"))
    return given or Path("~/.ray/auth_token").expanduser().is_file()


def _over(limit_s: float, timeout_s: float) -> str:
    setting = "workers.timeout_s" if limit_s >= timeout_s else "of a first attempt"
    return f"over its limit of {limit_s:g} s ({setting})"


def _as_text(resources: dict[str, float]) -> str:
    return " and ".join(f"{amount:g} {name}" for name, amount in resources.items())
