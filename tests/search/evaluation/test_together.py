"""Programs side by side give what they give one by one.

Equal outcomes and steps, and fitness to 1e-5, or to what a training changes by when its initial
weights are moved by a few units in the last place: sums of a batch are rounded in another order, and
some programs make much of a rounding.
"""

import functools
import logging
import math

import jax
import numpy as np
import pytest
from jax.errors import JaxRuntimeError
from small_trainings import SMALL

from programs import Program, Statement, load, parse
from programs.functions import FUNCTIONS
from programs.interpreter import CAPACITIES, capacity_of
from proxy_tasks import DeviceData, TaskError, batch_memory
from proxy_tasks.batch_memory import MOST, SHARE, bytes_of_a_row, fitting_size
from proxy_tasks.batch_training import BatchTraining
from search.evaluation.evaluator import Evaluator
from search.evaluation.fitness import Outcome
from search.evaluation.jobs import Job, Purpose
from search.evaluation.plan import plan
from search.evaluation.request import META, SEARCH, Request
from search.evaluation.source import evaluation_function
from search.evaluation.together import Together
from tests.strategies import random_programs

SETTINGS = {
    **SMALL,
    "language_mlp": {"steps": 20, "hidden": 2, "embedding": 2, "text_limit": 8000},
}
HURDLES = (0.5,)
NUDGE, NUDGES = 2.0**-22, (-2, -1, 1, 2)  # of all weights, relatively
FLOAT = 1e-5  # relative
NAN = parse("def train(w, g, lr):\n  x = g * 0.0\n  update = x / x\n  update = reciprocal(x)\n"
            "  update = update * 0.0\n  return update\n")  # fmt: skip
LION = load("library:lion")
SLOW = pytest.mark.slow


class Nudged(DeviceData):
    """The task's data, and starts whose weights are off by so many units."""

    units = 0

    def start(self, seed):
        start = super().start(seed)
        moved = jax.tree.map(lambda w: w * np.float32(1 + self.units * NUDGE), start.weights)
        return start._replace(weights=moved)


def _long(count: int) -> Program:
    """SGD in so many statements more than it needs, all of which count."""
    start = load("library:sgd")
    more = [
        Statement("update", "multiply", ("update", 1.0 + 1e-3 * (-1) ** i)) for i in range(count)
    ]
    return Program(start.states, (*start.statements, *more))


def _job(number: int, program: Program, task: str, **changes) -> Job:
    split = META if number % 5 == 4 else SEARCH
    least = (-2.2,) if number % 3 == 2 and split == SEARCH else ()
    request = Request(program, task, number % 3, split, least)
    return Job(number, Purpose.TRAINING, (request,), **changes)


@functools.cache
def _evaluator(task: str, *, whole: bool = False) -> Evaluator:
    """Compiles each training once for all tests; its data can be nudged."""
    settings = {} if whole else SETTINGS[task]
    evaluator = Evaluator(engine="interpreted", hurdles=HURDLES, settings={task: settings})
    evaluator._data[task] = Nudged(evaluator.task(task))
    return evaluator


@functools.cache
def _together(task: str, size: int, branching=None, *, whole: bool = False) -> Together:
    return Together(_evaluator(task, whole=whole), size, branching)


def _check(task: str, programs, size: int, *, whole=False, branching=None) -> None:
    evaluator = _evaluator(task, whole=whole)
    data = evaluator._data[task]
    jobs = [_job(number, program, task) for number, program in enumerate(programs)]
    for job, result in zip(jobs, _together(task, size, branching, whole=whole).together(jobs)):
        [one], [other] = evaluator.each(job), result.evaluations
        assert (result.job, other.task, other.seed) == (job, one.task, one.seed)
        same = (other.outcome, other.steps) == (one.outcome, one.steps)
        if same and _distance(other, one) <= FLOAT:
            continue
        around = []
        for data.units in NUDGES:
            around.append(evaluator.run(job.requests[0]))
        data.units = 0
        assert same or any((e.outcome, e.steps) == (other.outcome, other.steps) for e in around)
        spread = max(_distance(e, one) for e in around)
        assert _distance(other, one) <= 10 * spread, f"{job.program}"


def _distance(a, b) -> float:
    """Largest relative difference of what both reached."""
    pairs = [*zip(a.checkpoints, b.checkpoints)]
    if math.isfinite(a.fitness) and math.isfinite(b.fitness):
        pairs.append((a.fitness, b.fitness))
    elif a.fitness != b.fitness:
        return math.inf
    return max((abs(x - y) / abs(y) for x, y in pairs), default=0.0)


@functools.cache
def _mixed() -> tuple[Program, ...]:
    """Programs of the smallest capacity, whole-tree functions and NaN among them."""
    fitting = [p for p in random_programs(150, 5) if capacity_of(p) == CAPACITIES[0]][:70]
    used = {statement.function for program in fitting for statement in program}
    assert {name for name, row in FUNCTIONS.items() if row.whole_tree} <= used
    return NAN, *fitting, NAN


@pytest.mark.parametrize("size", [pytest.param(1, marks=SLOW), 7, pytest.param(64, marks=SLOW)])
def test_side_by_side_as_one_by_one(size):
    _check("vision_mlp", _mixed(), size)


@pytest.mark.slow
def test_selection_computes_the_same():
    _check("vision_mlp", _mixed()[:16], 7, branching="select")


