"""1,000 workers are kept busy by the real driver, in simulated time."""

import pytest
import toys
from simulated_workers import SimulatedWorkers, at_most, log_normal, pareto

from programs import load
from search.config.settings import Config
from search.evolution.counters import Statistics
from search.evolution.driver import Driver
from search.evolution.evolution import Repeats
from search.stopping import Stopped
from search.storage.store import Store

MEAN_S, LIMIT_S = 60.0, 360.0  # of a training, and workers.timeout_s


def busy(tmp_path, duration, *, workers: int, window: int, means: float) -> float:
    """The share of `means` mean durations that the workers are busy; short random programs, since
    nearly all of them are new and so must be trained."""
    evolution = {"mode": "random", "random_length": (4, 5), "children": 10**6, "population": 100}
    evolution |= {"window": window * workers, "repeats": 1, "rounds": 1}
    evaluation = {"tasks": ("toy",), "fingerprint": False}
    config = Config.model_validate({"evolution": evolution, "evaluation": evaluation})
    pool = SimulatedWorkers(workers, at_most(LIMIT_S, duration), evaluate=toys.make())
    with Store(tmp_path / str(window), config.store) as store:
        statistics = Statistics.of(store, config.evolution)
        over = lambda: 1 if pool.now > means * MEAN_S else None
        driver = Driver(config, store, pool=pool, statistics=statistics, stopping=over)
        starts = [load("library:adamw")]
        repeats = Repeats(config.evolution, 0, round_number=0, starts=starts, first_number=0)
        with pytest.raises(Stopped):
            driver.run(repeats)
    assert pool.longest_s > 5 * MEAN_S  # durations have a heavy tail
    return pool.busy_seconds / pool.now / workers


def test_a_thousand_workers_are_busy(tmp_path):
    share = busy(tmp_path, log_normal(MEAN_S), workers=1000, window=10, means=13)
    assert share >= 0.95


@pytest.mark.parametrize(
    "duration", [log_normal(MEAN_S), pareto(MEAN_S)], ids=["log-normal", "Pareto"]
)
def test_it_is_the_window_that_keeps_them_busy(tmp_path, duration):
    """Over a time in which the window is used up several times."""
    shares = [busy(tmp_path, duration, workers=50, window=w, means=40) for w in (2, 12)]
    assert shares[0] < 0.75 and shares[1] >= 0.95
