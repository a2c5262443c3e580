"""The evaluator: programs on tasks, in either engine."""

import itertools
import math
import os
import random
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from small_trainings import SMALL

from programs import Program, Statement, live_across_steps, load
from programs.behaviour import Screening, behaviour
from programs.draws import child_rng
from programs.interpreter import CAPACITIES, capacity_of
from programs.mutate import mutate
from proxy_tasks import TaskError, make_task
from search.config.settings import EvaluationSettings
from search.evaluation.evaluator import Evaluator, engine_for
from search.evaluation.fitness import Evaluation, Outcome, score_of
from search.evaluation.jobs import Job, Purpose
from search.evaluation.optimizers import read_program
from search.evaluation.request import Request
from search.evaluation.threads import SINGLE_THREADED
from tests.strategies import random_programs

LION = load("library:lion")
SLOW = pytest.mark.slow
DIVERGES = "def train(w, g, lr):\n  update = g * 1e30\n  return update\n"


def test_engines_see_gradients_of_the_same_random_size():
    scales = {"gradient_scale_by_seed": 1.0, "gradient_scale_by_array": 1.0}
    fitness = [
        [evaluation.fitness for evaluation in evaluator.evaluate("library:momentum", seeds=(0, 1))]
        for evaluator in (
            Evaluator(["vision_mlp"], engine, settings={"vision_mlp": {"steps": 30, **settings}})
            for engine, settings in [
                ("interpreted", scales),
                ("compiled", scales),
                ("compiled", {}),
            ]
        )
    ]
    np.testing.assert_allclose(fitness[0], fitness[1], rtol=1e-4)
    assert (np.abs(np.subtract(fitness[1], fitness[2])) > 1e-3).all()


def test_engines_agree(task, evaluator):
    compiled = Evaluator([task], "compiled")
    for name in ("lion", "adamw"):
        one = evaluator.evaluate(f"library:{name}", seeds=(0, 1))
        other = compiled.evaluate(load(f"library:{name}"), seeds=(0, 1))
        assert [e.seed for e in one] == [0, 1]
        assert {e.outcome for e in one + other} == {Outcome.COMPLETED}
        np.testing.assert_allclose(
            [e.fitness for e in one], [e.fitness for e in other], rtol=1e-3, err_msg=name
        )
        assert other[0].compile_seconds > 0  # once for all seeds, and kept
        assert compiled.evaluate(f"library:{name}")[0].compile_seconds == 0


def test_a_bad_program_costs_little(task, evaluator):
    evaluator.evaluate("library:lion")
    (evaluation,) = evaluator.evaluate(DIVERGES)
    assert evaluation.outcome is Outcome.DIVERGED
    assert evaluation.fitness == -math.inf
    assert evaluation.steps <= 0.1 * task.steps
    assert evaluation.compile_seconds == 0


def _mutants(count, seed):
    """AdamW under 1 to 30 mutations, worth training by their conduct."""
    for chain in itertools.count():
        rng = child_rng(seed, 0, chain)
        program = load("library:adamw")
        for _ in range(1 + int(rng.random() * 30)):
            program = mutate(program, rng).program
        if (
            capacity_of(program) == CAPACITIES[0]
            and behaviour(program).screening is Screening.TRAINABLE
        ):
            yield program
            count -= 1
        if not count:
            return


@pytest.mark.parametrize("name", ["vision_mlp", pytest.param("language_mlp", marks=SLOW)])
def test_diverging_programs_cost_under_a_tenth_on_average(name):
    task = make_task(name)
    evaluator = Evaluator([task], "interpreted")
    evaluations = [evaluator.evaluate(program)[0] for program in _mutants(150, seed=1)]
    shares = [e.steps / task.steps for e in evaluations if e.outcome is Outcome.DIVERGED]
    quantiles = np.quantile(shares, [0.5, 0.75, 0.9, 0.95, 1])
    print(
        f"\n{name}: {len(shares)} of 150 programs diverge, after a share of {task.steps} steps of "
        f"{np.mean(shares):.1%} on average; median, 75 %, 90 %, 95 %, largest: {quantiles}; "
        f"{np.mean(np.array(shares) > 0.1):.0%} of them after more than a tenth"
    )
    assert len(shares) > 20
    assert np.mean(shares) < 0.1


