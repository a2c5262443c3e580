"""From evaluations to scores, hurdles and finalists."""

from __future__ import annotations

import json
import math
import random
from collections import deque
from dataclasses import replace

import numpy as np
import pytest
import toys

from search.config.settings import Config, EvaluationSettings, HurdleSettings
from search.evaluation.fitness import (
    NOT_TRAINED,
    Evaluation,
    Outcome,
    Score,
    rejected,
    score_of,
)
from search.evaluation.jobs import Purpose
from search.evolution.counters import Statistics
from search.evolution.hurdles import ThresholdTracker, may_be_audited
from search.reports.summary import audits, fame
from search.selection.comparison import t_interval
from search.selection.finalists import LEVEL, Finalist
from search.storage.conversion import evaluation_row, imported_row, imported_score
from search.storage.leaders import Leader, hall_of_fame
from search.storage.queries import evaluations
from search.storage.store import Store


def evaluation(task="a", seed=0, fitness=1.0, outcome=Outcome.COMPLETED, checkpoints=(0.5,)):
    return Evaluation(task, seed, fitness, outcome, 100, checkpoints, 0.0, 0.1)


def test_a_score_is_the_weighted_mean_over_tasks_of_the_mean_over_seeds():
    settings = EvaluationSettings(tasks=("a", "b"), weights=(1.0, 3.0), seeds=2)
    found = [
        evaluation("a", 0, 1.0, checkpoints=(0.1,)),
        evaluation("a", 1, 3.0, checkpoints=(0.3,)),
        evaluation("b", 0, -1.0, checkpoints=(-2.0,)),
        evaluation("b", 1, -1.0, checkpoints=(-4.0,)),
    ]
    score = score_of(found, settings)
    assert score.fitness == (2.0 + 3 * -1.0) / 4 and score.by_task == (2.0, -1.0)
    assert score.checkpoints == (pytest.approx((0.2,)), (-3.0,))
    assert imported_score(imported_row(b"key", score)) == score


@pytest.mark.parametrize("outcome", [Outcome.DIVERGED, Outcome.HURDLE, Outcome.FAILED])
def test_one_training_that_does_not_complete_decides(outcome):
    settings = EvaluationSettings(tasks=("a", "b"))
    score = score_of([evaluation(), evaluation("b", fitness=-math.inf, outcome=outcome)], settings)
    assert score == rejected(outcome) and imported_score(imported_row(b"key", score)) == score
    finite = score_of([evaluation(fitness=math.nan)], EvaluationSettings(tasks=("a",)))
    assert finite == rejected(Outcome.DIVERGED)


def test_evaluations_come_back_from_the_store_bit_for_bit(tmp_path):
    given = evaluation(fitness=0.1 + 0.2, checkpoints=(1 / 3, -2.5e-8))
    with Store(tmp_path) as store:
        store.add(evaluation_row(7, Purpose.SEARCH, given))
        store.commit()
        assert evaluations(store, Purpose.SEARCH) == {7: (given,)}


def scores(*pairs):
    """Scores on one task with one hurdle: (at the hurdle, at the end)."""
    return [Score(end, Outcome.COMPLETED, (end,), ((half,),)) for half, end in pairs]


def thresholds(population, settings):
    """Those of a population that is seen for the first time."""
    return ThresholdTracker(len(population), settings).thresholds(population, len(population))


def test_thresholds_are_a_quantile_less_a_share_of_what_is_still_to_gain():
    population = scores((1.0, 5.0), (2.0, 6.0), (3.0, 7.0))
    plain = HurdleSettings(at=(0.5,), quantile=0.5, slack=0.0)
    assert thresholds(population, plain) == ((2.0,),)
    slack = HurdleSettings(at=(0.5,), quantile=0.5, slack=0.5)
    assert thresholds(population, slack) == ((2.0 - 0.5 * 4.0,),)
    with_failures = [*population, rejected(Outcome.DIVERGED), rejected(Outcome.NON_FINITE)]
    assert thresholds(with_failures, slack) == thresholds(population, slack)
    assert thresholds(population, HurdleSettings()) == ()
    assert thresholds([rejected(Outcome.HURDLE)], plain) == ()


def test_thresholds_follow_a_population_that_moves_on_to_the_last_bit():
    rng = random.Random(0)
    settings = HurdleSettings(at=(0.1, 0.5), quantile=0.3, slack=0.4)

    def plain(population):  # from all scores anew
        own = [score for score in population if score.outcome is Outcome.COMPLETED]
        if not own:
            return ()
        final = np.median([score.by_task for score in own], axis=0)
        reached = np.array([score.checkpoints for score in own])
        gain = np.maximum(final[:, None] - np.median(reached, axis=0), 0)
        return tuple(map(tuple, (np.quantile(reached, 0.3, axis=0) - 0.4 * gain).tolist()))

    def drawn():
        if rng.random() < 0.3:
            return rejected(Outcome.HURDLE)
        tasks = [[rng.gauss(0, 1) for _ in range(3)] for _ in range(2)]
        by_task, points = [t[-1] for t in tasks], [tuple(t[:2]) for t in tasks]
        return Score(sum(by_task), Outcome.COMPLETED, tuple(by_task), tuple(points))

    population = deque([rejected(Outcome.DIVERGED)] * 20)
    field, seen = ThresholdTracker(20, settings), 0
    for _ in range(200):
        for _ in range(rng.choice([0, 1, 1, 3, 30])):
            population.popleft()
            population.append(drawn())
            seen += 1
        assert field.thresholds(reversed(population), seen) == plain(population)


