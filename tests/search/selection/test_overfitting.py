"""Meta-validation: the rule for the onset, its false alarms, and the points of a search."""

import math
import subprocess
import sys

import numpy as np
import pytest
import toys
from in_process import evolve
from scipy import stats

from programs import analyse, load
from search.config.selection import MetaValidationSettings
from search.config.settings import Config, EvaluationSettings
from search.evaluation.fitness import Evaluation, Outcome
from search.evaluation.jobs import Job, Purpose
from search.evaluation.request import META, Request
from search.evaluation.source import worker_factory
from search.evolution.meta_validation import MetaValidation
from search.selection.overfitting import Onset, Point, curves, onset
from search.storage.conversion import evaluation_row
from search.storage.identity import config_of
from search.storage.queries import history_digest
from search.storage.store import Reader, Store

TASKS = ("vision_mlp",)
SETTINGS = MetaValidationSettings(every=10, seeds=3)
CONFIG = Config(evaluation=EvaluationSettings(tasks=TASKS), meta_validation=SETTINGS)


def points(search, meta, seeds=5, noise=0.01, rng=None):
    rng = rng or np.random.default_rng(0)
    common = rng.normal(0, 0.3, seeds)
    return [
        Point(1000 * (i + 1), i, s, tuple(m + common + rng.normal(0, noise, seeds)))
        for i, (s, m) in enumerate(zip(search, meta))
    ]


def test_overfitting_is_found_where_it_begins():
    found = onset(points([1, 2, 3, 4, 5, 6], [0.0, 0.2, 0.5, 0.3, 0.2, 0.1]))
    assert isinstance(found, Onset) and found.child == 3000
    assert found.fall == pytest.approx(0.3, abs=0.05) and found.p <= 0.05


@pytest.mark.parametrize(
    ("search", "meta"),
    [
        ([1, 2, 3, 4, 5], [0.1, 0.2, 0.3, 0.4, 0.5]),  # both rise
        ([1, 2, 2, 2, 2], [0.1, 0.5, 0.3, 0.2, 0.2]),  # the search does not rise any more
        ([1, 2, 3, 4], [0.1, 0.2, 0.5, 0.1]),  # one later point is not enough
        ([1], [0.5]),
        ([], []),
    ],
)
def test_none_where_there_is_none(search, meta):
    assert onset(points(search, meta)) is None


def test_programs_that_fail_later_count_as_the_worst():
    good = points([1, 2, 3], [0.0, 0.3, 0.5])
    bad = [Point(9000 + i, 9, 9.0, (-math.inf,) * 5) for i in range(2)]
    assert onset([*good, *bad]).child == 3000
    assert onset(bad) is None and onset([Point(1, 1, 1.0, ())]) is None


def test_a_flat_curve_gives_a_false_onset_at_most_at_the_level():
    rng, alarms, level = np.random.default_rng(1), 0, 0.05
    for _ in range(1_000):
        curve = points(range(12), [0.0] * 12, seeds=4, noise=0.1, rng=rng)
        alarms += onset(curve, level) is not None
    assert alarms <= stats.binom.ppf(1 - 1e-4, 1_000, level)


@pytest.mark.parametrize(("fall", "least"), [(4.0, 0.98), (2.0, 0.7)])
def test_a_fall_is_seen_with_the_default_seeds(fall, least):
    """Ten points; after the fifth meta-validation falls by so many standard deviations of a seed's
    difference between two points."""
    rng, seeds = np.random.default_rng(2), MetaValidationSettings().seeds
    meta = [0.1 * min(i, 4) - 0.1 * fall * (i > 4) for i in range(10)]
    curves = [points(range(10), meta, seeds, 0.1 / math.sqrt(2), rng) for _ in range(200)]
    found = [begin for begin in map(onset, curves) if begin is not None]
    assert len(found) >= least * 200
    assert np.mean([begin.child <= 5000 for begin in found]) > 0.95