def test_hurdles_end_a_training(task, evaluator):
    (free,) = evaluator.evaluate("library:lion")
    assert free.outcome is Outcome.COMPLETED and len(free.checkpoints) == 1
    reached = free.checkpoints[0]
    passes = evaluator.run(Request(LION, "vision_mlp", 0, thresholds=(reached - 1e-3,)))
    assert passes == _timeless(passes, free)
    ended = evaluator.run(Request(LION, "vision_mlp", 0, thresholds=(reached + 1e-3,)))
    assert ended.outcome is Outcome.HURDLE
    assert ended.fitness == -math.inf
    assert ended.checkpoints == free.checkpoints
    assert ended.steps == task.steps // 2


def _timeless(like, evaluation):
    times = {"compile_seconds": like.compile_seconds, "run_seconds": like.run_seconds}
    return replace(evaluation, **times)


def test_stops_at_the_first_failure_on_request(evaluator):
    assert len(evaluator.evaluate(DIVERGES, seeds=(0, 1, 2))) == 3
    requests = tuple(Request(read_program(DIVERGES), "vision_mlp", seed) for seed in (0, 1, 2))
    for stops, count in ((True, 1), (False, 3)):
        job = Job(0, Purpose.SEARCH, requests, stop_at_failure=stops)
        assert len(list(evaluator.each(job))) == count


@pytest.mark.parametrize(
    "fitness, tried",
    [
        ({1.0: 0.3}, [1.0]),
        ({1.0: None, 0.5: 0.1, 0.25: 0.2}, [1.0, 0.5]),
        ({1.0: None, 0.5: None, 0.25: None}, [1.0, 0.5, 0.25]),
    ],
)
def test_which_rates_are_tried(evaluator, monkeypatch, fitness, tried):
    def run(request):
        value, done = fitness[request.rate], fitness[request.rate] is not None
        outcome = Outcome.COMPLETED if done else Outcome.DIVERGED
        value = value if done else -math.inf
        return Evaluation(request.task, request.seed, value, outcome, 1, rate=request.rate)

    monkeypatch.setattr(evaluator, "run", run)
    requests = [Request(LION, "t", s, rate=rate) for rate in (1.0, 0.5, 0.25) for s in (0, 1)]
    job = Job(0, Purpose.SEARCH, tuple(requests), stop_at_failure=True)
    done = list(evaluator.each(job))
    assert list(dict.fromkeys(e.rate for e in done)) == tried
    assert all((e.outcome is Outcome.COMPLETED) or e.seed == 0 for e in done)


@pytest.mark.parametrize(
    ("fails", "fitness", "tried", "score"),
    [
        # rate -> its fitness; (rate, seed) that fails; (rate, seed) in order of training
        ((), {1.0: 0.1, 0.5: 0.3, 0.25: 0.2}, "1/0 .5/0 .25/0 .5/1 .5/2", (0.5, 0.3)),
        ((), {1.0: 0.3, 0.5: 0.2, 0.25: 0.1}, "1/0 .5/0 .25/0 1/1 1/2", (1.0, 0.3)),
        (("1/0",), {1.0: 0.3, 0.5: 0.2, 0.25: 0.1}, "1/0 .5/0 .25/0 .5/1 .5/2", (0.5, 0.2)),
        (
            (".5/1",),
            {1.0: 0.1, 0.5: 0.3, 0.25: 0.2},
            "1/0 .5/0 .25/0 .5/1 .25/1 .25/2",
            (0.25, 0.2),
        ),
        (
            ("1/2", ".5/1", ".25/0"),
            {1.0: 0.3, 0.5: 0.2, 0.25: 0.1},
            "1/0 .5/0 .25/0 1/1 1/2 .5/1",
            (1.0, -math.inf),
        ),
        (("1/0", ".5/0", ".25/0"), {}, "1/0 .5/0 .25/0", (1.0, -math.inf)),
    ],
)
def test_the_first_seed_decides_which_rate_the_others_are_for(
    evaluator, monkeypatch, fails, fitness, tried, score
):
    def name(rate, seed):
        return f"{rate:g}/{seed}".removeprefix("0")

    def run(request):
        fails_here = name(request.rate, request.seed) in fails
        value = -math.inf if fails_here else fitness[request.rate]
        outcome = Outcome.HURDLE if fails_here else Outcome.COMPLETED
        return Evaluation("t", request.seed, value, outcome, 1, rate=request.rate)

    monkeypatch.setattr(evaluator, "run", run)
    rates = (1.0, 0.5, 0.25)
    requests = [Request(LION, "t", seed, rate=rate) for rate in rates for seed in (0, 1, 2)]
    job = Job(0, Purpose.SEARCH, tuple(requests), stop_at_failure=True, first_seed_decides=True)
    done = list(evaluator.each(job))
    assert " ".join(name(e.rate, e.seed) for e in done) == tried
    result = score_of(done, EvaluationSettings(tasks=("t",), seeds=3, rates=rates))
    assert (result.rate, pytest.approx(result.fitness)) == score


