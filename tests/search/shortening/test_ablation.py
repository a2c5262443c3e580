"""Ablation with planted worth: what is worth something stays, the rest goes, and luck is not worth."""

import random

import pytest

from programs import Program, load, parse
from search.config.selection import AblationSettings
from search.evaluation.request import Request
from search.selection.families import structure
from search.selection.objective import Objective
from search.shortening.ablation import Ablation, ablate
from search.shortening.judge import BEST, START, Untrainable, Verdict
from search.shortening.removals import peephole

LION = load("library:lion")
EVOLVED = parse(
    """def train(w, g, v, lr):
    g = clip(g, lr)
    g = arcsin(g)
    update = interp(g, v, 0.9)
    update = sign(update)
    wd = w * 0.46
    update = update + wd
    lr = lr * 0.000217
    update = update * lr
    v = interp(g, v, 0.99822)
    return update, v
"""
)
WORTH = {"sign": 1.0, "interp": 1.0, "add": 0.5, "multiply": 0.5}


class Planted:
    """The sum of what each function is worth, a seed's luck and a training's luck.

    worth: by function; harmless functions are worth 0.
    """

    def __init__(self, worth=WORTH, seed_luck=0.1, luck=0.03, broken=lambda program: False):
        self.worth, self.seed_luck, self.luck, self.broken = worth, seed_luck, luck, broken
        self.asked: list[Request] = []

    def __call__(self, requests):
        self.asked += requests
        return [self.one(r) for r in requests]

    def one(self, r: Request) -> float:
        if self.broken(r.program):
            return float("-inf")
        value = sum(self.worth.get(s.function, 0.0) for s in r.program)
        common = random.Random(f"{r.task} {r.seed}").gauss(0, self.seed_luck)
        own = random.Random(f"{r.program}{r.task}{r.seed}{r.split}").gauss(0, self.luck)
        return value + common + own


def ablated(program, score, tasks, settings=None, **more) -> Ablation:
    objective = Objective(score, tuple(tasks))
    return ablate(program, objective, settings=settings or AblationSettings(), **more)


def test_harmless_statements_go_and_what_is_left_is_lion():
    done = ablated(EVOLVED, Planted(), ["a", "b"])
    assert structure(done.program) == structure(LION)
    assert len(done.program) == len(LION)
    verdicts = [change.verdict for change in done.changes]
    assert verdicts.count(Verdict.ACCEPTED) == 2 and verdicts[-1] is Verdict.CONFIRMED
    assert done.changes[-1].after == done.program
    assert all(change.by_task for change in done.changes)
    assert done.tolerance["a"] == pytest.approx(0.05, rel=0.6)  # half of a seed's luck


def test_a_program_that_needs_everything_is_left_alone():
    done = ablated(LION, Planted(), ["a"])
    assert done.program == LION
    assert all(change.verdict is not Verdict.ACCEPTED for change in done.changes)


def test_what_matters_on_one_task_only_stays():
    class Two(Planted):
        def one(self, r):
            clipped = any(s.function == "clip" for s in r.program)
            return super().one(r) + (r.task == "b" and clipped)

    done = ablated(EVOLVED, Two(), ["a", "b"])
    assert any(s.function == "clip" for s in done.program)
    assert not any(s.function == "arcsin" for s in done.program)


def test_noise_hides_no_loss():
    """With few seeds and much luck nothing is shown to be harmless, so nothing goes."""
    done = ablated(EVOLVED, Planted(luck=1.0), ["a"], AblationSettings(seeds=4, tolerance=0.1))
    assert done.program == EVOLVED


def test_what_one_removal_gains_no_other_loses():
    """Without clip it is better by 0.5. Without arcsin it loses 0.3 of that, and is still better
    than the start."""
    worth = WORTH | {"clip": -0.5, "arcsin": 0.3}
    done = ablated(EVOLVED, Planted(worth), ["a"], AblationSettings(tolerance=0.1))
    assert [s.function for s in done.program if s.function in ("clip", "arcsin")] == ["arcsin"]
    lost = [c for c in done.changes if c.what.startswith("drop g = arcsin(g)")]
    assert {c.verdict for c in lost} <= {Verdict.WORSE, Verdict.HOPELESS}
    assert lost[-1].by_task[0].reference == BEST


