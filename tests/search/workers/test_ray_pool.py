"""Ray workers: every job comes back once, and only the culprit is charged."""

from __future__ import annotations

import contextlib
import os
import time

import psutil
import pytest
import toys

from programs import load
from search.config.machines import WorkerSettings
from search.evaluation.jobs import Job, Purpose
from search.evaluation.request import Request
from search.workers import ray_pool as workers
from search.workers.in_process import InProcess
from search.workers.ray_cluster import Room, WorkerError
from search.workers.ray_pool import RayWorkers, make_pool

LION = load("library:lion")
CORES = len(os.sched_getaffinity(0))


@pytest.fixture(scope="module", autouse=True)
def ray_started():
    """One Ray for all tests here: it takes seconds to start."""
    pool = RayWorkers(toys.hostile_factory, WorkerSettings(count=1))
    yield
    pool.close()


def pool_of(factory=toys.hostile_factory, **changes):
    plain = {"count": 2, "timeout_s": 1.5, "retries": 0, "memory_gb": 2.0}
    return RayWorkers(factory, WorkerSettings(**(plain | changes)))


def jobs(*programs):
    return [
        Job(number, Purpose.SEARCH, (Request(LION, text, 0),))
        for number, text in enumerate(programs)
    ]


def collected(pool, wanted, limit_s=240.0):
    """Results by number; fails when one comes twice or some do not come."""
    results, end = {}, time.monotonic() + limit_s
    while len(results) < wanted:
        assert time.monotonic() < end, f"{len(results)} of {wanted} came back"
        for result in pool.collect(0.1):
            assert result.job.number not in results
            results[result.job.number] = result
    assert pool.outstanding == 0 and pool.collect(0.05) == []
    return results


def test_a_hostile_crowd_harms_only_itself():
    programs = ["fine"] * 300
    hostile = {7: "crash", 60: "hang", 150: "raise", 220: "hog"}
    for number, text in hostile.items():
        programs[number] = text
    pool = pool_of()
    try:
        for job in jobs(*programs):
            pool.submit(job)
        results = collected(pool, len(programs))
        for number, result in results.items():
            if number in hostile:
                assert result.failure and not result.evaluations
            else:
                assert result.evaluations[0].fitness == number
        assert "no fitness for you" in results[150].failure
        assert "MemoryError" in results[220].failure
    finally:
        pool.close()


def test_a_reply_lost_with_its_worker_is_not_held_against_the_job():
    """A result is on its way for a moment, in which the next job may kill the process."""
    pool = pool_of(batch_s=1e-9, timeout_s=20.0)
    try:
        crowd = ["fine", "crash"] * 10
        for job in jobs(*crowd):
            pool.submit(job)
        results = collected(pool, len(crowd))
        failed = {number for number, result in results.items() if result.failure}
        assert failed == {n for n, text in enumerate(crowd) if text == "crash"}, pool.events
    finally:
        pool.close()


def test_failing_alone_is_retried_before_it_is_charged():
    pool = pool_of(retries=2)
    try:
        pool.submit(jobs("raise")[0])
        assert collected(pool, 1)[0].failure.startswith("ValueError: no fitness for you")
        assert [kind for kind, _ in pool.events] == ["retry", "retry", "failed"]
    finally:
        pool.close()


def test_workers_run_at_the_priority_of_the_run():
    pool = pool_of(count=1)
    try:
        pool.submit(jobs("fine")[0])
        collected(pool, 1)
        below = psutil.Process().children(recursive=True)
        assert {p.nice() for p in below if p.name().startswith("ray::")} == {os.nice(0)}
    finally:
        pool.close()


def test_a_frozen_worker_costs_its_limit_and_a_few_seconds():
    pool = pool_of(count=1, timeout_s=1.0)
    try:
        collected_first = jobs("fine", "freeze")
        pool.submit(collected_first[0])
        collected(pool, 1)
        pool.submit(collected_first[1])
        begin = time.monotonic()
        pool.collect(0.0)
        [call] = pool._slots[0].calls
        assert call.deadline - call.begun < 1.0 + 6.0
        result = collected(pool, 1)[1]
        assert "over its limit of 1 s (workers.timeout_s)" in result.failure
        assert time.monotonic() - begin < 30  # about 5, on an idle machine; the hang lasts for ever
    finally:
        pool.close()


@pytest.mark.parametrize("count, pinned", [(CORES, True), (1, CORES == 1)])
def test_workers_are_single_threaded_and_pinned_when_they_fill_the_machine(count, pinned):
    """Two searches of one worker each would else share a core."""
    pool = pool_of(count=count)
    try:
        for job in jobs(*["process"] * 20):
            pool.submit(job)
        seen = {tuple(map(str, r.evaluations)) for r in collected(pool, 20).values()}
        for process, cores, flags in seen:
            assert int(process) != os.getpid()
            assert len(cores.strip("[]").split(",")) == (1 if pinned else CORES)
            assert "multi_thread_eigen=false" in flags
    finally:
        pool.close()


