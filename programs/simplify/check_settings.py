"""The parameter trees, weights and gradients on which programs are compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from programs.simplify.rules import Claim

STEPS = 50

Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]
Inputs = tuple[list[np.ndarray], list[np.ndarray], float]


@dataclass(frozen=True, slots=True)
class Setting:
    """One tree of parameters, and what is asked of the programs that run on it.

    shapes: of its arrays.
    draw: the weights and the gradient, (generator, shape) -> numbers.
    gradient: what the gradient is multiplied by.
    zeros: the share of coordinates whose gradient is 0 at every step, as that of a dead unit is,
      and the share whose weight is 0; the last array has no gradient at all.
    lr: the schedule value of every step; if none is given, it falls from 1 to 0.01.
    float32: the share of each output's numbers that must agree in float32, for each claim that says
      anything at these magnitudes.
    excused: the share of each output's numbers that may differ by more than a part in a thousand
      where rounding explains it.
    """

    name: str
    shapes: tuple[tuple[int, ...], ...]
    draw: Draw
    gradient: float = 1.0
    zeros: float = 0.0
    lr: float | None = None
    float32: Mapping[Claim, float] = field(default_factory=dict, hash=False)
    excused: float = 1.0

    @property
    def size(self) -> int:
        """How many numbers a tree has."""
        return sum(int(np.prod(shape)) for shape in self.shapes)

    def zeros_like(self) -> list[np.ndarray]:
        return [np.zeros(shape) for shape in self.shapes]


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.standard_normal(shape)


def _decades(low: float, high: float) -> Draw:
    """Numbers of either sign whose magnitudes are spread evenly from 10^low to 10^high."""
    return lambda r, s: r.choice([-1.0, 1.0], s) * 10.0 ** r.uniform(low, high, s)


def _extreme(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.choice([0.0, 1.0], shape, p=[0.1, 0.9]) * _decades(-30, 30)(rng, shape)


# Shares below 1 leave room for what no rewriting can promise. Near its zeros a sine or a sign makes
# much of rounding: float32's 1 - 0.999 is off by 5e-5, so of exact steps one number in twenty may
# differ. A mean of gradients of 1e-3 is often near 1e-5, where a guard is a part in a thousand: x /
# |x| and sign(x) then differ in an eighth of the numbers, so for guards it is one in four. Where
# numbers are spread over twelve decades some squares leave float32: one in ten.
_USUAL = {Claim.EXACT: 0.95, Claim.UP_TO_GUARDS: 0.75}
_WIDE = {Claim.EXACT: 0.9}

# `excused`: in z / z with z = n / n - 1 every number is a rounding error, so rounding explains any
# result; but the real result is one of these, and three in four numbers must keep it.
SETTINGS = (
    Setting("ordinary", ((2, 3), (), (4,)), normal, float32=_USUAL, excused=0.25),
    Setting("training", ((3, 2), (4,)), normal, 1e-3, float32=_USUAL, excused=0.25),
    Setting("zeros", ((2, 3), (3,)), normal, zeros=0.5, float32=_USUAL, excused=0.25),
    # The squares of these are still float32 numbers, their cubes are not.
    Setting("small", ((5,),), _decades(-18, -6), float32=_WIDE),
    Setting("large", ((1, 3),), _decades(6, 18), float32=_WIDE),
    Setting("extreme", ((8,),), _extreme),  # in float64 only
)

# The same with other gradients, and where a schedule ends, to measure what was given up.
SIZES = tuple(
    Setting(f"gradients of {size:g}", ((3, 2), (4,)), normal, size)
    for size in (100.0, 10.0, 1.0, 1e-3, 1e-6, 1e-9)
)
NO_RATE = Setting("a schedule value of 0", ((3, 2), (4,)), normal, lr=0.0)
GROUPS = (SETTINGS, SIZES)  # those that are run together


@lru_cache(maxsize=64)
def inputs_of(setting: Setting) -> list[Inputs]:
    """w, g and lr of every step."""
    rng = np.random.default_rng([len(setting.name), 50])
    dead = [
        (rng.random(shape) < setting.zeros, rng.random(shape) < setting.zeros)
        for shape in setting.shapes
    ]
    steps: list[Inputs] = []
    start, end = (1.0, 0.01) if setting.lr is None else (setting.lr, setting.lr)
    for lr in np.linspace(start, end, STEPS):
        w = [setting.draw(rng, shape) for shape in setting.shapes]
        g = [setting.gradient * setting.draw(rng, shape) for shape in setting.shapes]
        if setting.zeros:
            w = [np.where(without, 0.0, leaf) for leaf, (without, _) in zip(w, dead)]
            g = [np.where(without, 0.0, leaf) for leaf, (_, without) in zip(g, dead)]
            g[-1] = np.zeros_like(g[-1])
        steps.append((w, g, float(lr)))
    return steps
