"""Tuning the constants of programs, every program of a call with the same budget.

Comparisons of optimizers are decided by who was tuned how hard, so baselines and candidates go
through this one function with one setting. A constant is multiplied by 2^a, a ~ N(0, spread^2), as
the mutation of constants does (Chen et al. 2023, section 2.1); a coefficient of `interp`, which is
1 minus the inverse of an averaging time, has its distance from 1 multiplied instead. That finds
the best nearby. Where the rate and an average are wrong together, as in an AdamW made for long
trainings, a Sobol sequence over wide ranges comes first.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from programs import Constant, Program, is_valid, live_across_steps
from programs.draws import child_rng, standard_normal, uniform_index
from search.config.selection import TuningSettings
from search.selection.objective import Objective

CHANGE = 0.5  # chance that a draw changes a constant, for each of them
ATTEMPTS = 100  # draws of constants until one gives a valid program
LONGEST_AVERAGE = 1_000  # steps; of broad draws
WIDEST = 64.0  # the factor up to which broad draws change any other constant


Each: TypeAlias = int | Sequence[int]
"""One for all, or one for each."""


@dataclass(frozen=True)
class TuningResult:
    """A program with the best constants that were tried."""

    program: Program
    fitness: float  # mean over tasks and the tuning seeds: biased upwards, it was chosen by it
    start: Program
    draws: int  # different programs tried


def tune(
    programs: Sequence[Program],
    objective: Objective,
    *,
    settings: TuningSettings,
    first_seed: Each = 0,
    draw_seed: Each = 0,
    others: Sequence[Sequence[Program]] | None = None,
    keep_frozen: bool = False,
) -> list[TuningResult]:
    """Tunes each program on its own with the same budget; deterministic.

    Args:
      objective: scores on the search-validation split; all programs' draws of a round are asked for
        at once.
      first_seed: of the trainings. draw_seed: of the draws of constants. One for all programs, or
        one for each.
      others: for each program, the same with other constants, as further starting points.
      keep_frozen: leave the constants of frozen statements as they are.
    """
    if not keep_frozen:
        programs = [program.unfrozen() for program in programs]
        others = others and [[program.unfrozen() for program in few] for few in others]
    programs = [live_across_steps(program) for program in programs]
    if settings.draws == 1:
        return [TuningResult(program, math.nan, program, 0) for program in programs]
    starts = [
        [program, *map(live_across_steps, further)]
        for program, further in zip(programs, others or [()] * len(programs))
    ]
    first_seeds = _each(first_seed, len(programs))
    draw_seeds = _each(draw_seed, len(programs))
    tried = _search(
        starts, objective, settings=settings, first_seeds=first_seeds, draw_seeds=draw_seeds
    )
    chosen = [_best(fitness, settings.keep) for fitness in tried]
    blocks = [range(first, first + settings.seeds) for first in first_seeds]
    rows = [(program, seeds) for few, seeds in zip(chosen, blocks) for program in few]
    means = iter(objective.own_means(rows))
    results = []
    for program, few, fitness in zip(programs, chosen, tried):
        final = {draw: next(means) for draw in few}
        [best] = _best(final, 1)
        results.append(TuningResult(best, final[best], program, len(fitness)))
    return results


def most_trainings(settings: TuningSettings, starts: int = 1) -> int:
    """At most so many trainings for a program and task, with so many starting points."""
    if settings.draws == 1:
        return 0
    draws = max(settings.draws, starts + _broad(settings))
    return draws + min(settings.keep, draws) * (settings.seeds - 1)


def _search(
    starts: Sequence[Sequence[Program]],
    objective: Objective,
    *,
    settings: TuningSettings,
    first_seeds: Sequence[int],
    draw_seeds: Sequence[int],
) -> list[dict[Program, float]]:
    """For each program, the fitness of its draws with its first seed."""
    tried: list[dict[Program, float]] = [{} for _ in starts]
    rngs = [child_rng(seed, 0, 0) for seed in draw_seeds]

    def ask(asked: Sequence[Sequence[Program]]) -> None:
        rows = [(program, [first]) for new, first in zip(asked, first_seeds) for program in new]
        means = iter(objective.own_means(rows))
        for done, new in zip(tried, asked):
            done.update((program, next(means)) for program in new)

    broad = _broad(settings)
    if broad:
        ask([[*o, *broad_draws(o[0], broad, seed)] for o, seed in zip(starts, draw_seeds)])
    for number in range(settings.rounds):
        upto = broad + math.ceil((settings.draws - broad) * (number + 1) / settings.rounds)
        nearby = _Nearby(settings.keep, [settings.spread / 2**i for i in range(number + 1)])
        ask(
            [
                nearby.draws(start, upto - len(done), rng=rng, known=done)
                for start, rng, done in zip(starts, rngs, tried)
            ]
        )
    return tried


def _each(one_or_all: Each, count: int) -> list[int]:
    return [one_or_all] * count if isinstance(one_or_all, int) else list(one_or_all)


def _broad(settings: TuningSettings) -> int:
    """How many of the draws are broad."""
    return int(settings.broad * settings.draws)


def _best(fitness: dict[Program, float], count: int) -> list[Program]:
    """The fittest; of equal ones the first."""
    return sorted(fitness, key=lambda program: -fitness[program])[:count]


def broad_draws(program: Program, count: int, seed: int) -> list[Program]:
    """The program with constants that cover wide ranges evenly, see `TuningSettings.broad`; fewer
    if some give no valid program.

    A scrambled Sobol sequence, uniform in the logarithm of a constant and of an average's time.
    """
    from scipy.stats import qmc  # imported here because it takes a second, at each command's start

    constants = program.free_constants()
    if not constants:
        return []
    draws = []
    points = qmc.Sobol(len(constants), rng=seed).random_base2(math.ceil(math.log2(count)))
    for point in points[:count].tolist():
        draw = program
        for constant, x in zip(constants, point):
            if _is_average(program, constant):
                share = LONGEST_AVERAGE**-x  # of the newest value in the average
                value = 1 - share if constant.value > 0.5 else share
            else:
                value = constant.value * WIDEST ** (2 * x - 1)
            draw = draw.with_constant(constant, float(f"{value:.8g}"))
        if is_valid(draw):
            draws.append(draw)
    return draws


@dataclass(frozen=True)
class _Nearby:
    """Draws around one of the best `keep` so far, as the very best may be at the wrong end of a
    valley. Wide spreads find what is far away, narrow ones the best nearby; each draw has one of
    them."""

    keep: int
    spreads: Sequence[float]

    def draws(
        self,
        starts: Sequence[Program],
        count: int,
        *,
        rng: random.Random,
        known: dict[Program, float],
    ) -> list[Program]:
        """New programs, at most `count`; the starts first when none is known yet."""
        new: list[Program] = [] if known else list(dict.fromkeys(starts))
        centres = _best(known, self.keep) if known else starts[:1]
        for _ in range(ATTEMPTS * count if centres[0].free_constants() else 0):
            if len(new) >= count:
                break
            centre = centres[uniform_index(rng, len(centres))]
            draw = redrawn(centre, self.spreads[uniform_index(rng, len(self.spreads))], rng)
            if draw not in known and draw not in new and is_valid(draw):
                new.append(draw)
        return new


def redrawn(program: Program, spread: float, rng: random.Random) -> Program:
    """The program with some of its constants changed, at least one."""
    constants = program.free_constants()
    changed = [constant for constant in constants if rng.random() < CHANGE]
    if not changed:
        changed = [constants[uniform_index(rng, len(constants))]]
    for constant in changed:
        factor = 2.0 ** (spread * standard_normal(rng))
        program = program.with_constant(constant, _scaled(program, constant, factor))
    return program


def _scaled(program: Program, constant: Constant, factor: float) -> float:
    value = constant.value
    if _is_average(program, constant) and value != 1.0:
        new = 1 - (1 - value) * factor
        if 0 <= value < 1:
            new = max(new, 0.0)  # an average, so that it stays one
    else:
        new = value * factor
    return float(f"{new:.8g}")


def _is_average(program: Program, constant: Constant) -> bool:
    """Whether a constant is the coefficient of an `interp`."""
    return program.statements[constant.statement].function == "interp" and constant.argument == 2