def test_what_the_machine_lacks_is_reported_at_once(capsys):
    with pytest.raises(
        WorkerError,
        match="no machine has the resources for a worker: each needs 1 CPU and 64 GPU; the",
    ):
        pool_of(gpus=64)
    with pytest.raises(WorkerError, match=f"1000 CPU; the most on any machine is {CORES} CPU"):
        pool_of(cpus=1000)
    pool = pool_of(count=CORES + 3)
    try:
        assert pool.count == CORES
        assert f"warning: resources for {CORES} of {CORES + 3} workers: " in capsys.readouterr().err
    finally:
        pool.close()


@pytest.mark.skipif(CORES == 1, reason="needs room for one worker beside another")
def test_a_worker_that_waits_for_room_does_not_end_the_search(monkeypatch):
    """The worker of `ray_started` keeps one core."""
    monkeypatch.setattr(workers, "START_FAILURES", 1)
    pool = pool_of(count=CORES)
    try:
        for job in jobs(*["fine"] * 50):
            pool.submit(job)
        assert len(collected(pool, 50)) == 50
        [waiting] = [slot for slot in pool._slots if slot.ready is not None]
        waiting.ready_by = 0.0
        assert pool.collect(0.0) == [] and waiting.ready_by > time.monotonic()
        assert [text for _, text in pool.events] == [
            "waiting for resources while other workers run"
        ]
    finally:
        pool.close()


def test_nothing_listens_beyond_loopback():
    listening = []
    for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):  # workers of the tests before
            listening += [
                connection.laddr.ip
                for connection in process.net_connections()
                if connection.status == psutil.CONN_LISTEN
            ]
    assert listening
    assert {ip.removeprefix("::ffff:") for ip in listening} <= {"127.0.0.1", "::1"}


def test_workers_that_cannot_start_end_the_search_with_the_reason():
    pool = pool_of(toys.broken_factory)
    try:
        with pytest.raises(WorkerError, match="workers cannot start: RuntimeError: no tasks here"):
            collected(pool, 1)
    finally:
        pool.close()


def test_a_start_that_hangs_ends_the_search_at_once_and_says_what_to_look_at(monkeypatch):
    """Not after three times as long; on a busy machine it is given longer."""
    pool = pool_of(toys.hanging_factory, count=1)
    monkeypatch.setattr(os, "getloadavg", lambda: (10.0 * CORES, 0.0, 0.0))
    try:
        slot = pool._slots[0]
        assert pool._start_limit_s() == 10 * WorkerSettings().start_s
        pool._ray.get(slot.made)
        slot.ready_by = 0.0
        with pytest.raises(
            WorkerError, match=r"workers.start_s\): its process runs, but its device"
        ):
            pool.collect(0.0)
    finally:
        pool.close()


@pytest.mark.skipif(CORES == 1, reason="needs room for one worker beside another")
def test_without_room_the_search_says_what_is_free():
    """The worker of `ray_started` keeps one core."""
    holding = pool_of(count=CORES - 1)
    pool = pool_of(count=1)
    try:
        collected_one(holding)
        pool._slots[0].ready_by = 0.0
        with pytest.raises(WorkerError, match="made no process for it; free are 0 CPU: do other"):
            pool.collect(0.0)
    finally:
        pool.close()
        holding.close()


def test_a_worker_that_grows_is_replaced_between_two_batches():
    pool = pool_of(toys.growing_factory, count=1, recycle_gb=0.3, batch_s=1e-9, timeout_s=30.0)
    try:
        for job in jobs(*["fine"] * 12):
            pool.submit(job)
        results = collected(pool, 12)
        assert not any(result.failure for result in results.values())
        processes = {result.evaluations[0].task for result in results.values()}
        assert len(processes) > 1
        assert {kind for kind, _ in pool.events} == {"recycled"}
    finally:
        pool.close()


@pytest.mark.skipif(CORES == 1, reason="needs room for one worker beside another")
def test_machines_that_join_later_get_workers(monkeypatch):
    pool = pool_of(count=1)
    pool.settings = pool.settings.model_copy(update={"count": None})
    room, one = 1, {"CPU": 1.0}
    monkeypatch.setattr(workers, "room_for", lambda *_: Room(room, one, one))
    try:
        pool._grow()
        assert (pool.count, pool.events) == (1, [])
        room = CORES
        pool._grow()
        assert pool.count == pool._batches.workers == len(pool._slots) == CORES
        assert pool.events == [("worker", f"{CORES - 1} more: machines have joined")]
        for job in jobs(*["fine"] * 20):
            pool.submit(job)
        assert len(collected(pool, 20)) == 20
    finally:
        pool.close()


def collected_one(pool) -> None:
    """Until each of its workers has started."""
    pool.submit(jobs("fine")[0])
    collected(pool, 1)
    while any(slot.ready is not None for slot in pool._slots):
        pool.collect(0.1)


def test_the_same_interface_in_process():
    pool = make_pool(toys.hostile_factory, WorkerSettings(address="in_process"))
    assert isinstance(pool, InProcess)
    for job in jobs("fine", "fine"):
        pool.submit(job)
    assert {n: r.evaluations[0].fitness for n, r in collected(pool, 2).items()} == {0: 0.0, 1: 1.0}
    pool.submit(jobs("raise")[0])
    assert collected(pool, 1)[0].failure == "ValueError: no fitness for you"
    pool.close()
