"""A stage that looks several times keeps its level and sees more; no task may be clearly worse."""

import math
from collections import Counter
from dataclasses import replace

import pytest
from scipy import stats
from toys import Noisy

from search.config.selection import FINALS_STAGE, FinalsSettings, FunnelSettings, StageSettings
from search.evaluation.request import Request
from search.reports.funnel import markdown, outcome
from search.reports.verbs.funnel import _entry, entry_row
from search.selection.comparison import compare
from search.selection.funnel import rows_of
from search.selection.looks import Pairs, PromotionRule, compared
from search.selection.objective import Objective
from search.selection.results import FunnelResult, NamedProgram
from tests.search.selection.test_stages import ADAMW, NO_TUNING, is_lion, number_of, numbered


def contest(count: int, worth=lambda _: 0.0, *, looks: int, seeds: int, tasks=("t",), **rule):
    """A stage with `count` candidates, its asked trainings and its result."""
    asked: list[Request] = []
    score = Noisy(worth, luck=1.0)

    def counted(requests):
        asked.extend(requests)
        return score(requests)

    done = compared(
        [NamedProgram("base", ADAMW)],
        [NamedProgram(f"n{i}", numbered(i)) for i in range(count)],
        Objective(counted, tasks),
        name="B",
        pairs=Pairs([[seed] for seed in range(looks * seeds)]),
        rule=PromotionRule(0.05, True, keep=count, looks=looks, **rule),
    )
    return asked, done


@pytest.mark.parametrize("looks", [1, 2, 4])
def test_null_candidates_pass_no_more_often_than_the_level_says(looks):
    """Each with its own luck beside a baseline of its own, so that they are independent."""
    passed, count = 0, 400
    for i in range(count):
        score = Noisy(lambda _: 0.0)
        done = compared(
            [NamedProgram("base", numbered(2 * i))],
            [NamedProgram("null", numbered(2 * i + 1))],
            Objective(score, ("t",)),
            name="B",
            pairs=Pairs([[seed] for seed in range(6 * looks)]),
            rule=PromotionRule(0.05, True, keep=1, looks=looks),
        )
        passed += bool(done.promoted)
    assert passed <= stats.binom.ppf(1 - 1e-3, count, 0.05)


def test_looks_see_what_one_look_misses_and_stop_where_it_is_clear():
    """One candidate in three is better by half of the luck; the others are as the baseline."""

    def worth(request: Request) -> float:
        number = number_of(request.program)
        return 0.7 if number is not None and number % 3 == 0 else 0.0

    found = {}
    for looks in (1, 5):
        asked, done = contest(12, worth, looks=looks, seeds=8)
        found[looks] = [entry.name for entry in done.promoted]
        assert set(found[looks]) <= {"n0", "n3", "n6", "n9"}
    assert len(found[5]) > len(found[1])
    seeds = {entry.name: len(entry.fitness) for entry in done.entries}
    assert set(seeds.values()) <= {8, 16, 24, 32, 40} and len(set(seeds.values())) > 1
    asked_of = Counter(str(request.program) for request in asked)
    every = [*done.entries, *done.baselines]
    assert all(len(entry.fitness) <= asked_of[str(entry.program)] for entry in every)
    assert len(asked) < len(every) * 40


WORSE_LATER = (0.01,) * 6 + (-0.012,) * 6
BETTER_LATER = (-0.002,) + (0.01,) * 11


def finals_of(*values, level: float):
    """Finals with two looks at these gains over the baseline, by pair."""

    def score(requests):
        luck = Noisy(lambda _: 0.0, luck=0.001)(requests)
        numbers = [number_of(request.program) for request in requests]
        gains = [0.0 if n is None else values[n][r.seed] for n, r in zip(numbers, requests)]
        return [gain + extra for gain, extra in zip(gains, luck)]

    done = compared(
        [NamedProgram("base", ADAMW)],
        [NamedProgram(f"n{i}", numbered(i)) for i in range(len(values))],
        Objective(score, ("t",)),
        name=FINALS_STAGE,
        pairs=Pairs([[seed] for seed in range(12)]),
        rule=PromotionRule(level, True, keep=2, looks=2, family_wise=True),
    )
    return replace(done, unit="tunings")


