"""Ray workers: one process per core, disposable; the driver owns deadlines, retries and blame.

A worker that hangs is killed: by itself (faulthandler, which needs no GIL), else by the driver.
Which jobs it gets, and what follows from its loss, is decided in batches.py.
"""

from __future__ import annotations

import contextlib
import math
import os
import sys
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from search.config.machines import WorkerSettings
from search.evaluation.jobs import AUTO, Factory, Job, Result
from search.workers.batches import AHEAD, Batch, Batches
from search.workers.in_process import InProcess
from search.workers.pool import Pool
from search.workers.process import Worker
from search.workers.ray_address import resolved
from search.workers.ray_cluster import (
    ClusterLost,
    WorkerError,
    as_text,
    check_reachable,
    connect,
    room_for,
    summarize_error,
)
from search.workers.ray_environment import environment_of, import_ray

GRACE_S = 4.0  # what a worker gets beyond its limit before the driver kills it
AGAIN_S = 900.0  # how long a search whose workers are all lost waits for resources
CHECK_S = 5.0  # between two looks whether Ray lives
GROW_S = 15.0  # between two looks for machines that have joined
START_FAILURES = 3  # failed starts in a row that end the search
RESTARTS = 3  # of a local Ray that dies again before anything has come back


def make_pool(factory: Factory, settings: WorkerSettings) -> Pool:
    """The pool that `workers.address` names."""
    if settings.address == "in_process":
        return InProcess(factory, settings)
    return RayWorkers(factory, resolved(settings))


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
    made: Any = None  # Ray's reference to the beginning of its process
    ready: Any = None  # and to the end of its start; None: it has started
    begun: float = 0.0  # when it was asked for
    ready_by: float = 0.0
    recycled: bool = False  # replaced by a new one once it has returned what it was sent
    calls: deque[Call] = field(default_factory=deque)


