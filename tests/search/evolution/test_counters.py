"""What is counted while a search runs is what its store says afterwards."""

import pytest
import toys
from in_process import evolve

from programs import load
from search.config.settings import Config
from search.evolution.counters import Statistics
from search.storage import queries
from search.storage.store import Reader


@pytest.fixture
def counted(monkeypatch):
    """The statistics of the searches that are run."""
    made = []
    of = Statistics.of
    monkeypatch.setattr(Statistics, "of", lambda *words: made.append(of(*words)) or made[-1])
    return made


def _search(path, evaluation, **evolution):
    config = Config.model_validate({
        "evolution": {"population": 30, "window": 8, "repeats": 1, **evolution},
        "evaluation": {"tasks": "toy", **evaluation},
        "rescore": {"programs": 2, "seeds": 2}, "workers": {"address": "in_process"}, "funnel": None,
    })  # fmt: skip
    evolve(path, config, factory=toys.stepper_factory, starts=[load("library:adamw")])


@pytest.mark.parametrize("rates", [(1.0,), (1.0, 0.5), (1.0, 4.0, 0.25)])
@pytest.mark.parametrize("match_size", [False, True])
def test_time_by_outcome(counted, tmp_path, rates, match_size):
    """Of several rates the first one's outcome is the program's, whatever that rate is."""
    evaluation = {"rates": rates, "rates_when": "always", "match_size": match_size}
    _search(tmp_path, evaluation, children=250, rounds=1)
    programs = dict(counted[0].outcomes)
    with Reader(tmp_path) as store:
        told = {one.outcome: one.programs for one in queries.seconds_by_outcome(store)}
    trained = {name: programs[name] for name in told}
    assert set(told) >= {"COMPLETED", "DIVERGED"}
    assert sum(told.values()) == counted[0].evaluations
    assert all(told[name] <= trained[name] for name in told)  # twins are trained once


def test_the_rate_of_children_is_without_the_tuning_of_the_start(counted, tmp_path, monkeypatch):
    clock = iter(range(0, 100_000, 10))
    monkeypatch.setattr("search.evolution.counters.time.monotonic", lambda: float(next(clock)))
    statistics = Statistics(individuals=200)
    statistics.started = -1_000.0
    assert statistics.children_per_s == pytest.approx(0.2)
    statistics.begin_children()
    assert statistics.children_per_s == 20
    statistics.begin_children()  # of a later round: the rate is of all
    assert statistics.children_per_s == 10


def test_the_start_is_the_warm_start_in_later_rounds_too(counted, tmp_path):
    _search(tmp_path, {}, children=60, rounds=2)
    with Reader(tmp_path) as store:
        query = "SELECT fitness FROM history WHERE child = -1 ORDER BY number"
        [(first,), (restart,)] = store.rows(query)
        assert queries.start_fitness(store) == counted[0].start_fitness == first
    assert restart > first