def test_fitness_interval_and_p_are_of_the_same_look():
    """Holm lets n0 pass by its first look only once n1 has passed, when it had a second one."""
    done = finals_of(WORSE_LATER, BETTER_LATER, level=0.05)
    entries = {entry.name: entry for entry in done.promoted}
    assert {name: entry.against.pairs for name, entry in entries.items()} == {"n0": 6, "n1": 12}
    assert all(entry.against.low > 0 for entry in entries.values())
    [base] = done.baselines
    for entry in entries.values():
        own = base.fitness[: len(entry.fitness)]
        assert entry.against == compare(entry.fitness, own, level=0.025)
    assert outcome(FunnelResult((done,))) == [
        "Better than every baseline on fresh seeds, at a family-wise level of 0.05: n0 over 6 "
        "tunings, n1 over 12 tunings."
    ]
    page = "\n".join(markdown([done]))
    assert all(f"| {count} tunings |" in page for count in (6, 12))
    kept = [entry_row(_entry(row, done.unit)) for row in [*rows_of(0, done)][1:]]
    assert [row[2] for row in kept] == ["6 tunings", "12 tunings", "12 tunings"]


def test_where_all_passed_in_one_look_the_sentence_has_one_count():
    done = finals_of(BETTER_LATER, BETTER_LATER, level=0.05)
    [told] = outcome(FunnelResult((done,)))
    assert told.startswith("Better than every baseline over 12 tunings of each, on fresh seeds")


def test_what_fails_in_a_later_look_does_not_pass_by_an_earlier_one():
    done = finals_of((0.01,) * 6 + (-math.inf,) * 6, BETTER_LATER, level=0.05)
    failed = next(entry for entry in done.entries if entry.name == "n0")
    assert not failed.promoted and failed.p == 1 and failed.against.failed == 6


def test_what_is_hopeless_gets_no_further_seeds():
    asked, done = contest(5, lambda r: -9.0 * is_lion(r.program), looks=4, seeds=6)
    assert not done.promoted and len(asked) == 6 * (5 + 1)


def test_a_gain_on_one_task_does_not_pay_for_a_loss_on_another():
    def worth(request: Request) -> float:
        return 0.0 if not is_lion(request.program) else {"good": 9.0, "bad": -4.0}[request.task]

    _, alone = contest(1, worth, looks=1, seeds=8, tasks=("good",))
    assert alone.promoted
    _, both = contest(1, worth, looks=1, seeds=8, tasks=("good", "bad"))
    [entry] = both.entries
    assert not entry.promoted and entry.worse_on == "bad" and entry.p == 1
    told = "\n".join(markdown([both]))
    assert "(base on bad)" in told and "no: clearly worse on bad" in told


@pytest.mark.parametrize("least, passes", [(0.0, True), (4.0, True), (12.0, False)])
def test_a_gain_must_be_as_large_as_what_matters(least, passes):
    _, done = contest(1, lambda r: 9.0 * is_lion(r.program), looks=1, seeds=8, least_gain=least)
    [entry] = done.entries
    assert entry.promoted == passes and entry.against.margin == least
    [told] = outcome(FunnelResult((replace(done, name=FINALS_STAGE),)))
    said = (
        "Better than every baseline by more than 4 on" if least else "Better than every baseline on"
    )
    assert told.startswith(said) == passes


def test_the_mean_over_tasks_must_gain_so_much_and_not_each_of_them():
    def worth(request: Request) -> float:
        return 9.0 * is_lion(request.program) * (request.task == "good")

    _, both = contest(1, worth, looks=1, seeds=8, tasks=("good", "same"), least_gain=2.0)
    assert both.promoted


def test_fewer_states_may_cost_the_margin_on_each_task():
    def worth(request: Request) -> float:
        return 0.0 if not is_lion(request.program) else {"good": 9.0, "bad": -4.0}[request.task]

    _, both = contest(1, worth, looks=1, seeds=8, tasks=("good", "bad"), memory_margin=6.0)
    assert both.promoted


@pytest.mark.parametrize("looks", [2, 6])
def test_looks_that_could_not_show_anything_are_refused(looks):
    with pytest.raises(ValueError, match=f"in {looks} looks; expected at least"):
        StageSettings(name="B", seeds=2, looks=looks, level=0.001)
    with pytest.raises(ValueError, match=f"in {looks} looks; expected at least"):
        FunnelSettings(
            stages=(StageSettings(name="B", keep=1, tuning=NO_TUNING),),
            finals=FinalsSettings(tunings=1, seeds=2, looks=looks, level=0.001),
        )


def test_levels_that_no_number_of_pairs_reaches_are_refused():
    with pytest.raises(ValueError, match=r"no p is below 1 / 20,001 .* level of at least 0.0004"):
        StageSettings(name="B", seeds=99, looks=8, level=0.0001)
    stages = (StageSettings(name="B", keep=20),)
    finals = FinalsSettings(tunings=2, seeds=1, level=0.01, looks=8)
    FunnelSettings(stages=stages, finals=finals)
    with pytest.raises(ValueError, match=r"for 60 finalists, .* level of at least 0.024"):
        FunnelSettings(memory_margin=0.01, stages=stages, finals=finals)
