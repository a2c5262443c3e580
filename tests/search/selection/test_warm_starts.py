"""Warm starts: tuned once, and the averages in either form."""

from __future__ import annotations

import numpy as np
import pytest
import toys

from programs import load
from programs.execute import run_step
from search.config.machines import WorkerSettings
from search.config.settings import Config
from search.evaluation.seeds import START_TUNING
from search.selection.warm_starts import warm_starts, with_reversed_averages
from search.storage.queries import trainings
from search.storage.store import Store
from search.workers.in_process import InProcess
from tests.strategies import trees

ADAMW, LION = load("library:adamw"), load("library:lion")
TUNING = {"draws": 40, "rounds": 4, "keep": 3, "seeds": 2}


def config(**evolution) -> Config:
    return Config.model_validate({"evolution": evolution, "evaluation": {"tasks": ("toy",)}})


def starts(path, settings: Config, stop_after: int | None = None):
    jobs = []

    def evaluate(job):
        if len(jobs) == stop_after:
            raise KeyboardInterrupt
        jobs.append(job)
        return toys.stepper(job)

    with Store(path) as store:
        pool = InProcess(lambda: evaluate, WorkerSettings(batch_s=0.001))
        return warm_starts(settings, store, pool=pool, fingerprints={}), jobs


@pytest.mark.parametrize("name", ["adamw", "lion", "program8"])
def test_reversed_averages_compute_the_same(name):
    program = load(f"library:{name}")
    turned = with_reversed_averages(program)
    assert turned != program
    inputs = {"w": trees(1), "g": trees(2), "lr": np.float32(0.7)}
    states = [trees(3 + i) for i in range(len(program.states))]
    (update, after), (other, other_after) = (
        run_step(one, np, states=states, **inputs) for one in (program, turned)
    )
    for old, new in zip([update, *after], [other, *other_after], strict=True):
        for one, two in zip(old, new, strict=True):
            np.testing.assert_allclose(two, one, rtol=1e-4, atol=1e-6)


def test_the_forms_of_the_warm_starts(tmp_path):
    names = ("library:adamw", "library:lion")
    for orientation, expected in {
        "as_written": [ADAMW, LION],
        "reversed": [with_reversed_averages(ADAMW), with_reversed_averages(LION)],
        "both": [ADAMW, with_reversed_averages(ADAMW), LION, with_reversed_averages(LION)],
    }.items():
        found, jobs = starts(tmp_path, config(warm_start=names, orientation=orientation))
        assert found == expected and not jobs
    assert "m = interp(m, g, 0.1)" in str(with_reversed_averages(ADAMW))


def test_what_reaches_no_update_is_there_after_tuning(tmp_path):
    """Redundant statements and further states are stepping stones of a search."""
    text = str(ADAMW).replace(
        "    return update, m, v", "    spare = g * 0.3\n    return update, m, v, s3"
    )
    (tmp_path / "start.py").write_text(text.replace("m, v, lr)", "m, v, s3, lr)"))
    given = load(str(tmp_path / "start.py"))
    settings = config(warm_start=[str(tmp_path / "start.py")], tune_start=TUNING)
    [tuned], _ = starts(tmp_path / "run", settings)
    assert tuned.states == given.states and tuned.statements[-1] == given.statements[-1]
    [alone], _ = starts(tmp_path / "alone", config(tune_start=TUNING))
    assert tuned.statements[:-1] == alone.statements != ADAMW.statements


def test_a_tuned_start_is_better_and_its_trainings_are_paid_once(tmp_path):
    settings = config(tune_start=TUNING)
    with pytest.raises(KeyboardInterrupt):
        starts(tmp_path, settings, stop_after=17)
    [tuned], rest = starts(tmp_path, settings)
    assert toys.step_fitness(tuned) > toys.step_fitness(ADAMW)
    assert [s.function for s in tuned] == [s.function for s in ADAMW]
    with Store(tmp_path) as store:
        rows = list(trainings(store))
    assert {row.seed for row in rows} <= set(START_TUNING.take(2))
    again, none = starts(tmp_path, settings)
    assert again == [tuned] and not none
    whole, jobs = starts(tmp_path / "whole", settings)
    assert whole == [tuned] and len(jobs) == len(rows) > len(rest)
