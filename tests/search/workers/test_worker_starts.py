"""Workers that do not start: a search ends only where none runs."""

import pytest

from search.workers.ray_cluster import WorkerError
from search.workers.ray_pool import START_FAILURES, RayWorkers, WorkerSlot


@pytest.mark.parametrize("others", [0, 2])
def test_a_machine_lost_with_its_starting_workers_ends_no_search_of_others(others, monkeypatch):
    pool = RayWorkers.__new__(RayWorkers)
    pool.events, pool._bad_starts = [], 0
    pool._slots = [WorkerSlot(i) for i in range(others)]
    starting = [WorkerSlot(others + i, ready=f"r{i}") for i in range(START_FAILURES)]
    pool._slots += starting
    for name in ("_kill", "_start_worker"):
        monkeypatch.setattr(pool, name, lambda slot: None)
    for slot in starting[:-1]:
        pool._start_again(slot, "its node has died")
    if others:
        pool._start_again(starting[-1], "its node has died")
    else:
        with pytest.raises(WorkerError, match="workers cannot start: its node has died"):
            pool._start_again(starting[-1], "its node has died")
