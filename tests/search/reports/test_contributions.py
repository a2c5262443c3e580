"""What each statement contributes, by trainings that are made for it."""

import math

import pytest

from programs import load, parse
from search.evaluate import main
from search.evaluation.fitness import Evaluation, Outcome
from search.reports.verbs.contributions import measured


def _evaluate(program):
    """Each statement is worth 0.5, but for a sign: without one the training diverges."""
    text = str(program)
    statements = sum(" * 1.0" not in str(one) for one in program)
    fitness = 0.5 * statements if "sign(" in text else -math.inf
    outcome = Outcome.COMPLETED if "sign(" in text else Outcome.DIVERGED
    return [
        Evaluation("t", seed, fitness + 0.01 * seed, outcome, 1, compile_seconds=0, run_seconds=0)
        for seed in (1, 2, 3)
    ]


def test_a_statement_is_worth_what_is_lost_without_it():
    found = {one["statement"]: one for one in measured(load("library:lion"), _evaluate)}
    assert len(found) == 7
    decay = found["update = update + wd"]
    assert decay["mean"] == pytest.approx(0.5) and decay["verdict"] == "measured (now)"
    assert decay["interval"] == pytest.approx([0.5, 0.5]) and decay["seeds"] == 3
    sign = found["update = sign(update)"]
    assert "mean" not in sign and sign["verdict"] == "the other has no fitness (now)"


def test_what_nothing_is_valid_without():
    program = parse("def train(w, g, lr):\n  s = sign(g)\n  update = s * 0.1\n  return update\n")
    found = measured(program, _evaluate)
    assert [one["statement"] for one in found] == ["s = sign(g)", "update = s * 0.1"]
    assert all(one["verdict"] for one in found)


def test_the_command(capsys):
    asked = "--task vision_mlp --task-set steps=10 --seeds 2 --contributions"
    assert main(["library:sign_sgd", *asked.split()]) == 0
    assert "contribution [95 %]" in capsys.readouterr().out
    assert main(["optax:sgd(learning_rate=0.1)", *asked.split()]) == 2
    assert "only a program has statements" in capsys.readouterr().err