@pytest.mark.parametrize("rising", [0.0, 0.02])
def test_the_default_seeds_give_a_false_onset_at_most_at_the_level(rising):
    rng, settings, alarms = np.random.default_rng(3), MetaValidationSettings(), 0
    for _ in range(1_000):
        meta = [rising * i for i in range(10)]
        curve = points(range(10), meta, settings.seeds, 0.1, rng)
        alarms += onset(curve, settings.level) is not None
    assert alarms <= stats.binom.ppf(1 - 1e-4, 1_000, settings.level)


def fill(store: Store, children: int, start: int = 0):
    """Two repeats side by side; fitness rises at children 3, 14 and 25 of repeat 0 alone."""
    programs = [load(f"library:{name}") for name in ("adamw", "lion", "signum", "sgd")]
    if not start:
        for i, program in enumerate(programs, start=1):
            key = analyse(program).functional_hash
            fitness, text = float(i), str(program)
            store.add(toys.program_row(i, functional=key, fitness=fitness, text=text))
    for number in range(start, children):
        repeat, child = number % 2, number // 2
        program = 1 + (repeat == 0 and child % 11 == 3) * (1 + min(child // 11, 2))
        store.add(toys.individual_row(number, repeat=repeat, child=child, program=program))
    store.commit()


def scored(store: Store, number: int, task: str, fitness: dict[int, float]):
    """The trainings of a leader, by seed."""
    for seed, value in fitness.items():
        outcome = Outcome.COMPLETED if math.isfinite(value) else Outcome.FAILED
        row = evaluation_row(
            number, Purpose.META_VALIDATION, Evaluation(task, seed, value, outcome, 1)
        )
        store.add(row)


def with_settings(**changes) -> Config:
    return CONFIG.model_copy(update={"meta_validation": SETTINGS.model_copy(update=changes)})


@pytest.mark.parametrize(
    ("changes", "task", "seeds"),
    [
        ({"scale": 1.0}, "vision_mlp", (7000, 7001, 7002)),
        ({"seeds": 5}, "vision_mlp@10", (7003, 7004)),
        ({"seeds": 2}, "vision_mlp@10", ()),
    ],
)
def test_what_other_settings_than_before_ask_for_is_trained(tmp_path, changes, task, seeds):
    config = with_settings(**changes)
    with Store(tmp_path) as store:
        fill(store, 19)
        scored(store, 6, "vision_mlp@10", {7000: -1.0, 7001: -2.0, 7002: -3.0})
        store.commit()
        jobs = MetaValidation(store, config.meta_validation, TASKS).due()
        asked = [(job.number, r.task, r.seed) for job in jobs for r in job.requests]
        assert asked == [(6, task, seed) for seed in seeds]
        if seeds:
            [point] = curves(store, config)[0]
            assert point.meta == ()  # nothing of other settings stands in a curve
        scored(store, 6, task, dict.fromkeys(seeds, -4.0))
        store.commit()
        assert MetaValidation(store, config.meta_validation, TASKS).due() == []
        [point] = curves(store, config)[0]
        shared = {7000: -1.0, 7001: -2.0, 7002: -3.0} if task.endswith("@10") else {}
        by_seed = shared | dict.fromkeys(seeds, -4.0)
        assert point.meta == tuple(by_seed.values())[: config.meta_validation.seeds]
        [before] = curves(store, CONFIG)[0]
        assert before.meta == (-1.0, -2.0, -3.0)


def test_points_are_asked_for_once_and_again_after_a_kill(tmp_path):
    with Store(tmp_path) as store:
        fill(store, 19)
        meta = MetaValidation(store, SETTINGS, TASKS)
        assert [job.number for job in meta.due()] == [6]  # repeat 0 after 10 children
        fill(store, 60, start=19)
        jobs = meta.due()
        # Repeat 1 never gets better than its first; repeat 0 has a new leader each time.
        assert sorted(job.number for job in jobs) == [1, 28, 50]
        assert jobs[0].purpose == Purpose.META_VALIDATION and jobs[0].seeds == (7000, 7001, 7002)
        assert meta.due() == []
        for number in (6, 1):
            for seed in jobs[0].seeds:
                scored(store, number, "vision_mlp@10", {seed: seed / 1e4})
        scored(store, 28, "vision_mlp@10", dict.fromkeys(jobs[0].seeds, -math.inf))
        store.commit()
        assert [job.number for job in MetaValidation(store, SETTINGS, TASKS).due()] == [50]
        found = curves(store, CONFIG)
        assert [point.number for point in found[0]] == [6, 28, 50]
        assert [point.child for point in found[0]] == [10, 20, 30]
        assert found[0][0].mean == pytest.approx(0.7001)
        assert found[0][1].meta == (-math.inf,) * 3 and found[0][2].meta == ()
        assert [point.number for point in found[1]] == [1, 1, 1]
        assert MetaValidation(store, MetaValidationSettings(), TASKS).due() == []
        without = CONFIG.model_copy(update={"meta_validation": MetaValidationSettings()})
        assert curves(store, without) == {}


def test_a_worker_that_failed_says_nothing_of_another_scale(tmp_path):
    def evaluate(job):
        if job.requests[0].task.endswith("@10"):
            raise MemoryError
        return toys.evaluate(job)

    def point(scale: float) -> Point:
        config = Config.model_validate(
            {
                "evolution": {"children": 10, "population": 5, "repeats": 1, "window": 5},
                "evaluation": {"tasks": TASKS},
                "rescore": {"programs": 0},
                "meta_validation": {"every": 10, "seeds": 2, "scale": scale},
                "workers": {"address": "in_process"},
            }
        )
        evolve(tmp_path, config, factory=lambda: evaluate, starts=[load("library:adamw")])
        with Reader(tmp_path) as store:
            [point] = curves(store, config)[0]
        return point

    assert point(scale=10).meta == (-math.inf, -math.inf)
    again = point(scale=2)
    assert again.meta == (again.search, again.search)
    assert point(scale=10).meta == (-math.inf, -math.inf)


def test_tasks_are_weighted_as_in_the_search(tmp_path):
    tasks = EvaluationSettings(tasks=("vision_mlp", "language_mlp"), weights=(3, 1))
    with Store(tmp_path) as store:
        fill(store, 19)
        for task, fitness in (("vision_mlp@10", -1.0), ("language_mlp@10", -3.0)):
            scored(store, 6, task, dict.fromkeys((7000, 7001, 7002), fitness))
        store.commit()
        [point] = curves(store, CONFIG.model_copy(update={"evaluation": tasks}))[0]
    assert point.meta == (-1.5,) * 3


TOY_SEARCH = """\
evolution: {children: 250, population: 40, repeats: 2, rounds: 1, window: 40}
evaluation: {tasks: [vision_mlp], settings: {vision_mlp: {steps: 5}}}
rescore: {programs: 0}
workers: {address: in_process}
funnel: null
"""


def test_it_changes_no_history_and_its_last_point_is_not_lost(tmp_path):
    config = tmp_path / "toy.yaml"
    config.write_text(TOY_SEARCH)

    def run(*command: str) -> str:
        done = subprocess.run([sys.executable, *command], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    digests = {}
    for every in ("0", "125"):
        options = ["--config", str(config), "--run-dir", str(tmp_path / every)]
        for setting in (f"every={every}", "scale=1", "seeds=2"):
            options += ["--set", f"meta_validation.{setting}"]
        run(toys.__file__, *options)
        with Reader(tmp_path / every) as store:
            digests[every], found = history_digest(store), curves(store, config_of(store))
    assert digests["0"] == digests["125"]
    for repeat in (0, 1):
        assert [(p.child, len(p.meta)) for p in found[repeat]] == [(125, 2), (250, 2)]
    assert "after 250 children: search" in run("-m", "search.inspect", str(tmp_path / "125"))
    assert run("scripts/figures", str(tmp_path / "125")).startswith("drawn")
    assert "meta-validation" in (tmp_path / "125" / "figure.svg").read_text()


@pytest.mark.slow
def test_a_real_point():
    evaluate = worker_factory(EvaluationSettings(tasks=("vision_mlp",)))()
    lion = load("library:lion")
    requests = tuple(Request(lion, "vision_mlp@2", seed, META) for seed in (7000, 7001))
    evaluations = evaluate(Job(0, Purpose.META_VALIDATION, requests))
    assert [e.task for e in evaluations] == ["vision_mlp@2"] * 2
    assert all(math.isfinite(e.fitness) for e in evaluations)
