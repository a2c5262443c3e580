"""What a search's fitness is worth: ranks, and ends that were too early."""

import math
from types import SimpleNamespace

import pytest
import toys

from programs import load
from search.config.load import loads
from search.evaluation.fitness import Evaluation, Outcome
from search.evaluation.jobs import Purpose
from search.selection.ledger import Progress
from search.storage.conversion import evaluation_row
from search.storage.store import Store
from search.studies.noise import Trained, early_ends, ranks, trained_programs

CONFIG = loads(b"""
evaluation: {tasks: [vision_mlp], seeds: 3, race: 0.5, rates: [1.0, 0.5], rates_when: always}
""")
LION = load("library:lion")
DONE, BEHIND, DIVERGED = Outcome.COMPLETED, Outcome.HURDLE, Outcome.DIVERGED


class Ledger:
    """Fitness by a function of program and seed, in the ledger's place."""

    def __init__(self, fitness):
        self.fitness, self.progress, self.asked = fitness, Progress(), []

    def __call__(self, requests):
        self.asked += requests
        return [self.fitness(r.program, r.seed) for r in requests]


def program(value):
    """One whose first constant says which it is."""
    return LION.with_constant(LION.constants()[0], value)


def constant(program):
    return program.constants()[0].value


def trained(value, fitness, *, niche=1, ended="", rates=(1.0,)):
    first = fitness if math.isfinite(fitness) else -math.inf
    return Trained(str(program(value)), niche, fitness, first, rates, ended)


def test_programs_are_told_by_how_they_ended(tmp_path):
    with Store(tmp_path) as store:
        cases = {  # rate, seed, fitness, outcome of the evaluations
            "complete": [(1.0, 0, 1.0, DONE), (0.5, 0, 2.0, DONE), (0.5, 1, 3.0, DONE), (0.5, 2, 4.0, DONE)],
            "race": [(1.0, 0, 1.0, DONE), (0.5, 0, 0.5, DONE)],
            "hurdle": [(1.0, 0, -math.inf, BEHIND), (0.5, 0, -math.inf, BEHIND)],
            "diverged": [(1.0, 0, -math.inf, DIVERGED)],
        }  # fmt: skip
        rate = {"complete": 0.5}
        for i, (name, its) in enumerate(cases.items(), start=1):
            outcome = {"hurdle": "HURDLE", "diverged": "DIVERGED"}.get(name, "COMPLETED")
            fitness = 3.0 if outcome == "COMPLETED" else -math.inf
            store.add(
                toys.program_row(
                    i, functional=bytes([i]), evaluated=i, fitness=fitness, outcome=outcome,
                    rate=rate.get(name, 1.0), text=str(program(i / 10)),
                )
            )  # fmt: skip
            for r, seed, value, how in its:
                one = Evaluation("vision_mlp", seed, value, how, 1, rate=r)
                store.add(evaluation_row(i, Purpose.SEARCH, one))
        store.commit()
        found = trained_programs(store, CONFIG)
    assert [one.ended for one in found] == ["", "race", "hurdle"]
    assert [one.first for one in found] == [2.0, 1.0, -math.inf]
    assert found[2].rates == (1.0, 0.5)


def test_ranks_in_each_niche():
    few = [trained(i / 100, float(i), niche=i % 2) for i in range(40)]
    ledger = Ledger(lambda program, seed: -constant(program) if seed % 2 else 0.0)
    numbers, lines = ranks(few, ledger, CONFIG, size=10, seeds=4)
    assert set(numbers) == {f"niche {n}, {kind}" for n in (0, 1) for kind in ("leaders", "all")}
    assert all(one["search"]["value"] == pytest.approx(-1) for one in numbers.values())
    assert {r.seed for r in ledger.asked} == set(range(9000, 9004))
    assert lines[0] == "Rank correlation with the mean of 4 fresh seeds:"


def test_ranks_of_few_programs_are_said_to_be_of_too_few():
    few = [trained(i / 100, float(i)) for i in range(4)]
    _, lines = ranks(few, Ledger(lambda program, _: constant(program)), CONFIG, size=10, seeds=2)
    assert lines[-1] == "too few: fewer than 5 programs"
    assert all(line.split()[3:] == ["too", "few", "too", "few"] for line in lines[3:-1])


def test_false_ends_are_those_among_the_best_of_their_niche():
    done = [trained(i / 1000, float(i)) for i in range(100)]  # the best 1 %: 99
    ended = [
        trained(0.5 + i / 1000, -math.inf, ended="hurdle", rates=(1.0, 0.5)) for i in range(20)
    ]
    ended += [trained(0.7 + i / 1000, 3.0, ended="race") for i in range(20)]

    def fitness(program, seed):  # one of each kind is as good as the best, the first only at half
        is_half = "0.5" in str(program).splitlines()[-2]
        good = constant(program) in (0.505, 0.705)
        if constant(program) == 0.51:
            return -math.inf
        return 100.0 if good else 50.0 + is_half

    ledger = Ledger(fitness)
    numbers, lines = early_ends([*done, *ended], ledger, CONFIG, size=100)
    assert [numbers[kind]["false"] for kind in ("hurdle", "race", "either")] == [1, 1, 2]
    assert lines[-1] == "a limit of 0.5%: does not hold"
    # 20 at two rates and 20 at one on the first seed; all but one at one rate on two others.
    assert len(ledger.asked) == 60 + 39 * 2
    numbers, _ = early_ends([*done, *ended[6:20]], ledger, CONFIG, size=100)
    assert numbers["verdict"] == "a limit of 0.5%: is not decided by this sample"
    many = [trained(0.2 + i / 10_000, -math.inf, ended="hurdle") for i in range(800)]
    numbers, _ = early_ends([*done, *many], ledger, CONFIG, size=800)
    assert numbers["verdict"] == "a limit of 0.5%: holds"


def test_a_run_without_early_ends_is_not_judged():
    numbers, _ = early_ends([trained(0.1, 1.0)], Ledger(SimpleNamespace), CONFIG, size=5)
    assert numbers["either"]["share"]["value"] is None
