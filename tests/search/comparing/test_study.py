"""The course of a comparison: the same budget for all, fresh seeds, nothing trained twice."""

import functools
from collections import Counter

import pytest

from programs import Function, load, register, unregister
from search.comparing.asking import MOST_FAILURES, Asking
from search.comparing.conditions import conditions_of
from search.comparing.contender import Contender
from search.comparing.records import FILE, Records
from search.comparing.study import Study, most_trainings
from search.comparing.trial import Kind, Measured
from search.evaluation.jobs import TooManyFailures
from search.evaluation.seeds import COMPARISON, COMPARISON_TUNING
from search.stopping import Stopped
from search.workers.in_process import InProcess
from tests.search.comparing.toy import Toy, config, fitness, measured, results

THREE = [
    {"rule": "optax:adamw", "name": "A"},
    {"rule": "library:adamw_corrected", "name": "B"},
    {"rule": "optax:nadam", "name": "C", "space": {"rate": 0.01}},
]


def _worker():
    return lambda job: [measured(trial, fitness(trial)) for trial in job.requests]


def _ask(tmp_path, records, *, pools=None, stopping=lambda: None):
    def start():
        pool = InProcess(_worker)
        if pools is not None:
            pools.append(pool)
        return pool

    fingerprints = {condition: condition.label for condition in conditions_of(config())}
    return Asking(start, records, fingerprints=fingerprints, stopping=stopping)


def test_each_optimizer_has_the_same_budget_whatever_it_tunes():
    toy, settings = Toy(), config(optimizers=THREE)
    results(settings, toy)
    kinds = Counter((t.contender.rule, t.kind) for t in toy.asked)
    rules = {rule for rule, _ in kinds}
    assert len(rules) == 3
    for rule in rules:
        assert kinds[rule, Kind.DRAW] == 3 * (8 + 2 * 1) and kinds[rule, Kind.FINAL] == 3 * 3
    assert len(toy.asked) == most_trainings(settings)


def test_every_run_is_judged_on_seeds_that_tuned_nothing():
    toy = Toy()
    results(config(), toy)
    seeds = {kind: {t.seed for t in toy.asked if t.kind is kind} for kind in Kind}
    tuning = {s for run in range(3) for s in COMPARISON_TUNING.take(2, block=run)}
    final = {s for run in range(3) for s in COMPARISON.take(3, block=run)}
    assert seeds[Kind.DRAW] == tuning and seeds[Kind.FINAL] == final
    assert not tuning & final


def test_two_names_have_draws_of_their_own_and_one_has_the_same_again():
    one, again = Toy(), Toy()
    first, second = results(config(), one), results(config(), again)
    assert first == second and one.asked == again.asked
    a, b = first[0].optimizers
    assert a.runs[0].values != b.runs[0].values


def test_the_best_draw_of_a_run_is_taken():
    [condition] = results(config(tuning={"runs": 3, "draws": 16, "keep": 1, "seeds": 1}))
    for one in condition.optimizers:
        for run in one.runs:
            assert run.validation == max(run.draws)


def test_what_is_measured_besides_counts_among_the_trainings_at_most():
    settings, toy = config(speed={}, heat_map={"points": [2, 2], "seeds": 1}), Toy()
    results(settings, toy)
    assert len(toy.asked) == most_trainings(settings)


def test_a_heat_map_covers_the_ranges():
    settings = config(heat_map={"points": [4, 3], "seeds": 2})
    toy = Toy()
    [condition] = results(settings, toy)
    assert len(toy.asked) == most_trainings(settings)
    assert [one.optimizer for one in condition.heat_maps] == ["A", "B"]
    one = condition.heat_maps[0]
    assert one.across[0] == 3e-4 and one.across[-1] == pytest.approx(0.3)
    assert (len(one.fitness), len(one.fitness[0])) == (3, 4)
    best = max(value for row in one.fitness for value in row)
    assert any(best in (row[1], row[2]) for row in one.fitness)  # rates 3e-3 and 3e-2


def test_a_comparison_that_was_stopped_anywhere_goes_on_and_pays_for_nothing_twice(tmp_path):
    whole = results(config())
    count = most_trainings(config())
    paid, stops = 0, 0
    while True:
        with Records(tmp_path / FILE) as records:
            before = len(records.known)
            limit = before + 17

            def stopping(records=records, limit=limit):
                return 15 if len(records.known) >= limit else None

            asking = _ask(tmp_path, records, stopping=stopping)
            try:
                conditions = Study(config(), asking).run()
            except Stopped:
                stops += 1
                continue
            finally:
                paid += asking.trained
                asking.close()
            break
    assert conditions == whole and paid == count and stops >= 1


def test_without_anything_to_train_no_worker_starts(tmp_path):
    pools = []
    for _ in range(2):
        with Records(tmp_path / FILE) as records:
            asking = _ask(tmp_path, records, pools=pools)
            Study(config(), asking).run()
            asking.close()
    assert len(pools) == 1 and asking.trained == 0 and asking.reused == most_trainings(config())


def test_what_no_worker_can_train_ends_it(tmp_path):
    def fails(job):
        raise OSError("no data")

    with Records(tmp_path / FILE) as records:
        start = functools.partial(InProcess, lambda: fails)
        fingerprints = {condition: "" for condition in conditions_of(config())}
        asking = Asking(start, records, fingerprints=fingerprints)
        with pytest.raises(TooManyFailures, match="no data"):
            Study(config(), asking).run()
        asking.close()
        assert len(records.known) >= MOST_FAILURES


def test_the_result_of_a_training_depends_on_all_that_its_key_holds():
    toy = Toy()
    results(config(optimizers=THREE, batch_sizes=[8, 16], schedules=["cosine", "linear"]), toy)
    keys = {trial.key("f") for trial in toy.asked}
    assert len(keys) == len({(t.contender, t.condition, t.seed, t.kind) for t in toy.asked})
    assert toy.asked[0].key("f") != toy.asked[0].key("g")
    assert isinstance(measured(toy.asked[0], 1.0), Measured)


def test_a_function_of_a_users_own_that_changes_makes_another_training():
    """Of a program; optax's optimizers have none of it."""
    program, row = Contender(load("library:sgd")), Contender("sgd", (("rate", 0.1),))
    seen = {program.identity}
    fixed = row.identity
    meanings = {"jnp.sin({0})": lambda xp, x: xp.sin(x), "jnp.cos({0})": lambda xp, x: xp.cos(x)}
    for source, meaning in meanings.items():
        register(Function("mine", 1, meaning, source=source))
        seen.add(program.identity)
        assert row.identity == fixed
    unregister("mine")
    assert len(seen) == 3 and program.identity in seen
