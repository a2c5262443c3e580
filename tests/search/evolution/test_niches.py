"""Niches, prices and rates: each child in its niche, the best rate in the program, and the same
history after any stop."""

from __future__ import annotations

import math
import random

import pytest
import toys
from in_process import evolve

from programs import analyse, load, parse
from programs.behaviour import update_size
from search.config.machines import WorkerSettings
from search.config.settings import Config, EvolutionSettings
from search.evaluation.fitness import Evaluation, Outcome, Score, score_of
from search.evaluation.jobs import Purpose
from search.evolution.evolution import Evolution
from search.evolution.niches import Individual, Niches, individual_of, needed_states
from search.evolution.rates import at_rate
from search.storage.leaders import Leader, front, undominated
from search.storage.lineage import individual
from search.storage.queries import evaluations, programs
from search.storage.store import Store

ADAMW, SIGNUM = load("library:adamw"), load("library:signum")
THREE = {"shares": (1.0, 2.0, 3.0)}


def settings(**changes) -> EvolutionSettings:
    plain = {"children": 300, "population": 20, "repeats": 2, "rounds": 1, "window": 16}
    return EvolutionSettings.model_validate(plain | {"niches": THREE} | changes)


def some(number: int, states: int, fitness: float, options: EvolutionSettings) -> Individual:
    outcome = Outcome.COMPLETED if math.isfinite(fitness) else Outcome.DIVERGED
    score = Score(fitness, outcome)
    return individual_of(options, number, program=ADAMW, score=score, states=states, live=9)


def test_a_program_belongs_to_the_niche_of_the_states_that_it_needs():
    assert needed_states(analyse(ADAMW)) == 2
    dead = parse(
        "def train(w, g, m, v, lr):\n    v = interp(m, v, 0.5)\n    update = g * lr\n"
        "    m = interp(g, m, 0.9)\n    return update, m, v\n"
    )
    assert needed_states(analyse(dead)) == 0
    options = settings()
    assert [some(0, states, 0.0, options).niche for states in range(5)] == [0, 1, 2, 2, 2]


def test_empty_niches_get_no_children_and_the_others_their_shares():
    options = settings()
    niches = Niches(options, [some(0, 2, -1.0, options)])
    rng = random.Random(0)
    assert {niches.draw(rng) for _ in range(50)} == {niches.populations[2]}
    niches.populations[0].add(some(1, 0, -math.inf, options))  # no fitness: nothing to start from
    niches.populations[1].add(some(2, 1, -5.0, options))
    drawn = [niches.draw(rng) for _ in range(5_000)]
    counts = [drawn.count(population) / 5_000 for population in niches.populations]
    assert counts == [0.0, pytest.approx(0.4, abs=0.03), pytest.approx(0.6, abs=0.03)]


def test_only_the_oldest_of_the_childs_own_niche_dies():
    options = settings(population=3)
    niches = Niches(options, [some(0, 2, -1.0, options)])
    two, one = niches.populations[2], niches.populations[1]
    for number in range(1, 6):
        one.add(some(number, 1, -float(number), options))
    assert [i.number for i in one.individuals] == [3, 4, 5] and one.completed == 3
    assert [i.number for i in two.individuals] == [0, 0, 0]
    assert (one.best, two.best) == (-math.inf, -1.0)
    assert one.notice(-2.0) and not one.notice(-3.0) and not two.notice(-1.0)


def test_a_price_decides_tournaments_and_leaves_the_fitness():
    options = settings(niches=None, price={"state": 0.1, "statement": 0.01})
    cheap, costly = some(0, 0, -1.0, options), some(1, 2, -0.9, options)
    assert cheap.worth == pytest.approx(-1.09) and costly.worth == pytest.approx(-1.19)
    assert costly.fitness > cheap.fitness
    assert cheap.worth > costly.worth


def test_a_repeat_goes_on_while_any_niche_improves():
    options = settings(flat_children=5, window=1, children=60)
    evolution = Evolution(options, 0, repeat=0, starts=[some(0, 2, 10.0, options)])
    value = 0.0
    while (child := evolution.ask(0)) is not None:
        value += 1e-3  # never better than the warm start
        evolution.tell(child, Score(value, Outcome.COMPLETED))
    others = [p.best for p in evolution.niches.populations[:2] if p.individuals]
    assert others and evolution.asked > 10