def test_audits_take_their_share_of_what_was_rejected_early():
    settings = HurdleSettings(audit_share=0.25)
    hashes = [(i * 2654435761 % 2**32).to_bytes(4, "big") + bytes(12) for i in range(4000)]
    for outcome in Outcome:
        chosen = sum(may_be_audited(outcome, digest, settings) for digest in hashes)
        early = outcome is Outcome.HURDLE or outcome in NOT_TRAINED
        assert chosen == (pytest.approx(1000, abs=20) if early else 0)


def test_false_rejections_are_counted_by_the_fitness_over_all_tasks_and_seeds(tmp_path):
    """Two tasks of different scales: the worse of them alone says nothing."""
    config = Config(evaluation={"tasks": ("a", "b"), "seeds": 2, "weights": (1.0, 3.0)})
    with Store(tmp_path) as store:
        store.set_meta("history", json.dumps(config.history_settings()))
        outcomes = {0: "COMPLETED", 1: "HURDLE", 2: "HURDLE", 3: "HURDLE", 4: "NEVER_MOVES"}
        for number, outcome in outcomes.items():
            fitness = 5.0 if outcome == "COMPLETED" else -math.inf
            store.add(toys.program_row(number, fitness=fitness, outcome=outcome))
            store.add(toys.individual_row(number, program=number))
        of_task_b = {1: 8.0, 2: 5.0, 3: 8.0, 4: 9.0}  # with 1.0 on task a: 6.25, 4.0, -inf, 7.0
        for number, b in of_task_b.items():
            for seed in (0, 1):
                found = [evaluation("a", seed, 1.0), evaluation("b", seed, b)]
                if number == 3 and seed == 1:
                    found[1] = evaluation("b", seed, -math.inf, Outcome.DIVERGED)
                for one in found:
                    store.add(evaluation_row(number, Purpose.AUDIT, one))
        store.commit()
        hurdles, fingerprint = audits(store)
    assert "hurdles: 3 trained to the end to check; 1 (33.3%) would" in hurdles
    assert "the fingerprint: 1 trained to the end to check; 1 (100.0%) would" in fingerprint


def test_intervals_are_students():
    low, high = t_interval((1.0, 2.0, 3.0), LEVEL)
    assert (low, high) == pytest.approx((2 - 2.4841, 2 + 2.4841), abs=1e-3)
    assert t_interval((1.0,), LEVEL) == t_interval((1.0, -math.inf), LEVEL) == (-math.inf, math.inf)
    finalist = Finalist(Leader(0, 1, 0.5, ""), (1.0, 3.0), (1.0, 2.0))
    assert finalist.mean == 2.0 and finalist.gain_interval == t_interval((0.0, 1.0), LEVEL)


def test_the_hall_of_fame_has_no_program_that_a_shorter_one_equals(tmp_path):
    with Store(tmp_path) as store:
        fitness = {0: (3, 0.5), 1: (3, 0.7), 2: (5, 0.7), 3: (9, 0.9), 4: (7, -math.inf)}
        fitness |= {5: (4, 0.75), 6: (12, 0.9)}
        for number, (live, value) in fitness.items():
            store.add(toys.program_row(number, live=live, fitness=value))
            store.add(toys.individual_row(10 + number, program=number))
        store.commit()
        best = [(entry.live, entry.fitness, entry.number) for entry in hall_of_fame(store)]
        assert best == [(3, 0.7, 11), (4, 0.75, 15), (9, 0.9, 13)]
        again = Finalist(Leader(13, 9, 0.9, "text"), (0.7, 0.8, 0.9), (0.7, 0.7, 0.7))
        lines = list(fame(store, [again]))
    assert lines[0] == "    3  0.7  individual 11"
    assert lines[2].startswith("    9  0.9  individual 13, on fresh seeds 0.8 [0.55")


def test_time_is_wasted_on_programs_not_on_tasks(tmp_path):
    """The task that a program completes before it fails on the next one is wasted, too."""
    good = [replace(evaluation("a"), compile_seconds=4.0), evaluation("b")]
    bad = [evaluation("a"), evaluation("b", fitness=-math.inf, outcome=Outcome.DIVERGED)]
    counted = Statistics()
    with Store(tmp_path) as store:
        for number, found in enumerate((good, bad, bad)):
            outcome = score_of(found, EvaluationSettings(tasks=("a", "b"))).outcome
            counted.count_evaluation(found, outcome)
            for one in found:
                store.add(evaluation_row(number, Purpose.SEARCH, one))
        store.commit()
        restored = Statistics.counted(store)
    for statistics in (counted, restored):
        assert statistics.wasted_share == pytest.approx(2 / 3)
        assert statistics.wasted_share_with_compilation == pytest.approx(0.4 / 4.6)
        assert dict(statistics.training_s) == pytest.approx({"COMPLETED": 0.2, "DIVERGED": 0.4})
        assert statistics.compile_s["COMPLETED"] == pytest.approx(4.0)
