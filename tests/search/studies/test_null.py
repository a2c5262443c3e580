"""Null checks: what is asked of a funnel, and how its confirmations are counted."""

import numpy as np
import pytest
import toys

from programs import load
from programs.execute import run_step
from search.config.load import loads
from search.evaluation.source import Function
from search.selection.families import is_variant
from search.studies.folder import Folder
from search.studies.null import disguised, most_false, plan, summary

CONFIG = loads(b"""
evolution: {children: 60, population: 10, repeats: 1, rounds: 1, window: 8}
evaluation: {tasks: [vision_mlp], settings: {vision_mlp: {steps: 5}}}
workers: {address: in_process}
""")


def test_the_disguised_baseline_is_the_baseline_and_is_not_set_aside():
    baseline = load("library:adamw")
    program = disguised(baseline)
    assert not is_variant(program, of=baseline)
    rng = np.random.default_rng(0)
    w, g = ([rng.normal(size=(3, 2)).astype(np.float32)] for _ in range(2))
    states = [[np.zeros_like(w[0])] for _ in baseline.states]
    lr = np.float32(0.5)
    one, other = (run_step(p, np, w=w, g=g, states=states, lr=lr) for p in (baseline, program))
    np.testing.assert_array_equal(one[0][0], other[0][0])


def test_both_kinds_with_as_many_seeds(tmp_path):
    folder = Folder(tmp_path, {})
    planned = plan(
        CONFIG, Function(toys.factory()), folder, kinds=["shuffled", "baseline"], repeats=2
    )
    assert [one.name for one in planned] == ["shuffled-0", "baseline-0", "shuffled-1", "baseline-1"]
    shuffled, baseline = (one.config for one in planned[:2])
    settings = {"steps": 5, "shuffled_labels": True}
    assert shuffled.evaluation.settings == {"vision_mlp": settings}
    assert shuffled.evolution.mode == "evolution" and baseline.evolution.mode == "tune"
    assert baseline.evaluation == CONFIG.evaluation
    assert load(baseline.evolution.warm_start[0]) == disguised(load("library:adamw"))
    assert {one.config.funnel for one in planned} == {None}


def result(kind, confirmed, finals=True):
    stages = [{"stage": "A"}] + [{"stage": "finals"}] * finals
    return {"arm": kind, "confirmed": ["program"] * confirmed, "stages": stages}


def test_confirmations_are_counted_with_their_bound():
    assert most_false(40, 0.05) == 5
    results = [result("shuffled", i < 6) for i in range(40)]
    results += [result("baseline", i < 5, finals=i < 9) for i in range(40)]
    numbers, lines = summary(results, 0.05)
    assert numbers["shuffled"]["confirmed"] == 6 and numbers["baseline"]["finals"] == 9
    assert numbers["shuffled"]["p"] == pytest.approx(0.0139, abs=1e-4)
    assert lines[-2:] == [
        "shuffled: a level of 0.05 does not hold: 6 of 40, at most 5",
        "baseline: a level of 0.05 is not contradicted: 5 of 40, at most 5",
    ]


@pytest.mark.parametrize(
    ("count", "confirmed", "word"),
    [
        (1, 1, "is not decided by so few funnels"),
        (19, 0, "is not decided by so few funnels"),
        (20, 0, "is not contradicted"),
        (71, 0, "is not contradicted"),
        (72, 0, "holds"),
        (2, 2, "does not hold"),
    ],
)
def test_few_funnels_do_not_show_that_a_level_holds(count, confirmed, word):
    _, lines = summary([result("baseline", i < confirmed) for i in range(count)], 0.05)
    assert lines[-1].startswith(f"baseline: a level of 0.05 {word}: {confirmed} of {count}, ")