def test_the_best_rate_counts_and_of_equal_ones_the_first():
    tasks = Config(evaluation={"tasks": ("a", "b"), "rates": (1.0, 0.5, 0.25)}).evaluation

    def at(rate, outcome, *fitness):
        return [
            Evaluation(task, 0, f, outcome, 1, (f / 2,), rate=rate)
            for task, f in zip(tasks.tasks, fitness)
        ]

    ran_away = at(1.0, Outcome.DIVERGED, -math.inf)
    behind = at(0.5, Outcome.HURDLE, -math.inf)
    done = at(0.25, Outcome.COMPLETED, 1.0, 2.0)
    for order in (ran_away + behind + done, done + behind + ran_away):
        assert score_of(order, tasks) == Score(
            1.5, Outcome.COMPLETED, (1.0, 2.0), ((0.5,), (1.0,)), 0.25
        )
    assert score_of(behind + ran_away, tasks).outcome is Outcome.DIVERGED
    assert score_of(behind + ran_away, tasks).rate == 1.0


def test_the_front_holds_what_nothing_smaller_matches():
    def entry(states, live, fitness):
        return Leader(0, live, fitness, "", states)

    best = [entry(0, 2, 1.0), entry(0, 4, 2.0), entry(1, 3, 1.5), entry(2, 9, 3.0)]
    beaten = [entry(0, 3, 0.5), entry(1, 4, 1.9), entry(1, 4, 1.0), entry(2, 4, 2.0)]
    order = sorted(best + beaten, key=lambda one: (one.states, one.live, -one.fitness))
    assert undominated(order) == best


# Whole searches in process, with a toy's fitness.

NEW = {
    "niches": {},
    "price": {"evolution": {"niches": None, "price": {"state": 0.5, "statement": 0.05}}},
    "rates": {"evaluation": {"rates": (1.0, 0.5, 0.25)}, "evolution": {"niches": None}},
    "always": {"evaluation": {"rates": (1.0, 0.5, 0.25), "rates_when": "always"}},
    "all": {
        "evaluation": {"rates": (1.0, 0.5), "hurdles": {"at": (0.5,), "slack": 0.1}},
        "evolution": {
            "price": {"state": 0.5},
            "niches": THREE | {"hurdle_members": 5},
            "mutations": {"max_redundant": 2},
        },
    },
    "race": {
        "evaluation": {
            "rates": (1.0, 0.5),
            "rates_when": "changed",
            "seeds": 4,
            "race": 0.5,
            "hurdles": {"at": (0.5,), "slack": 0.1},
        },
        "evolution": {"niches": THREE | {"hurdle_members": 5}},
    },
    "sizes": {
        "evaluation": {
            "rates": (1.0, 2.0, 0.5),
            "rates_when": "changed",
            "match_size": True,
            "hurdles": {"at": (0.5,), "slack": 0.1, "audit_share": 0.3},
        },
        "evolution": {"niches": THREE | {"hurdle_members": 5}},
    },
    "canonical": {"evaluation": {"rates": (1.0, 0.5)}, "cache": {"key": "canonical"}},
    "islands": {
        "evaluation": {"rates": (1.0, 0.5)},
        "evolution": {"repeats": 3, "migration_interval": 5, "children": 200},
    },
    "rounds": {
        "evaluation": {"rates": (1.0, 0.5, 0.25)},
        "evolution": {"rounds": 2, "children": 150, "flat_children": 60},
    },
}


def run(path, changes, stop_after=None) -> str | None:
    """Runs a search, or goes on with it; returns its store's digest, or None when stopped."""
    evolution = settings(**changes.get("evolution", {}))
    config = Config(
        evolution=evolution,
        evaluation={"tasks": ("toy",), "hurdles": {"audit_share": 0.3}}
        | changes.get("evaluation", {}),
        cache=changes.get("cache", {}),
        rescore={"programs": 0},
        workers=WorkerSettings(batch_s=0.001),
        store={"commit_s": 0},
    )
    factory, starts = toys.stepper_factory, [ADAMW, SIGNUM]
    return evolve(path, config, factory=factory, starts=starts, stop_after=stop_after)


@pytest.mark.parametrize("name", NEW)
def test_a_search_that_is_stopped_and_resumed_has_the_same_history(tmp_path, name):
    whole = run(tmp_path / "whole", NEW[name])
    rng = random.Random(5)
    stop = 0
    while (got := run(tmp_path / "parts", NEW[name], stop_after=stop)) is None:
        stop += rng.choice([1, 7, 90])
    assert got == whole