class RayWorkers:
    """A pool of Ray actors."""

    def __init__(self, factory: Factory, settings: WorkerSettings):
        self.settings = settings
        self.busy_seconds = 0.0
        self.events: list[tuple[str, str]] = []
        self.outstanding = 0
        self._bad_starts, self._restarts, self._had_workers = 0, 0, False
        self._slots: list[WorkerSlot] = []
        self._checked = self._grown = time.monotonic()
        self._lost = False
        self._ray = import_ray(settings)
        self._connection = connect(self._ray, settings)
        try:
            self.count = self._worker_count()
            self._batches = self._new_batches()
            self._slots = [WorkerSlot(index) for index in range(self.count)]
            self._start_workers(factory)
        except BaseException:  # Ctrl-C, too: a Ray that was started here is ended
            self.close()
            raise

    def _new_batches(self) -> Batches:
        settings = self.settings
        return Batches(
            self.count,
            batch_s=settings.batch_s,
            retries=settings.retries,
            timeout_s=settings.timeout_s,
            events=self.events,
            together=_together(settings),
        )

    def _start_workers(self, factory: Factory) -> None:
        """In a Ray that has none of this pool's yet."""
        settings = self.settings
        self._gcs = self._ray.get_runtime_context().gcs_address
        self._actor_class = self._ray.remote(
            num_cpus=settings.cpus, num_gpus=settings.gpus, max_restarts=0, max_task_retries=0
        )(Worker)
        self._made_by = factory
        self._factory = self._ray.put(factory)  # reaches each machine once, with all its data
        for slot in self._slots:
            self._start_worker(slot)

    def _worker_count(self) -> int:
        """How many workers there will be: as many as are wanted and fit."""
        room = room_for(self._ray, self.settings)
        wanted = self.settings.count or max(room.workers, 1)
        if not room.shares or room.workers >= wanted:
            return wanted
        # Asked for, so that a cluster that grows by itself sees what is wanted.
        joining = bool(self.settings.count) and self.settings.are_elsewhere
        if not room.workers and not joining:
            raise WorkerError(f"no machine has the resources for a worker: {room.detail}")
        text = f"resources for {room.workers} of {wanted} workers: {room.detail}"
        text += "; the others start when machines join" if joining else ""
        self.events.append(("worker", text))
        print(f"warning: {text}", file=sys.stderr)
        return wanted if joining else room.workers

    def _grow(self) -> None:
        """Starts workers on machines that have joined, up to what is wanted."""
        with self._errors_of_ray():
            room = room_for(self._ray, self.settings)
        count = min(self.settings.count or room.workers, room.workers)
        if not room.shares or count <= self.count:
            return
        self.events.append(("worker", f"{count - self.count} more: machines have joined"))
        joined = [WorkerSlot(index) for index in range(self.count, count)]
        self.count = self._batches.workers = count
        self._slots += joined
        for slot in joined:
            self._start_worker(slot)

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
        with self._errors_of_ray():
            ready, waiting = self._ray.wait(calls, num_returns=1, timeout=timeout_s)
            if ready and waiting:
                ready += self._ray.wait(waiting, num_returns=len(waiting), timeout=0)[0]
        return set(ready)

    @contextlib.contextmanager
    def _errors_of_ray(self) -> Iterator[None]:
        """Any error of what is asked meanwhile is Ray's own."""
        try:
            yield
        except Exception as error:
            self._lost = True
            raise ClusterLost(f"Ray is lost: {summarize_error(error)}") from error

    def close(self) -> None:
        """Ends the workers and, if it was started here and no other pool uses it, Ray."""
        if not self._lost:
            for slot in self._slots:
                self._kill(slot)
        self._connection.close(lost=self._lost)

    # Slots

    def _start_worker(self, slot: WorkerSlot) -> None:
        pinned = slot.index if self._fills_the_machine else None
        environment = environment_of(self.settings)
        slot.actor = self._actor_class.remote(environment, pinned, self.settings.memory_gb)
        slot.made = slot.actor.__ray_ready__.remote()
        slot.ready = slot.actor.start.remote(self._factory)
        slot.begun = time.monotonic()
        slot.ready_by = slot.begun + self._start_limit_s()
        slot.recycled = False

    def _start_limit_s(self) -> float:
        busy = 1.0
        if self.settings.address == "local":  # where it waits for its share of a core
            busy = max(1.0, os.getloadavg()[0] / len(os.sched_getaffinity(0)))
        return self.settings.start_s * busy

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
                returned = self._ray.get(slot.calls[0].reference)
            except self._ray.exceptions.RayError as error:
                if self._start_ray_again_if_it_died():
                    return
                call = slot.calls[0]  # a worker ends itself when a job is over the limit
                late = now - call.begun > call.batch.limit_s
                over = _over(call.batch.limit_s, self.settings.timeout_s)
                self._lose(slot, over if late else summarize_error(error), late=late)
                return
            slot.calls.popleft()
            self._begin(slot)
            self._restarts = 0
            self.busy_seconds += returned.seconds
            self._batches.returned(returned.results, returned.seconds)
            self._recycle(slot, returned.memory_gb)
        elif slot.calls and now > slot.calls[0].deadline:
            limit_s = slot.calls[0].batch.limit_s
            self._lose(slot, _over(limit_s, self.settings.timeout_s), late=True)

    def _poll_start(self, slot: WorkerSlot, is_ready: bool, now: float) -> None:
        if is_ready:
            try:
                self._ray.get(slot.ready)
            except self._ray.exceptions.RayError as error:
                if not self._start_ray_again_if_it_died():
                    self._start_again(slot, summarize_error(error))
            else:
                slot.ready = None
                self._bad_starts = 0
                self._had_workers = True
        elif now >= slot.ready_by:
            self._not_ready(slot, now)

    def _not_ready(self, slot: WorkerSlot, now: float) -> None:
        """It is late: waits on for resources, starts again what hangs, or ends the search."""
        with self._errors_of_ray():
            has_process = bool(self._ray.wait([slot.made], timeout=0)[0])
            free = self._ray.available_resources()
        others = self._any_runs()
        if not has_process and (others or (self._had_workers and now < slot.begun + AGAIN_S)):
            slot.ready_by = now + self._start_limit_s()
            while_ = " while other workers run" if others else ""
            self.events.append(("worker", f"waiting for resources{while_}"))
        elif others:
            self.events.append(("worker", "did not start: it hangs"))
            self._kill(slot)
            self._start_worker(slot)
        else:
            raise WorkerError(self._why_not_ready(has_process, free))

    def _any_runs(self) -> bool:
        """Whether any worker has started."""
        return any(slot.ready is None for slot in self._slots)

    def _start_again(self, slot: WorkerSlot, why: str) -> None:
        """A machine may be lost with all workers that start on it: that ends no search that others
        go on with."""
        self._bad_starts += 1
        self.events.append(("worker", f"did not start: {why}"))
        if self._bad_starts >= START_FAILURES and not self._any_runs():
            raise WorkerError(f"workers cannot start: {why}")
        self._kill(slot)
        self._start_worker(slot)

    def _why_not_ready(self, has_process: bool, free: dict[str, float]) -> str:
        """What a user can do about a start that does not end; free: Ray's resources."""
        front = "no worker was ready in time (workers.start_s)"
        if has_process:
            return f"{front}: its process runs, but its device or its data do not answer"
        names = ["CPU", *(["GPU"] if self.settings.gpus else [])]
        text = as_text({name: free.get(name, 0.0) for name in names})
        return f"{front}: Ray made no process for it; free are {text}: do other jobs use the rest?"

    def _recycle(self, slot: WorkerSlot, memory_gb: float) -> None:
        """Replaces a worker that has grown, once it has returned what it was sent."""
        limit_gb = self.settings.recycle_gb
        slot.recycled |= limit_gb is not None and memory_gb > limit_gb
        if slot.recycled and not slot.calls:
            self.events.append(("recycled", f"a worker that held {memory_gb:.2f} GB"))
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
                if slot.ready is not None or slot.recycled or len(slot.calls) > ahead:
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
        """Where its GCS or raylet has died Ray ends this process after a while, without a word, or
        waits for ever: notice it before."""
        if time.monotonic() - self._checked < CHECK_S:
            return
        self._checked = time.monotonic()
        self._start_ray_again_if_it_died()
        try:
            check_reachable(self._gcs)
        except (OSError, ValueError) as error:
            self._lost = True
            raise ClusterLost(f"Ray's control service at {self._gcs} is gone: {error}") from error
        if self._checked - self._grown > GROW_S:
            self._grown = self._checked
            self._grow()

    def _start_ray_again_if_it_died(self) -> bool:
        """What was started here and has ended is started again; what ran there is lost with it.

        Raises:
          ClusterLost: it is not this pool's alone, or dies again and again.
        """
        if not (died := self._connection.died()):
            return False
        why = f"Ray's {died} has died"
        self._restarts += 1
        if self._restarts > RESTARTS or not self._connection.renew(self.settings):
            self._lost = True
            raise ClusterLost(why)
        self.events.append(("worker", f"{why}: another Ray was started"))
        for slot in self._slots:
            if slot.calls:
                self._batches.lost([call.batch for call in slot.calls], why, with_all=True)
                slot.calls.clear()
        self._start_workers(self._made_by)
        return True


def _together(settings: WorkerSettings) -> int:
    """How many jobs a worker should be sent; with `auto` only it knows how many fit."""
    if settings.batch != "auto":
        return settings.batch
    return AUTO if settings.gpus else 1


def _over(limit_s: float, timeout_s: float) -> str:
    setting = "workers.timeout_s" if limit_s >= timeout_s else "of a first attempt"
    return f"over its limit of {limit_s:g} s ({setting})"
