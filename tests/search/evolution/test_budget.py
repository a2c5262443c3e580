"""Budgets that end a search early: at the same child whatever happens on the way."""

from __future__ import annotations

import itertools
import random
import types

import pytest
import toys
from hypothesis import given, settings
from hypothesis import strategies as st
from in_process import digest, history

from programs import load
from search import api
from search.config.settings import EvolutionSettings, StopSettings
from search.evaluation.fitness import Outcome, Score
from search.evaluation.source import Function
from search.evolution import budget
from search.evolution.evolution import Repeats
from search.stopping import Stopped
from search.storage.queries import last_number, training_counts
from search.storage.store import Reader

ADAMW, LION = load("library:adamw"), load("library:lion")
TOY = Function(toys.factory())
CONFIG = {
    "evolution": {
        "children": 150,
        "population": 20,
        "window": 16,
        "repeats": 2,
        "rounds": 2,
        "warm_start": ["library:adamw", "library:lion"],
    },
    "evaluation": {"tasks": ["toy", "other"], "seeds": 2},
    "rescore": {"programs": 2, "seeds": 2},
    "workers": {"address": "in_process", "batch_s": 1e-3},
    "store": {"commit_s": 0},
    "funnel": None,
}
WHOLE = 2 * (2 + 150) + 2 * (1 + 150)


def stopped_at(path, individuals):
    """Asks to stop once so many are in the store."""

    def stopping():
        with Reader(path, verified=False) as store:
            return 2 if last_number(store) + 1 >= individuals else None

    return stopping


