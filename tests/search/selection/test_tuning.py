"""Tuning: the same budget for all, deterministic, and it finds planted constants."""

import math
import random
from dataclasses import replace

import pytest

from programs import library, load, parse
from search.config.selection import FunnelSettings, TuningSettings
from search.evaluation.request import Request
from search.selection.objective import Objective
from search.selection.tuning import broad_draws, most_trainings, redrawn, tune


class Planted:
    """Fitness falls with the distance of the last constant from 0.01, in octaves; counts calls."""

    def __init__(self, noise: float = 0.0):
        self.noise, self.asked = noise, []

    def __call__(self, requests):
        self.asked += requests
        return [self.one(request) for request in requests]

    def one(self, request: Request) -> float:
        values = [a for s in request.program for a in s.arguments if not isinstance(a, str)]
        if not values or values[-1] <= 0:
            return -math.inf
        luck = random.Random(f"{request.program}{request.seed}").gauss(0, self.noise)
        return -abs(math.log2(values[-1] / 0.01)) + luck


ADAMW, LION = load("library:adamw"), load("library:lion")
SETTINGS = TuningSettings(draws=24, keep=3, seeds=4)


def test_every_program_gets_the_same_budget():
    score = Planted(noise=0.1)
    tune([ADAMW, LION], Objective(score, ("a", "b")), settings=SETTINGS)
    shapes = [len(request.program) for request in score.asked]
    assert shapes.count(len(ADAMW)) == shapes.count(len(LION)) == 2 * (24 + 3 * 4)
    # Of which those of the first seed are in the store already.
    assert len(set(score.asked)) == 2 * 2 * most_trainings(SETTINGS) == 2 * 2 * 33
    assert {request.split for request in score.asked} == {"search_validation"}


def test_planted_constants_are_found_and_the_start_is_never_lost():
    [adamw, lion] = tune([ADAMW, LION], Objective(Planted(), ("a",)), settings=SETTINGS)
    for tuned in (adamw, lion):
        start = Planted().one(Request(tuned.start, "a", 0))
        assert tuned.fitness > max(-3.0, start)
        assert [s.function for s in tuned.program] == [s.function for s in tuned.start]
    best_start = load("library:adam")
    best_start = replace(
        best_start,
        statements=tuple(
            replace(s, arguments=("lr", 0.01)) if s.arguments == ("lr", 0.001) else s
            for s in best_start
        ),
    )
    [kept] = tune([best_start], Objective(Planted(), ("a",)), settings=SETTINGS)
    assert kept.program == best_start


def rate(program) -> float:
    """The last constant, AdamW's learning rate."""
    return [a for s in program for a in s.arguments if not isinstance(a, str)][-1]


def bowl(best: float, luck: float):
    """Fitness has its best at this learning rate, and falls with the square of the octaves."""

    def one(r: Request) -> float:
        distance = math.log2(rate(r.program) / best) if rate(r.program) > 0 else 99.0
        return -0.05 * distance**2 + random.Random(f"{r.program}{r.seed}").gauss(0, luck)

    return lambda requests: [one(r) for r in requests]


@pytest.mark.parametrize("best", [1e-5, 0.001, 0.1])
def test_a_head_start_finds_a_learning_rate_100_times_away(best):
    head_start = FunnelSettings().head_start
    for seed in range(10):
        [tuned] = tune(
            [ADAMW], Objective(bowl(best, luck=0.02), ("a",)), settings=head_start, draw_seed=seed
        )
        assert abs(math.log2(rate(tuned.program) / best)) < 0.7


def test_broad_draws_cover_the_ranges_that_are_stated():
    """Also of averages that are written the other way round; all of them are valid programs."""
    turned = parse(str(ADAMW).replace("interp(g, m, 0.9)", "interp(m, g, 0.1)"))
    for program, newest in ((ADAMW, lambda c: 1 - c), (turned, lambda c: c)):
        draws = broad_draws(program, 100, seed=1)
        assert len(draws) == 100 and len(set(draws)) == 100
        values = list(zip(*([c.value for c in draw.constants()] for draw in draws)))
        for constant, drawn in zip(program.constants(), values):
            if program.statements[constant.statement].function == "interp":
                shares = [newest(c) if constant.value in (0.9, 0.1) else 1 - c for c in drawn]
                low, high = 1 / 1000, 1.0
            else:
                shares, low, high = drawn, constant.value / 64, constant.value * 64
            assert min(shares) >= low * 0.999 and max(shares) <= high * 1.001
            middle = math.sqrt(low * high)
            assert 45 <= sum(share < middle for share in shares) <= 55
    assert (
        broad_draws(parse("def train(w, g, lr):\n  update = g * lr\n  return update\n"), 4, seed=1)
        == []
    )


def test_broad_draws_are_part_of_the_budget():
    settings = TuningSettings(draws=24, broad=0.5, keep=3, seeds=4)
    score = Planted()
    [result] = tune([ADAMW], Objective(score, ("a",)), settings=settings)
    assert result.draws == 24 and len(set(score.asked)) == most_trainings(settings) == 33


def test_other_constants_of_the_same_program_are_a_start_too():
    other = parse(str(ADAMW).replace("lr * 0.001", "lr * 5"))
    settings = TuningSettings(draws=4, keep=2, seeds=2, spread=0.01)
    [tuned] = tune(
        [ADAMW], Objective(bowl(5.0, luck=0.0), ("a",)), settings=settings, others=[[other]]
    )
    assert tuned.program == other and tuned.start == ADAMW and tuned.draws == 4


def test_it_is_deterministic_and_independent_of_company():
    alone = tune([LION], Objective(Planted(0.1), ("a",)), settings=SETTINGS, draw_seed=3)
    beside = tune([ADAMW, LION], Objective(Planted(0.1), ("a",)), settings=SETTINGS, draw_seed=3)
    assert alone[0] == beside[1]
    assert (
        tune([LION], Objective(Planted(0.1), ("a",)), settings=SETTINGS, draw_seed=4)[0] != alone[0]
    )


def test_a_program_that_always_fails_and_one_without_constants():
    [sign] = tune([parse("def train(w, g, lr):\n  update = sign(g)\n  return update\n")],
                  Objective(Planted(), ("a",)), settings=SETTINGS)  # fmt: skip
    assert sign.fitness == -math.inf and sign.draws == 1
    score = Planted()
    [untuned] = tune([LION], Objective(score, ("a",)), settings=TuningSettings(draws=1))
    assert untuned.program == LION and not score.asked


@pytest.mark.parametrize("name", library())
def test_redrawn_constants_keep_the_program(name):
    program = load(f"library:{name}")
    rng = random.Random(0)
    for _ in range(20 if program.constants() else 0):
        draw = redrawn(program, 2.0, rng)
        assert [c[:2] for c in draw.constants()] == [c[:2] for c in program.constants()]
        assert draw != program
        for before, after in zip(program, draw):
            if after.function == "interp":
                old, new = before.arguments[2], after.arguments[2]
                assert isinstance(old, str) or not 0 <= old < 1 or 0 <= new <= 1
