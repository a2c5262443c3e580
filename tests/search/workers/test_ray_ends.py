"""A local Ray that dies in part is started again; nothing is lost with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import toys

from programs import load
from search.config.machines import WorkerSettings
from search.evaluation.jobs import Job, Purpose
from search.evaluation.request import Request
from search.workers import ray_pool
from search.workers.ray_cluster import ClusterLost, descendants
from search.workers.ray_pool import RayWorkers

LION = load("library:lion")
ROOT = Path(__file__).parents[3]
SERVICES = ["raylet", "gcs_server"]


@pytest.fixture(autouse=True)
def looks_often(monkeypatch):
    monkeypatch.setattr(ray_pool, "CHECK_S", 0.5)


def pool_of(**changes):
    return RayWorkers(
        toys.hostile_factory, WorkerSettings(**({"count": 2, "retries": 0} | changes))
    )


def kill(service):
    killed = 0
    for process in descendants(os.getpid()):
        program = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")[0].decode()
        if Path(program).name == service:
            os.kill(process, signal.SIGKILL)
            killed += 1
    assert killed == 1


def submit(pool, numbers):
    for number in numbers:
        pool.submit(Job(number, Purpose.SEARCH, (Request(LION, "fine", 0),)))


def collected(pool, wanted):
    results, end = {}, time.monotonic() + 240.0
    while len(results) < wanted:
        assert time.monotonic() < end, f"{len(results)} of {wanted} came back: {pool.events}"
        for result in pool.collect(0.1):
            assert result.job.number not in results
            results[result.job.number] = result
    assert pool.outstanding == 0
    return results


@pytest.mark.parametrize("service", SERVICES)
def test_a_search_goes_on_in_a_new_ray(service):
    pool = pool_of()
    try:
        submit(pool, range(10))
        collected(pool, 10)
        kill(service)
        for number in range(10, 10_000):  # workers live on for a while
            submit(pool, [number])
            [result] = collected(pool, 1).values()
            assert result.evaluations[0].fitness == number
            if any("another Ray was started" in text for _, text in pool.events):
                break
            time.sleep(0.1)
        submit(pool, range(10_000, 10_030))
        results = collected(pool, 30)
        assert all(not result.failure for result in results.values())
    finally:
        pool.close()


@pytest.mark.parametrize("case", ["again", "shared"])
def test_what_cannot_be_started_again_ends_the_search(case):
    """In a process of its own, which Ray ends where its GCS is gone."""
    script = f"from tests.search.workers import test_ray_ends as t; t.lost_{case}()"
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True,
                         env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT}/tests/search"})  # fmt: skip
    assert "ClusterLost Ray's " in run.stdout, run.stdout + run.stderr


def lost_again():
    ray_pool.RESTARTS = 0
    pool = pool_of(count=1)
    submit(pool, range(5))
    collected(pool, 5)
    kill("gcs_server")
    until_lost(pool)
    pool.close()


def lost_shared():
    """Another search of this process uses the same Ray."""
    one, other = pool_of(count=1), pool_of(count=1)
    kill("raylet")
    until_lost(one)
    one.close()
    other.close()


def until_lost(pool):
    try:
        for number in range(100, 10_000):
            submit(pool, [number])
            collected(pool, 1)
            time.sleep(0.1)
    except ClusterLost as error:
        print(type(error).__name__, error, flush=True)
