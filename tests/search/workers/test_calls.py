"""What the pool gives to Ray, with something else in Ray's place: data once, then small calls."""

from __future__ import annotations

import pickle
from types import SimpleNamespace
from typing import NamedTuple

import pytest
import toys

from programs import load
from search.config.machines import WorkerSettings
from search.evaluation.jobs import Job, Purpose
from search.evaluation.request import Request
from search.workers import ray_pool
from search.workers.ray_cluster import Connection

LION = load("library:lion")


class Reference(NamedTuple):
    """Of what was put into the object store, or of a call's result."""

    number: int


class Ray:
    """Keeps what it is given; no call ends, but all workers have started."""

    exceptions = SimpleNamespace(RayError=RuntimeError)

    def __init__(self, workers: int):
        self.workers, self.stored, self.started, self.calls = workers, [], [], []

    def nodes(self):
        return [{"Alive": True, "Resources": {"CPU": float(self.workers)}}]

    def get_runtime_context(self):
        return SimpleNamespace(gcs_address="")

    def put(self, value):
        self.stored.append(value)
        return Reference(len(self.stored))

    def remote(self, **_):
        def call(kept):
            return SimpleNamespace(
                remote=lambda *given: kept.append(given) or Reference(-len(kept))
            )

        actor = SimpleNamespace(
            start=call(self.started), run=call(self.calls), __ray_ready__=call([])
        )
        return lambda worker: SimpleNamespace(remote=lambda *_: actor)

    def wait(self, calls, num_returns, timeout):
        return calls if len(self.calls) == 0 else [], []

    def get(self, reference):
        return 0

    def kill(self, *_, **__):
        pass


@pytest.fixture
def ray(monkeypatch):
    ray = Ray(workers=20)
    monkeypatch.setattr(ray_pool, "import_ray", lambda _: ray)
    monkeypatch.setattr(
        ray_pool, "connect", lambda ray, settings: Connection(ray, settings.address)
    )
    monkeypatch.setattr(ray_pool, "check_reachable", lambda _: None)
    return ray


def test_what_workers_evaluate_with_is_stored_once_and_calls_are_small(ray):
    large = b"x" * 1_000_000
    pool = ray_pool.RayWorkers(toys.factory(options=large), WorkerSettings(batch_s=1000.0))
    for number in range(4000):
        pool.submit(Job(number, Purpose.SEARCH, (Request(LION, "toy", 0, thresholds=(0.0,) * 5),)))
    pool._batches.mean_s = 0.01  # as if many had been evaluated: batches are large
    for _ in range(3):
        pool.collect(0.0)
    assert [len(pickle.dumps(stored)) > len(large) for stored in ray.stored] == [True]
    assert ray.started == [(Reference(1),)] * 20
    jobs = [jobs for jobs, _ in ray.calls]
    assert len(jobs) == 40 and sum(map(len, jobs)) > 1000
    for call in ray.calls:
        assert len(pickle.dumps(call)) < 1_000 + 100 * len(call[0])
    pool.close()
