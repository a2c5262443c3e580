"""Programs of one functional hash and other texts, with statements that are there twice: what a search
does with them is the same after a stop as without."""

import functools

import pytest
import toys
from in_process import evolve

from programs import parse
from search.config.settings import Config
from search.evaluation.fitness import Evaluation, Outcome

TWO_STATES = """\
def train(w, g, m, v, lr):
    m = interp(g, m, 0.9)
    v1 = interp(g, v, 0.99)
    v = interp(g, v, 0.99)
    d = v * v
    u = m / d
    u = sign(u)
    update = u * 0.001
    return update, m, v
"""
ONE_FACTOR = """\
def train(w, g, m, lr):
    a = g * 0.01
    b = g * 0.01
    m = a + m
    c = a * lr
    c = sin(c)
    update = c * 0.01
    update = tanh(update)
    update = a * lr
    return update, m
"""


def _level(job):
    return [Evaluation(r.task, r.seed, 1.0, Outcome.COMPLETED, 1) for r in job.requests]


def _level_factory():
    return _level


SEARCHES = {
    "niches": (_level_factory, TWO_STATES, {
        "evolution": {"children": 400, "niches": {"shares": (1.0, 1.0, 1.0)},
                      "mutations": {"insert": 0.2, "delete": 0.2, "modify": 1.0}},
    }),
    "rates": (toys.stepper_factory, ONE_FACTOR, {
        "evolution": {"children": 400, "mutations": {"insert": 0.3, "delete": 0.4, "modify": 1.0}},
        "evaluation": {"rates": (1.0, 0.5, 2.0, 0.25), "rates_when": "always"},
    }),
}  # fmt: skip


@pytest.mark.parametrize("seed", [3, 4])
@pytest.mark.parametrize("name", SEARCHES)
def test_a_stop_changes_nothing(name, seed, tmp_path):
    factory, start, settings = SEARCHES[name]
    evolution = {"population": 60, "window": 8, "repeats": 1, "rounds": 1, **settings["evolution"]}
    evaluation = {"tasks": "toy", **settings.get("evaluation", {})}
    config = Config.model_validate({
        "seed": seed, "evolution": evolution, "evaluation": evaluation,
        "rescore": {"programs": 0}, "workers": {"address": "in_process"}, "funnel": None,
    })  # fmt: skip
    run = functools.partial(evolve, config=config, factory=factory, starts=[parse(start)])
    whole = run(tmp_path / "whole")
    for part in range(1, 9):  # each stop is a resume of the one before
        run(tmp_path / "parts", stop_after=45 * part)
    assert run(tmp_path / "parts") == whole