def run(path, stop, *, resume=False, stopping=lambda: None, config=CONFIG, **more):
    return api.search(
        {**config, "stop": stop} | more, path, resume=resume, source=TOY, stopping=stopping
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "run"
    assert run(path, {}).used_up is None
    return path


LIMITS = [{"trainings": 1}, {"trainings": 70}, {"trainings": 400}, {"fitness": 7}, {"fitness": 9}]


@pytest.mark.parametrize("stop", LIMITS, ids=str)
def test_it_ends_at_the_same_child_after_any_number_of_stops(tmp_path, whole, stop):
    result = run(tmp_path / "once", stop)
    assert result.used_up in stop
    rng, resume, at = random.Random(3), False, 0
    while True:
        at += rng.choice([1, 7, 60])
        try:
            again = run(
                tmp_path / "parts",
                stop,
                resume=resume,
                stopping=stopped_at(tmp_path / "parts", at),
            )
            break
        except Stopped:
            resume = True
    assert resume and digest(tmp_path / "parts") == digest(tmp_path / "once")
    assert again.best == result.best and again.used_up == result.used_up
    ours, all_ = history(tmp_path / "once"), history(whole)
    assert 0 < len(ours) < len(all_) == WHOLE and ours == all_[: len(ours)]
    with Reader(tmp_path / "once") as store:
        counts = dict(training_counts(store))
    window = 2 * CONFIG["evolution"]["window"]
    before = history(tmp_path / "once")[:-window]  # without it the budget would not be used up
    if "trainings" in stop and stop["trainings"] > 1:
        assert sum(counts.values()) >= stop["trainings"]
        assert sum(counts.get(row[0], 0) for row in before[:-1]) < stop["trainings"]


@pytest.mark.parametrize("stop", LIMITS[1:3], ids=str)
def test_what_was_cut_goes_on_with_a_larger_budget(tmp_path, whole, stop):
    run(tmp_path, stop)
    assert run(tmp_path, {"trainings": None}, resume=True).used_up is None
    assert digest(tmp_path) == digest(whole)


@pytest.mark.parametrize("at", [3, 200, 400])
def test_no_more_hours_conclude_with_what_is_there(tmp_path, whole, at):
    """Also in the second round, and again with the same children."""
    with pytest.raises(Stopped):
        run(tmp_path, {}, stopping=stopped_at(tmp_path, at))
    there = history(tmp_path)
    result = run(tmp_path, {"hours": 0}, resume=True)
    assert result.used_up == "hours" and history(tmp_path) == there
    again = run(tmp_path, {"hours": 0}, resume=True)
    assert again.best == result.best and history(tmp_path) == there
    assert run(tmp_path, {"hours": 1}, resume=True).used_up is None
    assert digest(tmp_path) == digest(whole)


@pytest.fixture
def clock(monkeypatch):
    """An hour for each individual that is told, however long it takes."""
    hours = itertools.count(1)
    time, told = types.SimpleNamespace(passed=0.0), budget.Budget.told
    time.monotonic = lambda: time.passed

    def hour_passes(self, *arguments):
        time.passed = 3600.0 * next(hours)
        told(self, *arguments)

    monkeypatch.setattr(budget, "time", time)
    monkeypatch.setattr(budget.Budget, "told", hour_passes)


def test_hours_are_counted_over_all_processes_and_their_cut_is_kept(tmp_path, whole, clock):
    stop = {"hours": 120}
    with pytest.raises(Stopped):
        run(tmp_path / "a", stop, stopping=stopped_at(tmp_path / "a", 20))
    with Reader(tmp_path / "a") as store:
        spent = float(store.meta("searched_s"))
        assert 0 < spent < 120 * 3600
    result = run(tmp_path / "a", stop, resume=True)
    assert result.used_up == "hours"
    there = history(tmp_path / "a")
    assert there == history(whole)[: len(there)] and 120 <= len(there) < 160
    with Reader(tmp_path / "a") as store:
        assert float(store.meta("searched_s")) > spent
    assert run(tmp_path / "a", stop, resume=True).best == result.best
    assert history(tmp_path / "a") == there
    assert run(tmp_path / "a", {"hours": None}, resume=True).used_up is None
    assert digest(tmp_path / "a") == digest(whole)


def test_after_a_kill_the_cut_of_hours_is_where_it_was(tmp_path, clock):
    """The children that were born and not told when time was up belong to it."""
    asked = []

    def soon():
        asked.append(None)
        with Reader(tmp_path) as store:
            return 2 if store.meta("cut") else None

    with pytest.raises(Stopped):
        run(tmp_path, {"hours": 60}, stopping=soon)
    before = history(tmp_path)
    with Reader(tmp_path) as store:
        cut = store.meta("cut")
    run(tmp_path, {"hours": 60}, resume=True)
    with Reader(tmp_path) as store:
        assert store.meta("cut") == cut
    told = len(history(tmp_path))
    assert f'"individuals": {told},' in cut
    assert len(before) <= told  # how many were born and not told depends on the workers


def test_a_budget_that_is_used_up_at_the_very_end_cuts_nothing(tmp_path, whole):
    with Reader(whole) as store:
        last = sum(count for _, count in training_counts(store))
    result = run(tmp_path, {"trainings": last})
    assert result.used_up is None and digest(tmp_path) == digest(whole)


def test_a_budget_that_the_end_of_a_round_uses_up_is_told(tmp_path, whole):
    """The next round does not begin, so the search is not the whole one."""
    with Reader(whole) as store:
        first_round = 2 * (2 + 150)
        used = sum(count for number, count in training_counts(store) if number < first_round)
    result = run(tmp_path, {"trainings": used})
    assert len(history(tmp_path)) == first_round and result.used_up == "trainings"


def test_a_warm_start_that_is_good_enough_ends_it_after_one_window(tmp_path):
    result = run(tmp_path, {"fitness": -100.0})
    assert result.used_up == "fitness" and len(history(tmp_path)) == 4 + 2 * 16 - 1


def test_it_is_told_in_one_line(tmp_path, capsys):
    run(tmp_path, {"trainings": 70, "fitness": 1000.0}, rescore={"programs": 0})
    api.search(None, tmp_path, resume=True, source=TOY, view="plain")
    [line] = [s for s in capsys.readouterr().out.splitlines() if s.startswith("Stopped ")]
    trainings, individuals = line.split()[2], line.split("with ")[1].split()[0]
    assert int(trainings) >= 70 and int(individuals) == len(history(tmp_path))
    assert line == (
        f"Stopped after {trainings} trainings (stop.trainings: 70), with {individuals} "
        "individuals; concluding with the results so far. To continue it later, resume it with a larger "
        "stop.trainings, or null."
    )


@given(st.integers(1, 4), st.integers(1, 6), st.integers(1, 3), st.integers(0, 40), st.randoms())
@settings(max_examples=60, deadline=None)
def test_no_child_beyond_the_end_is_born_before_the_individual_is_told(
    repeats, window, starts, number, rng
):
    """However late results are told; and all before it are born."""
    options = EvolutionSettings(
        children=20, population=5, window=window, repeats=repeats, rounds=1, flat_children=9
    )
    sides = Repeats(
        options, 0, round_number=0, starts=[ADAMW, LION, ADAMW][:starts], first_number=0
    )
    born: list = []
    while not sides.finished:
        child = sides.ask() if rng.random() < 0.8 else None
        if child is not None:
            born.append(child)
            if sides.told <= number:
                assert child.number < sides.end_of(number)
        elif sides.told < len(born):
            fitness = 1.0 if sides.told % 7 else float(sides.told)
            sides.tell(born[sides.told], Score(fitness, Outcome.COMPLETED))
            if sides.told == number + 1:
                sides.limit = sides.end_of(number)
    assert len(born) <= sides.end_of(number) or sides.limit == float("inf")
    assert sides.is_cut == (len(born) == sides.limit and any(
        evolution.has_more for evolution in sides.evolutions.values()))  # fmt: skip


def test_hours_may_be_none_at_all():
    assert StopSettings(hours=0).hours == 0
