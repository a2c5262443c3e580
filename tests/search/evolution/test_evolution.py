"""Regularized evolution against its published algorithm, and the clock that orders it."""

from __future__ import annotations

import functools
import random
from dataclasses import replace

import pytest
import toys
from in_process import evolve

from programs import Statement, analyse, load, parse
from programs.draws import child_rng
from programs.mutate import mutate
from search.config.machines import WorkerSettings
from search.config.settings import Config, EvolutionSettings
from search.evaluation.fitness import Outcome, Score
from search.evaluation.jobs import Job, Purpose, TooManyFailures
from search.evaluation.request import Request
from search.evolution.driver import Driver
from search.evolution.evolution import Evolution, Repeats, tournament
from search.evolution.niches import Individual
from search.storage.leaders import leaders
from search.storage.lineage import ProgramText, apply_edit, edit_between, individual
from search.storage.queries import evaluations
from search.storage.store import Reader, Store

ADAMW = load("library:adamw")


def settings(**changes) -> EvolutionSettings:
    plain = {"children": 500, "population": 50, "repeats": 1, "rounds": 1, "window": 1}
    return EvolutionSettings(**(plain | changes))


def fitness_of(program) -> float:
    """A rugged function of the text, quick to compute."""
    return len({s.function for s in program}) + len(str(program)) % 7 / 10


def scored(program) -> Score:
    return Score(fitness_of(program), Outcome.COMPLETED)


def reference(seed, repeat, start, population_size, tournament_size, window, children):
    """Real et al. 2019, algorithm 1, with results that arrive `window` children late."""
    history = []
    for i in range(children):
        visible = history[: max(0, i - window + 1)]
        population = ([(start, fitness_of(start))] * population_size + visible)[-population_size:]
        rng = child_rng(seed, repeat, i)
        sample = []
        while len(sample) < tournament_size:
            candidate = population[int(rng.random() * population_size)]
            sample.append(candidate)
        parent = max(sample, key=lambda pair: pair[1])
        child = mutate(parent[0], rng).program
        history.append((child, fitness_of(child)))
    return history


@pytest.mark.parametrize("size, window", [(2, 1), (2, 64), (5, 7)])
def test_agrees_with_an_independent_reference_for_2000_children(size, window):
    expected = reference(3, 1, ADAMW, 100, size, window, 2000)
    options = settings(children=2000, population=100, tournament=size, window=window)
    start = Individual(0, ADAMW, scored(ADAMW))
    evolution = Evolution(options, 3, repeat=1, starts=[start])
    rng, waiting, got = random.Random(0), [], []
    while not evolution.ended or waiting:
        child = evolution.ask(len(got) + len(waiting) + 1) if rng.random() < 0.9 else None
        if child:
            waiting.append(child)
        elif waiting:
            child = waiting.pop(0)
            got.append((child.mutation.program, fitness_of(child.mutation.program)))
            evolution.tell(child, scored(child.mutation.program))
    for number, (one, other) in enumerate(zip(got, expected, strict=True)):
        assert one == other, number


def test_results_are_told_in_order_of_birth():
    evolution = Evolution(
        settings(window=4), 0, repeat=0, starts=[Individual(0, ADAMW, scored(ADAMW))]
    )
    children = [evolution.ask(i) for i in range(5)]
    assert children[4] is None  # child 4 waits for child 0
    with pytest.raises(ValueError, match="told in order of birth: 1, not 0"):
        evolution.tell(children[1], scored(ADAMW))
    evolution.tell(children[0], scored(ADAMW))
    assert evolution.ask(4).index == 4 and evolution.ask(5) is None


def test_the_tournament_takes_the_better_and_the_oldest_dies():
    individuals = [Individual(i, ADAMW, Score(float(i), Outcome.COMPLETED)) for i in range(10)]
    rng = random.Random(1)
    wins = [tournament(individuals, 2, rng).number for _ in range(20_000)]
    for number in range(10):  # P(win) = ((k + 1)^2 - k^2) / n^2
        assert wins.count(number) / 20_000 == pytest.approx((2 * number + 1) / 100, abs=0.01)
    evolution = Evolution(settings(population=3), 0, repeat=0, starts=individuals[:2])
    assert [individual.number for individual in evolution.niches.populations[0].individuals] == [
        0,
        1,
        0,
    ]
    for i in range(3):
        evolution.tell(evolution.ask(i), Score(-1.0, Outcome.COMPLETED))
    evolution.ask(3)
    assert all(i.fitness == -1.0 for i in evolution.niches.populations[0].individuals)