def test_a_gain_on_one_task_is_kept_on_that_task():
    class Two(Planted):
        def one(self, r):
            value = super().one(r)
            functions = {s.function for s in r.program}
            if r.task == "b":
                value += 0.5 * ("clip" not in functions) + 0.3 * ("arcsin" in functions)
            return value

    done = ablated(EVOLVED, Two(), ["a", "b"], AblationSettings(tolerance=0.1))
    assert [s.function for s in done.program if s.function in ("clip", "arcsin")] == ["arcsin"]


def test_luck_does_not_make_a_best_so_far():
    """All removals are harmless, so none is shown to be better: all are compared with the start."""
    done = ablated(EVOLVED, Planted(), ["a", "b"])
    references = {measured.reference for c in done.changes for measured in c.by_task}
    assert references == {START}


def test_small_losses_do_not_add_up():
    """Each statement is worth half of the tolerance: two at most may go, since all removals are
    compared with the start."""
    many = parse(
        "def train(w, g, lr):\n"
        + "  g = arcsinh(g)\n  g = tanh(g)\n  g = arctan(g)\n  g = sin(g)\n" * 2
        + "  update = g * lr\n  return update\n"
    )
    worth = dict.fromkeys(("arcsinh", "tanh", "arctan", "sin"), 0.05) | {"multiply": 9.0}
    done = ablated(many, Planted(worth, luck=0.005), ["a"], AblationSettings(tolerance=0.11))
    assert len(many) - len(done.program) == 2


def test_the_unlucky_are_reverted():
    """Harmless on the first seeds only: fresh seeds show it."""

    class Tricky(Planted):
        def one(self, r):
            clipped = any(s.function == "clip" for s in r.program)
            return super().one(r) - (r.seed >= 3000 and not clipped)

    done = ablated(EVOLVED, Tricky(), ["a"])
    verdicts = [change.verdict for change in done.changes]
    assert Verdict.UNCONFIRMED in verdicts and verdicts[-1] is Verdict.CONFIRMED
    assert [s.function for s in done.program if s.function in ("clip", "arcsin")] == ["clip"]


def test_the_last_round_keeps_the_first_removals():
    """Without arcsin it is worse on fresh seeds alone, and in each round on others."""
    few = AblationSettings(seeds=60, confirm_seeds=6, tolerance=0.02, retuning={"draws": 1})

    class Tricky(Planted):
        def one(self, r):
            bare = not any(s.function == "arcsin" for s in r.program)
            losses = [-0.06, -0.03, -0.2] if r.seed >= 3000 else [0.02]
            return super().one(r) + bare * losses[max(0, r.seed - 3000) // 6]

    done = ablated(EVOLVED, Tricky(luck=0.001), ["a"], few)
    verdicts = [change.verdict for change in done.changes]
    rounds = [Verdict.UNCONFIRMED, Verdict.UNCONFIRMED, Verdict.TAKEN_BACK, Verdict.CONFIRMED]
    assert [verdict for verdict in verdicts if verdict in rounds] == rounds
    assert [s.function for s in done.program if s.function in ("clip", "arcsin")] == ["arcsin"]
    assert done.removed == ("drop g = clip(g, lr)",)


def test_removals_that_diverge_and_a_start_that_does():
    no_clip = lambda program: not any(s.function == "clip" for s in program)
    done = ablated(EVOLVED, Planted(broken=no_clip), ["a"])
    assert any(s.function == "clip" for s in done.program)
    assert any(
        c.verdict is Verdict.HOPELESS and c.by_task[0].comparison.failed for c in done.changes
    )
    for settings in (None, AblationSettings(tolerance=0.1)):
        with pytest.raises(Untrainable, match="does not train"):
            ablated(EVOLVED, Planted(broken=lambda program: True), ["a"], settings)


def test_the_constants_that_came_in_are_carried_along():
    """Removals are repeated on the program before its constants were tuned."""
    tuned = EVOLVED.with_constants([0.8, 0.5, 0.001, 0.99])
    done = ablated(tuned, Planted(), ["a"], original=EVOLVED)
    assert structure(done.program) == structure(LION)
    assert [c.value for c in done.original.constants()] == [c.value for c in EVOLVED.constants()]
    assert [c.value for c in done.program.constants()] == [c.value for c in tuned.constants()]
    assert ablated(tuned, Planted(), ["a"]).original is None
    other = ablated(EVOLVED, Planted(), ["a"], original=EVOLVED, proposal=LION)
    assert other.original is None  # a proposal's constants are its own


def test_the_result_is_a_whole_program():
    done: Ablation = ablated(EVOLVED, Planted(), ["a"], simplify=peephole)
    assert isinstance(parse(str(done.program)), Program)
    assert done.trainings > 0