@pytest.mark.parametrize(
    ("statements", "capacity"), [pytest.param(70, 1, marks=SLOW), pytest.param(515, 2, marks=SLOW)]
)
def test_larger_capacities(statements, capacity):
    program = _long(statements)
    assert capacity_of(program) == CAPACITIES[capacity]
    _check("vision_mlp", [program, LION, program, program], 2)


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 7, 64])
@pytest.mark.parametrize("task", SETTINGS)
def test_500_programs_of_whole_trainings(task, size):
    programs = [*random_programs(495, 11), NAN, _long(70), _long(70), _long(515), NAN]
    _check(task, programs, size, whole=True)


def test_for_one_size_the_bits_depend_on_neither_order_nor_company():
    task, found = "vision_mlp", []
    jobs = [_job(number, program, task) for number, program in enumerate(_mixed())]
    evaluate = _together(task, 7)
    for chosen in (jobs, jobs[::-1], jobs[1::3]):
        results = evaluate.together(chosen)
        assert [result.job for result in results] == chosen
        found.append({r.job.number: _bits(r.evaluations[0]) for r in results})
    assert found[1] == found[0]
    assert found[2].items() <= found[0].items()


def _bits(evaluation):
    return evaluation.fitness, evaluation.checkpoints, evaluation.outcome, evaluation.steps


def test_jobs_follow_the_same_plan():
    """Rates, seeds, failures: each job asks for what it asks for alone."""
    task, jobs = "vision_mlp", []
    for number, program in enumerate(_mixed()[:24]):
        requests = tuple(
            Request(program, task, seed, rate=rate) for rate in (1.0, 0.5) for seed in (0, 1)
        )
        bits = {"stop_at_failure": number % 2 == 0, "all_rates": number % 7 == 0}
        first = {"first_seed_decides": number % 4 == 1}
        jobs.append(Job(number, Purpose.SEARCH, requests, **bits, **first))
    evaluator = _evaluator(task)
    for job, result in zip(jobs, _together(task, 7).together(jobs)):
        alone = [(e.seed, e.rate, e.outcome) for e in evaluator.each(job)]
        assert [(e.seed, e.rate, e.outcome) for e in result.evaluations] == alone


def test_what_cannot_be_trained_fails_alone():
    too_long = _long(1030)
    jobs = [_job(i, p, "vision_mlp") for i, p in enumerate([LION, too_long, LION])]
    jobs.append(_job(3, LION, "no_such_task"))
    results = _together("vision_mlp", 7).together(jobs)
    assert [bool(result.failure) for result in results] == [False, True, False, True]
    assert "too large to interpret" in results[1].failure
    assert TaskError.__name__ in results[3].failure


def test_out_of_memory_a_smaller_batch_is_taken(monkeypatch, caplog):
    advance = BatchTraining.advance

    def limited(batch):
        if batch.size > 7:
            raise JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate")
        return advance(batch)

    monkeypatch.setattr(BatchTraining, "advance", limited)
    jobs = [_job(i, LION, "vision_mlp") for i in range(5)]
    with caplog.at_level(logging.WARNING, "search"):
        results = Together(_evaluator("vision_mlp"), 14).together(jobs)
    assert all(r.evaluations[0].outcome is not Outcome.FAILED for r in results)
    assert not any(result.failure for result in results)
    assert "vision_mlp in batches of 7, not 14" in caplog.text


def test_a_batch_that_raises_is_run_one_by_one(monkeypatch):
    def broken(_):
        raise RuntimeError("the machine's doing")

    monkeypatch.setattr(BatchTraining, "advance", broken)
    jobs = [_job(i, LION, "vision_mlp") for i in range(3)]
    results = Together(_evaluator("vision_mlp"), 2).together(jobs)
    assert not any(result.failure for result in results)


def test_the_size_follows_from_memory(monkeypatch):
    monkeypatch.setattr(batch_memory, "PROBE", 7)  # rows, compiled for the tests above
    training, hyper = _evaluator("vision_mlp").training(Request(LION, "vision_mlp", 0), "switch")
    row = bytes_of_a_row(training, hyper)
    assert row > 0
    monkeypatch.setattr(batch_memory, "bytes_of_a_row", lambda *_: row)  # compiled once
    assert fitting_size(training, hyper) == 1  # this is a CPU
    for rows, size in ((0.5, 1), (1, 1), (7.9, 4), (8.1, 8), (1e9, MOST)):
        assert fitting_size(training, hyper, int(rows * row / SHARE) + 1) == size


def test_on_a_cpu_auto_is_one_after_the_other():
    evaluate = evaluation_function("interpreted", settings=SETTINGS, batch="auto")
    assert not isinstance(evaluate, Together)
    assert isinstance(evaluation_function("interpreted", settings=SETTINGS, batch=2), Together)


def test_a_plan_asks_for_all_at_once_where_nothing_depends_on_it():
    requests = tuple(Request(LION, "vision_mlp", seed) for seed in range(4))
    assert next(plan(Job(0, Purpose.RESCORE, requests, all_rates=True))) == requests
    assert next(plan(Job(0, Purpose.TRAINING, requests))) == requests
    assert next(plan(Job(0, Purpose.SEARCH, requests, stop_at_failure=True))) == requests[:1]