def test_tuning_changes_constants_only():
    options = settings(mode="tune", children=200)
    evolution = Evolution(options, 0, repeat=0, starts=[Individual(0, ADAMW, scored(ADAMW))])
    shape = [(s.target, s.function, len(s.arguments)) for s in ADAMW]
    programs = set()
    for i in range(200):
        child = evolution.ask(i)
        program = child.mutation.program
        assert [(s.target, s.function, len(s.arguments)) for s in program] == shape
        programs.add(program)
        evolution.tell(child, scored(program))
    assert len(programs) > 150


def test_random_programs_have_no_parent_and_lengths_in_range():
    options = settings(mode="random", random_length=(3, 6), children=300)
    evolution = Evolution(options, 0, repeat=0, starts=[Individual(0, ADAMW, scored(ADAMW))])
    lengths = set()
    for i in range(300):
        child = evolution.ask(i)
        assert child.parent is None
        lengths.add(len(child.mutation.program))
        evolution.tell(child, scored(child.mutation.program))
    assert lengths == {3, 4, 5, 6}


def test_repeats_take_turns_and_end_when_flat():
    options = settings(repeats=3, children=40, window=8, flat_children=10, rounds=3)
    repeats = Repeats(
        options, 0, round_number=1, starts=[ADAMW, load("library:lion")], first_number=100
    )
    assert repeats.expected == 100 + 3 * 42 + 3 * 41
    told = []
    while not repeats.finished:
        child = repeats.ask()
        assert child is not None or told
        if child:
            told.append(child)
        for waiting in told[repeats.told - 100 :]:
            repeats.tell(waiting, Score(1.0, Outcome.COMPLETED))
    assert repeats.expected == repeats.told + 3 * 41  # one more round
    assert [child.number for child in told] == list(range(100, 100 + len(told)))
    assert [(c.repeat, c.index) for c in told[:6]] == [(r, -1) for r in (3, 3, 4, 4, 5, 5)]
    assert [c.repeat for c in told[6:]] == [3, 4, 5] * ((len(told) - 6) // 3)
    assert told[-1].index < 39  # nothing ever rose above the warm start


@pytest.mark.parametrize("window", [1, 8])
def test_of_so_many_children_one_has_its_parent_in_the_repeat_before(window):
    """Whoever is slower: what is drawn depends on the order of births alone."""
    options = settings(repeats=3, children=60, window=window, population=10, migration_interval=6)
    histories = []
    for delay in (1, 3 * window):
        repeats = Repeats(options, 0, round_number=0, starts=[ADAMW], first_number=0)
        born, told = [], 0
        while not repeats.finished:
            if (child := repeats.ask()) is not None:
                born.append(child)
            if born[told:] and (child is None or len(born) - told >= delay):
                repeats.tell(born[told], scored(born[told].mutation.program))
                told += 1
        histories.append([(child.number, child.repeat, child.mutation.program) for child in born])
        by_number = {child.number: child for child in born}
        for child in born:
            if child.index >= 0:
                home = by_number[child.parent.number].repeat
                migrated = (child.index + 1) % 6 == 0
                assert home == ((child.repeat - 1) % 3 if migrated else child.repeat)
    assert histories[0] == histories[1]


def test_edits_rebuild_every_child():
    program, written = ADAMW, apply_edit(None, edit_between(None, ADAMW))
    for i in range(600):
        child = mutate(program, child_rng(7, 0, i)).program
        written = written.edited(edit_between(program, child))
        assert written.program() == child
        program = child if len(child) < 40 else program
        written = ProgramText(program.states, tuple(map(str, program)))
    assert len(edit_between(ADAMW, mutate(ADAMW, child_rng(0, 0, 0)).program)) < 80


# A whole search in process, with a toy's fitness.


def run(
    path,
    factory=None,
    stop_after=None,
    seed=0,
    hurdles=None,
    key="functional",
    start=ADAMW,
    **changes,
):
    """Runs a search, or goes on with it; returns its store's digest, or None when stopped."""
    evolution = settings(**({"window": 16, "repeats": 2, "children": 300} | changes))
    config = Config(
        seed=seed,
        evolution=evolution,
        evaluation={"tasks": ("toy",), "hurdles": {"audit_share": 0.3} | (hurdles or {})},
        cache={"key": key},
        rescore={"programs": 0},
        workers=WorkerSettings(batch_s=0.001),
        store={"commit_s": 0},
    )
    factory = factory or toys.factory()
    return evolve(path, config, factory=factory, starts=[start], stop_after=stop_after)


def test_a_later_round_starts_with_all_statements_of_the_best_individual(tmp_path):
    run(tmp_path, rounds=2, children=150)
    with Reader(tmp_path) as store:
        [(first,)] = store.rows("SELECT min(number) FROM history WHERE repeat = 2")
        start, [best] = individual(store, first), leaders(store, 1, before=first)
        assert len(start) > best.live == len(analyse(start).live)
        assert start == individual(store, best.number)


def test_a_search_goes_on_with_the_start_that_it_had(tmp_path):
    """Whatever redundant statements the one has that it is given now."""
    longer = replace(ADAMW, statements=(Statement("g2", "cos", ("g",)), *ADAMW.statements))
    whole = run(tmp_path / "whole", start=longer, children=150)
    assert run(tmp_path / "parts", start=longer, children=150, stop_after=60) is None
    assert run(tmp_path / "parts", start=ADAMW, children=150) == whole


def test_a_search_that_is_stopped_and_resumed_has_the_same_history(tmp_path):
    whole = run(tmp_path / "whole", rounds=2, children=150)
    rng = random.Random(5)
    stop = 0
    while (got := run(tmp_path / "parts", rounds=2, children=150, stop_after=stop)) is None:
        stop += rng.choice([1, 7, 90])
    assert got == whole
    assert run(tmp_path / "other", rounds=2, children=150, seed=1) != whole
    with Store(tmp_path / "parts") as store:
        numbers = store.rows("SELECT number FROM individuals ORDER BY number")
        assert numbers == [(n,) for n in range(2 * 2 * 151)]
        paid = store.rows("SELECT individual, count(*) FROM evaluations GROUP BY 1, purpose")
        assert all(count == 1 for _, count in paid)
        hashes = store.rows("SELECT number, functional FROM history WHERE number % 47 = 0")
        for number, functional in hashes:
            program = individual(store, number)
            assert analyse(program).functional_hash.hex().upper() == functional


@pytest.mark.parametrize("key", ["functional", "canonical"])
def test_hurdles_and_both_caches_leave_the_history_to_the_config(tmp_path, key):
    hurdles = {"at": (0.5,), "quantile": 0.5, "slack": 0.1}
    options = {"factory": toys.learner_factory, "hurdles": hurdles, "key": key}
    whole = run(tmp_path / "whole", **options)
    stop = 0
    while (got := run(tmp_path / "parts", stop_after=stop, **options)) is None:
        stop += 97
    assert got == whole
    with Store(tmp_path / "whole") as store:
        outcomes = dict(store.rows("SELECT outcome, count(*) FROM programs GROUP BY 1"))
        assert outcomes["HURDLE"] > 10 and outcomes["COMPLETED"] > 10
        audited = store.rows("SELECT fitness FROM evaluations WHERE purpose = 'audit'")
        assert audited and all(fitness > 0 for (fitness,) in audited)
        ways = dict(store.rows("SELECT reuse, count(*) FROM individuals GROUP BY 1"))
        assert ways["functional"] > 50 and ways["canonical"] > 0
        query = "SELECT count(DISTINCT fitness), count(*) FROM programs GROUP BY canonical"
        twins = [count for count, programs in store.rows(query) if programs > 1]
        assert twins and (key == "functional" or max(twins) == 1)
    evaluated = {}
    for other in ("functional", "canonical"):
        run(tmp_path / other, **(options | {"key": other}))
        with Store(tmp_path / other) as store:
            query = "SELECT count(*) FROM evaluations WHERE purpose = 'search'"
            [(evaluated[other],)] = store.rows(query)
    assert evaluated["canonical"] < evaluated["functional"]


@pytest.mark.parametrize("key", ["functional", "canonical"])
def test_resuming_a_complete_search_adds_nothing(tmp_path, key):
    """Not an audit of a twin either, that shares the rejection of another program."""
    options = {"key": key, "hurdles": {"audit_share": 1.0}, "children": 1_000}
    digest = run(tmp_path, **options)
    found = []
    for _ in range(2):
        with Reader(tmp_path) as store:
            found.append({purpose: evaluations(store, purpose) for purpose in Purpose})
        assert run(tmp_path, **options) == digest
    assert found[0] == found[1] and found[0][Purpose.AUDIT]


def failing(job, spoilt):
    if spoilt(job):
        raise OSError("no space left on the device")
    return toys.evaluate(job)


def failing_factory(spoilt):
    return lambda: lambda job: failing(job, spoilt)


@pytest.mark.parametrize(
    "spoilt, message",
    [
        (lambda job: True, "the warm start cannot be evaluated: OSError: no space left"),
        (lambda job: job.number > 5, "20 programs in a row failed, the last: OSError: no space"),
    ],
)
def test_when_everything_fails_the_search_stops_and_charges_no_program(tmp_path, spoilt, message):
    whole = run(tmp_path / "whole", window=64)
    with pytest.raises(TooManyFailures, match=message):
        run(tmp_path / "parts", failing_factory(spoilt), window=64)
    assert run(tmp_path / "parts", window=64) == whole
    with pytest.raises(TooManyFailures, match=message):
        run(tmp_path / "narrow", failing_factory(spoilt), window=2)


def job_of(text):
    return Job(0, Purpose.SEARCH, (Request(parse(text), "toy", 0),))


def test_programs_that_fail_among_others_are_charged_themselves(tmp_path):
    spoilt = lambda job: "sin(" in str(job.program) or str(job.program).count("\n") > 20
    whole = run(tmp_path / "whole", failing_factory(spoilt), window=1)
    with Store(tmp_path / "whole") as store:
        rows = store.rows("SELECT text, outcome FROM programs WHERE evaluated IS NOT NULL")
        assert all((outcome == "FAILED") == spoilt(job_of(text)) for text, outcome in rows)
        assert 5 < sum(outcome == "FAILED" for _, outcome in rows) < len(rows)
    stop = 0
    parts = {"factory": failing_factory(spoilt), "window": 1}
    while (got := run(tmp_path / "parts", stop_after=stop, **parts)) is None:
        stop += 97
    assert got == whole


def test_one_max_reaches_many_functions(tmp_path):
    run(tmp_path, children=2000, repeats=1, population=30)
    with Store(tmp_path) as store:
        [(best,)] = store.rows("SELECT max(fitness) FROM history")
        assert best >= 16 > toys.one_max(job_of(str(ADAMW)))


def test_a_planted_program_is_found(tmp_path):
    run(tmp_path, toys.factory(toys.planted), children=4000, repeats=1, population=100)
    with Store(tmp_path) as store:
        query = "SELECT fitness, text FROM programs ORDER BY fitness DESC LIMIT 1"
        [(best, text)] = store.rows(query)
        assert best == pytest.approx(-0.01 * len(toys.TARGET))
        assert sorted(s.function for s in parse(text)) == sorted(toys.TARGET)


@pytest.mark.parametrize("interval", [None, 2])
def test_a_child_sees_the_same_after_a_resume_beside_repeats_that_have_ended(
    interval, tmp_path, monkeypatch
):
    """A repeat that is flat ends at a turn of its own, and sees one result more there."""
    seen: dict[int, list[object]] = {}
    admit = Driver._admit

    def watched(self, child, repeats):
        members = {
            repeat: [[one.number for one in p.individuals] for p in evolution.niches.populations]
            for repeat, evolution in repeats.evolutions.items()
        }
        drawn = sorted(self.cache._drawn)
        seen.setdefault(child.number, []).append((members, drawn))
        return admit(self, child, repeats)

    monkeypatch.setattr(Driver, "_admit", watched)
    config = Config(
        seed=20,
        evolution=settings(repeats=4, children=40, population=6, window=3, flat_children=8,
                           migration_interval=interval),
        evaluation={"tasks": ("toy",), "rates": (1.0, 0.5, 0.25), "rates_when": "always"},
        workers=WorkerSettings(batch_s=0.001),
        rescore={"programs": 0},
        store={"commit_s": 0},
    )  # fmt: skip
    run = functools.partial(evolve, config=config, factory=toys.stepper_factory, starts=[ADAMW])
    run(tmp_path / "whole")
    stop_after = 0
    while run(tmp_path / "pieces", stop_after=stop_after) is None:
        stop_after += 2
    for number, (first, *others) in seen.items():
        assert all(other == first for other in others), number