RACES = {
    "behind after one": ([0.1, 9, 9], (0.2, 0.3), (), "1/0 .5/0"),
    "level after one, behind after two": ([0.2, 0.3, 9], (0.2, 0.3), (), "1/0 .5/0 1/1"),
    "level": ([0.2, 0.4, 9], (0.2, 0.3), (), "1/0 .5/0 1/1 1/2"),
    "too few that were so far": ([0.2, 0.1, 9], (0.2,), (), "1/0 .5/0 1/1 1/2"),
    "a later seed fails": ([0.2, 0.4, 9], (0.05,), ("1/1",), "1/0 .5/0 1/1 .5/1 .5/2"),
    "and the other rate is behind": ([0.2, 0.4, 9], (0.15,), ("1/1",), "1/0 .5/0 1/1"),
}


@pytest.mark.parametrize("by_seed, race, fails, tried", RACES.values(), ids=RACES)
def test_the_next_seed_is_for_those_who_are_level_so_far(
    evaluator, monkeypatch, by_seed, race, fails, tried
):
    """The rate 0.5 has half the fitness."""

    def name(request):
        return f"{request.rate:g}/{request.seed}".removeprefix("0")

    def run(request):
        if name(request) in fails:
            return Evaluation("t", request.seed, -math.inf, Outcome.DIVERGED, 1, rate=request.rate)
        fitness = by_seed[request.seed] * request.rate
        return Evaluation("t", request.seed, fitness, Outcome.COMPLETED, 1, rate=request.rate)

    monkeypatch.setattr(evaluator, "run", run)
    requests = tuple(Request(LION, "t", seed, rate=r) for r in (1.0, 0.5) for seed in (0, 1, 2))
    job = Job(0, Purpose.SEARCH, requests, first_seed_decides=True, race=race)
    done = [f"{e.rate:g}/{e.seed}".removeprefix("0") for e in evaluator.each(job)]
    assert " ".join(done) == tried


def test_without_a_decision_by_the_first_seed_a_race_ends_at_the_first_rate_that_completes(
    evaluator, monkeypatch
):
    def run(request):
        fitness = {1.0: -math.inf, 0.5: 0.3, 0.25: 0.9}[request.rate]
        outcome = Outcome.COMPLETED if math.isfinite(fitness) else Outcome.DIVERGED
        return Evaluation("t", request.seed, fitness, outcome, 1, rate=request.rate)

    monkeypatch.setattr(evaluator, "run", run)
    requests = tuple(Request(LION, "t", s, rate=r) for r in (1.0, 0.5, 0.25) for s in (0, 1))
    job = Job(0, Purpose.SEARCH, requests, stop_at_failure=True, race=(0.2,))
    assert [(e.rate, e.seed) for e in evaluator.each(job)] == [(1.0, 0), (0.5, 0), (0.5, 1)]


def _compilations(run):
    """How often JAX compiled during a call."""
    seen, active = [], True

    def listen(event, seconds, **_):
        if active and event == "/jax/core/compile/backend_compile_duration":
            seen.append(event)

    jax.monitoring.register_event_duration_secs_listener(listen)
    run()
    active = False
    return len(seen)


def _check_no_compilation(evaluator, count):
    found = [p for p in random_programs(2 * count, seed=7) if capacity_of(p) == CAPACITIES[0]]
    found = found[:count]
    assert len(found) == count
    evaluator.evaluate(found[0])
    assert _compilations(lambda: [evaluator.evaluate(program) for program in found]) == 0
    assert _compilations(lambda: jax.jit(lambda x: x * 3)(1.0)) == 1, "the counter counts"


def test_other_programs_compile_nothing(evaluator):
    _check_no_compilation(evaluator, 100)


