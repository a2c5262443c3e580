"""How many workers a pool has, by what its machines have; without Ray."""

from types import SimpleNamespace

import pytest

from search.config.machines import WorkerSettings
from search.workers.ray_cluster import WorkerError
from search.workers.ray_pool import RayWorkers

HEAD = {"Alive": True, "Resources": {"memory": 1e9}}
MACHINE = {"Alive": True, "Resources": {"CPU": 8.0, "GPU": 1.0}}
GONE = {"Alive": False, "Resources": {"CPU": 8.0}}


def count_of(nodes, **settings) -> int:
    pool = RayWorkers.__new__(RayWorkers)
    pool.settings, pool.events = WorkerSettings(**settings), []
    pool._ray = SimpleNamespace(nodes=lambda: nodes)
    return pool._worker_count()


@pytest.mark.parametrize(
    ("settings", "count"),
    [
        ({}, 16),
        ({"cpus": 3}, 4),
        ({"cpus": 0}, 3),
        ({"gpus": 0.5}, 4),
        ({"count": 5}, 5),
        ({"count": 40}, 16),
        ({"count": 40, "address": "auto"}, 40),
        ({"address": "head:6379"}, 16),
    ],
)  # fmt: skip
def test_it_is_what_is_wanted_or_what_there_is_room_for(settings, count, capsys):
    assert count_of([HEAD, MACHINE, GONE, MACHINE], **settings) == count
    warned = "warning: resources for 16 of 40 workers" in capsys.readouterr().err
    assert warned == (settings.get("count") == 40)


def test_machines_that_join_later_are_waited_for_where_workers_are_counted(capsys):
    assert count_of([HEAD], address="auto", count=4) == 4
    assert "the others start when machines join" in capsys.readouterr().err
    for settings in ({"address": "auto"}, {"count": 4}):
        with pytest.raises(WorkerError, match="no machine has the resources"):
            count_of([HEAD], **settings)