@pytest.mark.parametrize("name", ["rates", "always", "rounds", "sizes"])
def test_the_store_holds_each_program_at_its_best_rate(tmp_path, name):
    run(tmp_path, NEW[name])
    with Store(tmp_path) as store:
        rows = {row.id: row for row in programs(store)}
        rates = [row.rate for row in rows.values() if row.outcome == "COMPLETED"]
        assert 1.0 in rates and (0.5 in rates or 0.25 in rates)
        for row in rows.values():
            program = parse(row.text)
            if row.outcome == "COMPLETED":
                assert toys.step_fitness(program) == row.fitness
            assert row.states == needed_states(analyse(program))
            is_drawn = analyse(program).functional_hash == row.functional
            assert is_drawn == (row.rate == 1.0)
        query = "SELECT number, program FROM individuals WHERE number % 7 = 0"
        for number, program in store.rows(query):
            found = analyse(individual(store, number))
            assert found.functional_hash == analyse(parse(rows[program].text)).functional_hash


def test_a_child_with_its_parents_statements_has_its_rate_and_the_race_decides_its_seeds(tmp_path):
    run(tmp_path, NEW["race"])
    with Store(tmp_path) as store:
        found = evaluations(store, Purpose.SEARCH)
        parents = dict(store.rows("SELECT number, parent FROM individuals"))
        kinds: dict[bool, set] = {True: set(), False: set()}
        for number, trainings in found.items():
            if parents[number] is None:
                failed = trainings[0].outcome is not Outcome.COMPLETED
                assert failed or len(trainings) == 4  # a warm start, on all seeds
                continue
            child, parent = individual(store, number), individual(store, parents[number])
            alone = blank(child) == blank(parent)
            assert not alone or {e.rate for e in trainings} == {1.0}
            kinds[alone].add(max(len({e.seed for e in trainings if e.rate == r}) for r in (1, 0.5)))
            behind = [e for e in trainings if e.seed and e.outcome is Outcome.HURDLE]
            assert not behind  # the hurdles are for the first seed
        assert kinds[False] >= {1, 4} and kinds[True] >= {1, 4}


def test_a_child_is_tried_at_the_step_size_of_its_parent(tmp_path):
    run(tmp_path, NEW["sizes"])
    factors = set()
    with Store(tmp_path) as store:
        rows = {row.id: row for row in programs(store)}
        query = "SELECT number, parent, program FROM individuals WHERE parent IS NOT NULL"
        born = {number: (parent, program) for number, parent, program in store.rows(query)}
        searched = evaluations(store, Purpose.SEARCH)
        for purpose in (Purpose.SEARCH, Purpose.AUDIT):
            for number, trainings in evaluations(store, purpose).items():
                if number not in born or number not in searched:  # the fingerprint rejected it
                    continue
                parent, row = individual(store, born[number][0]), rows[born[number][1]]
                drawn = at_rate(parse(row.text), 1 / row.rate)
                tried = {e.rate for e in trainings}
                if blank(individual(store, number)) == blank(parent) and row.rate == 1.0:
                    assert tried == {1.0} or purpose is Purpose.AUDIT
                    continue
                ratio = update_size(parent) / update_size(drawn)
                factor = 2.0 ** max(-20, min(20, round(math.log2(ratio)))) if ratio > 0 else 1.0
                assert tried == {factor, 2 * factor, factor / 2}, (number, purpose)
                factors.add(factor)
    assert len(factors) > 5


def blank(program):
    return [
        [s.target, s.function, [isinstance(a, str) and a for a in s.arguments]] for s in program
    ]


def test_a_child_equal_to_a_rescaled_program_is_not_trained_again(tmp_path):
    run(tmp_path, NEW["rates"])
    with Store(tmp_path) as store:
        texts = [row.text for row in programs(store) if row.rate != 1.0]
        again = store.rows(
            "SELECT count(*) FROM individuals JOIN programs ON programs.id = program"
            " WHERE rate != 1 AND reuse = 'functional'"
        )
        assert texts and again[0][0] > len(texts) / 4


def test_the_front_of_a_search(tmp_path):
    run(tmp_path, NEW["niches"])
    with Store(tmp_path) as store:
        found = front(store)
        assert len({leader.states for leader in found}) > 1
        for leader in found:
            assert needed_states(analyse(leader.program)) == leader.states
        best = max(row.fitness for row in programs(store))
        assert found[-1].fitness == best or any(leader.fitness == best for leader in found)


def test_where_no_niche_with_a_share_has_members_the_others_get_the_children():
    options = settings(niches={"shares": (1.0, 1.0, 0.0)})
    niches = Niches(options, [some(0, 2, -1.0, options)])
    rng = random.Random(0)
    assert {niches.draw(rng) for _ in range(50)} == {niches.populations[2]}
    niches.populations[1].add(some(1, 1, -5.0, options))
    assert {niches.draw(rng) for _ in range(50)} == {niches.populations[1]}