def _long(live, rng):
    """AdamW with averages of its own values added to the update, `live` live statements in all."""
    statements = [*load("library:adamw").statements, Statement("t", "multiply", ("g", 1e-6))]
    while len(statements) < live - 2:
        function = rng.choice(["maximum", "minimum", "add", "subtract", "interp"])
        arguments = ("t", rng.choice(["m", "v", "g", "update", "t"]))
        rest = (rng.random(),) if function == "interp" else ()
        statements += [Statement("t", function, arguments + rest)]
    statements += [Statement("t", "clip", ("t", 1e-6)), Statement("update", "add", ("update", "t"))]
    program = Program(load("library:adamw").states, tuple(statements))
    assert len(live_across_steps(program)) == live
    return program


@pytest.mark.slow
def test_programs_of_all_sizes_compile_once_per_capacity(task):
    rng = random.Random(0)
    found = [_long(live, rng) for live in (20, 30, 50, 100, 300, 500, 600, 800, 1000)]
    by_capacity = {capacity_of(program): program for program in found}
    assert set(by_capacity) == set(CAPACITIES)
    evaluator = Evaluator([task], "interpreted")
    for program in by_capacity.values():
        evaluator.evaluate(program)
    evaluations = []
    found = [*found, *_mutants(10, seed=2)]
    rng.shuffle(found)
    assert _compilations(lambda: evaluations.extend(map(evaluator.evaluate, found))) == 0
    assert _compilations(lambda: jax.jit(lambda x: x * 5)(1.0)) == 1, "the counter counts"
    assert sum(e.outcome is Outcome.COMPLETED for (e,) in evaluations) >= 9


@pytest.mark.slow
def test_a_thousand_programs_compile_nothing():
    _check_no_compilation(Evaluator(["vision_mlp"], "interpreted"), 1000)


@pytest.mark.parametrize("engine", ["interpreted", "compiled"])
@pytest.mark.parametrize("setting", [jax.enable_x64(True), jax.numpy_dtype_promotion("strict")])
def test_the_same_bits_whatever_jax_is_set_to(engine, setting):
    def fitness():
        evaluator = Evaluator(["vision_mlp"], engine, settings=SMALL)
        return [evaluation.fitness for evaluation in evaluator.evaluate(LION)]

    by_default = fitness()
    with setting:
        assert fitness() == by_default


_REPEAT = """
import sys
from search.evaluation.threads import single_threaded
single_threaded()
from programs.behaviour import Screening, behaviour
from proxy_tasks import make_task
from search.evaluation.evaluator import Evaluator
from tests.strategies import random_programs
settings = dict(steps=int(sys.argv[3])) if sys.argv[3:] else {}
evaluator = Evaluator([make_task(sys.argv[2], **settings)], "interpreted")
programs = [p for p in random_programs(60, 8) if behaviour(p).screening is Screening.TRAINABLE][:5]
for i in range(int(sys.argv[1])):
    for program in ["library:adamw", *programs]:
        (evaluation,) = evaluator.evaluate(program)
        print(evaluation.outcome.name, evaluation.fitness.hex())
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "task",  # few steps where they are expensive
    ["vision_mlp", "language_mlp", "vision_vit 5", "language_transformer 5"],
)
def test_the_same_bits_in_100_runs_of_3_processes(task, processes=3, repeats=34):
    lines = set()
    for _ in range(processes):
        run = subprocess.run(
            [sys.executable, "-c", _REPEAT, str(repeats), *task.split()],
            capture_output=True,
            text=True,
            env={**os.environ, **SINGLE_THREADED, "PYTHONPATH": "."},
        )
        assert run.returncode == 0, run.stderr[-2000:]
        rows = run.stdout.splitlines()
        assert len(rows) == 6 * repeats
        lines |= {(i % 6, row) for i, row in enumerate(rows)}
    assert len(lines) == 6, sorted(lines)


def test_the_engine_follows_from_the_task_alone(task):
    assert engine_for(task) == "interpreted"
    assert engine_for(SimpleNamespace(steps=200, parameters=22_474)) == "interpreted"
    assert engine_for(SimpleNamespace(steps=30_000, parameters=360_000)) == "compiled"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"vision_mpl": {"steps": 3}}, "'vision_mpl' is not one of the tasks; did you mean"),
        ({"steps": 3}, "expected those of each task by its name"),
    ],
)
def test_settings_of_no_task_are_refused(settings, words):
    with pytest.raises(TaskError, match=words):
        Evaluator(["vision_mlp"], settings=settings)
