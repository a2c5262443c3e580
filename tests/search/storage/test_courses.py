"""What changed over a search's children."""

import pytest
import toys
from in_process import evolve

from programs import load
from search.config.settings import Config
from search.storage.courses import courses, curve, rises_by_states
from search.storage.store import Reader


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("run")
    config = Config.model_validate({
        "evolution": {"children": 150, "population": 20, "window": 4, "repeats": 2, "rounds": 1},
        "evaluation": {"tasks": "toy"}, "rescore": {"programs": 0},
        "workers": {"address": "in_process"}, "funnel": None,
    })  # fmt: skip
    evolve(path, config, factory=toys.stepper_factory, starts=[load("library:adamw")])
    with Reader(path) as store:
        yield store


@pytest.mark.parametrize("points", [1, 7, 1_000])
def test_every_child_is_in_one_part(store, points):
    for parts in courses(store, points).values():
        assert len(parts) <= points and sum(part.individuals for part in parts) == 150
        assert [part.last for part in parts] == sorted(part.last for part in parts)
    whole = curve(store, points)
    assert len(whole) <= points and sum(part.individuals for part in whole) == 302


@pytest.mark.parametrize("points", [1, 7, 1_000])
def test_the_best_of_each_number_of_states_rises_to_the_front(store, points):
    rises = rises_by_states(store, points)
    best = dict(store.rows("SELECT states, max(fitness) FROM programs JOIN individuals"
                           " ON program = id WHERE outcome = 'COMPLETED'"
                           " GROUP BY states"))  # fmt: skip
    assert len(best) > 1 and {count: line[-1][1] for count, line in rises.items()} == best
    for line in rises.values():
        assert len(line) <= points and line == sorted(line)
        fitness = [value for _, value in line]
        assert len(set(fitness)) == len(fitness)
