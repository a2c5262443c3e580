"""Ablation with planted worth: what is worth something stays, the rest goes, and luck is not worth."""

import random

import numpy as np
import pytest
from scipy import stats

from programs import Program, load, parse
from programs.canonical import canonical_hash
from search.config.selection import AblationSettings, ShrinkSettings
from search.evaluation.request import Request
from search.selection.comparison import compare
from search.selection.families import structure
from search.shortening.ablation import Ablation, Untrainable, Verdict, ablate
from search.shortening.evolution_without_insertion import shrink
from search.shortening.removals import removals, tidied

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


def test_removals_of_a_program():
    found = {removal.what: removal.program for removal in removals(EVOLVED)}
    assert "drop g = clip(g, lr)" in found and "drop g = arcsin(g)" in found
    assert "drop state v" in found and found["drop state v"].states == ()
    assert max(len(program) for program in found.values()) < len(EVOLVED)
    assert list(found).index("drop g = clip(g, lr)") < list(found).index("drop g = arcsin(g)")
    assert len({canonical_hash(program) for program in found.values()}) == len(found)


@pytest.mark.parametrize("name", ["lion", "adamw", "program8", "yogi", "lamb"])
def test_every_removal_is_shorter_and_valid(name):
    program = load(f"library:{name}")
    for removal in removals(program):
        assert (len(removal.program), len(removal.program.states)) < (
            len(program),
            len(program.states),
        )
        assert set(removal.program.states) <= set(program.states)


def test_harmless_statements_go_and_what_is_left_is_lion():
    done = ablate(EVOLVED, Planted(), ["a", "b"])
    assert structure(done.program) == structure(LION)
    assert len(done.program) == len(LION)
    verdicts = [change.verdict for change in done.changes]
    assert verdicts.count(Verdict.TAKEN) == 2 and verdicts[-1] is Verdict.CONFIRMED
    assert done.changes[-1].after == done.program
    for change in done.changes:
        assert change.by_task and str(change).startswith(change.what)
    assert done.tolerance["a"] == pytest.approx(0.05, rel=0.6)  # half of a seed's luck


def test_a_program_that_needs_everything_is_left_alone():
    done = ablate(LION, Planted(), ["a"])
    assert done.program == LION
    assert all(change.verdict is not Verdict.TAKEN for change in done.changes)


def test_what_matters_on_one_task_only_stays():
    class Two(Planted):
        def one(self, r):
            clipped = any(s.function == "clip" for s in r.program)
            return super().one(r) + (r.task == "b" and clipped)

    done = ablate(EVOLVED, Two(), ["a", "b"])
    assert any(s.function == "clip" for s in done.program)
    assert not any(s.function == "arcsin" for s in done.program)


def test_noise_hides_no_loss():
    """With few seeds and much luck nothing is shown to be harmless, so nothing goes."""
    done = ablate(EVOLVED, Planted(luck=1.0), ["a"], AblationSettings(seeds=4, tolerance=0.1))
    assert done.program == EVOLVED


def test_small_losses_do_not_add_up():
    """Each statement is worth half of the tolerance: two at most may go, since all removals are
    compared with the start."""
    many = parse(
        "def train(w, g, lr):\n"
        + "  g = arcsinh(g)\n  g = tanh(g)\n  g = arctan(g)\n  g = sin(g)\n" * 2
        + "  update = g * lr\n  return update\n"
    )
    worth = dict.fromkeys(("arcsinh", "tanh", "arctan", "sin"), 0.05) | {"multiply": 9.0}
    done = ablate(many, Planted(worth, luck=0.005), ["a"], AblationSettings(tolerance=0.11))
    assert len(many) - len(done.program) == 2


def test_the_unlucky_are_taken_back():
    """Harmless on the first seeds only: fresh seeds show it."""

    class Tricky(Planted):
        def one(self, r):
            clipped = any(s.function == "clip" for s in r.program)
            return super().one(r) - (r.seed >= 3000 and not clipped)

    done = ablate(EVOLVED, Tricky(), ["a"])
    verdicts = [change.verdict for change in done.changes]
    assert Verdict.UNCONFIRMED in verdicts and verdicts[-1] is Verdict.CONFIRMED
    assert [s.function for s in done.program if s.function in ("clip", "arcsin")] == ["clip"]


def test_removals_that_diverge_and_a_start_that_does():
    no_clip = lambda program: not any(s.function == "clip" for s in program)
    done = ablate(EVOLVED, Planted(broken=no_clip), ["a"])
    assert any(s.function == "clip" for s in done.program)
    assert any(c.verdict is Verdict.HOPELESS and c.by_task[0][1].failed for c in done.changes)
    for settings in (None, AblationSettings(tolerance=0.1)):
        with pytest.raises(Untrainable, match="does not train"):
            ablate(EVOLVED, Planted(broken=lambda program: True), ["a"], settings)


def test_harm_of_the_tolerance_is_accepted_at_most_at_the_level():
    rng = np.random.default_rng(0)
    tolerance, level, accepted = 0.5, 0.05, 0
    for _ in range(1_000):
        d = rng.normal(-tolerance, 1.0, 12)
        accepted += compare(d, np.zeros(12), level, -tolerance, sign_flip=False).low > -tolerance
    assert accepted <= stats.binom.ppf(1 - 1e-4, 1_000, level)


def test_evolution_without_insertion_shortens_too():
    settings = ShrinkSettings(price=0.2, children=400, seeds=1)
    short = shrink(EVOLVED, Planted(luck=0.0), ["a"], settings)
    assert len(short) < len(EVOLVED)

    def worth(program):
        return sum(WORTH.get(s.function, 0) - settings.price for s in program)

    assert worth(short) > worth(EVOLVED)
    assert shrink(EVOLVED, Planted(luck=0.0), ["a"], settings) == short  # the same seed


def test_the_result_is_a_whole_program():
    done: Ablation = ablate(EVOLVED, Planted(), ["a"], simplify=tidied)
    assert isinstance(parse(str(done.program)), Program)
    assert done.trainings > 0
