"""Which known rule a program's updates follow, by behaviour: what was found, in one word.

A program is run on random gradients, with weights that stay. What of each of its updates is not
proportional to the weights (weight decay) is compared with the direction of a few rules, whose
averages' constants are fitted. So a schedule, a rate and a decay make no difference, however they
are written; `update_form` tells what scale the coordinates have.

A fit of few updates leaves a range of decays that explain them as well, a wide one where they are
signs, which say little each. So a decay is given as this range.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from programs import Program, live_across_steps
from programs.execute import run_step

Decays = Sequence[float] | np.ndarray
SAME = 0.99  # share of the updates that a rule explains where it is the program's own
_STEPS, _FIRST = 30, 5  # steps; the first that counts, when averages have begun
_SHAPES, _SCALES = ((6, 5), (4, 3)), (0.1, 0.01)  # of the gradient's arrays
# Of averages, tried before the fit.
_DECAYS = np.concatenate([np.linspace(0, 0.9, 13), [0.93, 0.95, 0.97, 0.98, 0.99, 0.995, 0.999]])
_STARTS = 4  # of the fit
# A decay whose average forgets nothing: the sum of all values, times a factor.
_NEVER = 1 - 2.0**-30
_MOST = -np.log(1 - _NEVER)
_RADII = np.geomspace(1e-6, _MOST, 20)  # how far from a fit, in its logarithms, others are tried
_WAYS, _HALVINGS = 16, 6  # in how many directions, and how exactly
# What float32 leaves unexplained where the rule is the program's own, and what one sign of all
# [steps, P] decides.
_EXACT, _ONE_SIGN = 1e-9, 0.004
_SUM = 0.999  # a decay that is surely above is a sum's


@dataclass(frozen=True, slots=True)
class Decay:
    """The decays of an average that explain the updates about as well as the best."""

    low: float
    high: float  # 1: forgets nothing

    def __str__(self) -> str:
        """A number whose last digit is known to 1, as in 0.95, or else the two ends."""
        digits = math.floor(-math.log10(self.high - self.low + _EXACT))
        number = round((self.low + self.high) / 2, digits)
        if digits >= 1 and 10**-digits < 1 - self.high:
            return f"{number:.9g}"
        return f"{_short(self.low)} to {_short(self.high)}"

    def as_json(self) -> list[float]:
        """Its ends."""
        return [round(self.low, 5), round(self.high, 5)]


def _short(decay: float) -> str:
    """Two digits of what it takes in of each value."""
    return f"{1 - float(f'{1 - decay:.2g}'):.9g}"


@dataclass(frozen=True, slots=True)
class Rule:
    """A direction, [steps, P], from gradients [steps, P] and the decays of its averages."""

    decays: int
    direction: Callable[..., np.ndarray]
    as_sum: str = ""  # its name where its last average forgets nothing
    least: float = _EXACT  # difference of the share that tells decays apart


@dataclass(frozen=True, slots=True)
class NearestRule:
    """The rule that explains a program's updates best."""

    name: str  # after "minus" where the program goes up where the rule goes down
    decays: tuple[Decay, ...]  # of its averages, where it is the program's own
    share: float  # of the squared updates, beside weight decay, that it explains

    @property
    def is_same(self) -> bool:
        """Whether that is all but all."""
        return self.share >= SAME


def _averages(x: np.ndarray, decay: float) -> np.ndarray:
    """Of each step and those before it."""
    found, average = np.empty_like(x), np.zeros_like(x[0])
    for step, value in enumerate(x):
        average = found[step] = decay * average + (1 - decay) * value
    return found


def _momentum(g: np.ndarray, of_update: float, of_state: float) -> np.ndarray:
    """As Lion's: the gradient mixed with an average over the steps before."""
    before = np.vstack([np.zeros_like(g[:1]), _averages(g, of_state)[:-1]])
    return of_update * before + (1 - of_update) * g


def _root(g: np.ndarray, decay: float) -> np.ndarray:
    root: np.ndarray = np.sqrt(_averages(g * g, decay))
    return root


def _damped_sign(g: np.ndarray, decay: float, old: float) -> np.ndarray:
    """An average over the root of a mixture of its own square, a step old, and the gradient's: a
    sign where gradient and old average are equal, near 0 where they cancel. One state."""
    averages = _averages(g, decay)
    before = np.vstack([np.zeros_like(g[:1]), averages[:-1]])
    damped: np.ndarray = averages / np.sqrt(old * before**2 + (1 - old) * g**2)
    return damped


# The rules that are known, and one that searches of this project found. The simpler first: with
# a decay of 0 momentum is the gradient, and its sign the gradient's.
RULES = {
    "the gradient": Rule(0, lambda g: g),
    "the sign of the gradient": Rule(0, np.sign),
    "momentum": Rule(2, _momentum),
    "the sign of momentum": Rule(
        2, lambda g, update, state: np.sign(_momentum(g, update, state)), least=_ONE_SIGN
    ),
    "RMSProp": Rule(1, lambda g, decay: g / _root(g, decay), "AdaGrad"),
    "a damped sign of momentum": Rule(2, _damped_sign),
    "Adam": Rule(
        2,
        lambda g, first, second: _averages(g, first) / _root(g, second),
        "AdaGrad with momentum",
    ),
}


@dataclass(frozen=True, slots=True)
class _Fit:
    """A rule with the decays that explain the updates best."""

    rule: Rule
    gradients: np.ndarray  # [steps, P]
    weights: np.ndarray  # [P]
    updates: np.ndarray  # [steps - _FIRST, P], beside the weights
    decays: tuple[float, ...] = ()

    def cosine(self, decays: Decays) -> float:
        """Mean of the steps' cosines between direction and update, with other decays."""
        if not all(0 <= decay < 1 for decay in decays):
            return 0.0
        direction = _beside(self.rule.direction(self.gradients, *decays)[_FIRST:], self.weights)
        products = (direction * self.updates).sum(axis=1)
        norms = (direction**2).sum(axis=1) * (self.updates**2).sum(axis=1)
        # One sign throughout: a rule that goes up as often as down is none.
        return float(np.mean(products / np.sqrt(np.where(norms > 0, norms, np.inf))))

    def share(self, decays: Decays) -> float:
        """Of the squared updates, with other decays."""
        return self.cosine(decays) ** 2


def nearest_rule(program: Program) -> NearestRule | None:
    """The first rule that explains a valid program's updates, or else the one that explains most;
    None: they are not finite, or nothing but weight decay."""
    steps = _steps(live_across_steps(program))
    if steps is None:
        return None
    weights, gradients, updates = steps
    beside = _beside(updates, weights)
    if np.linalg.norm(beside) <= 1e-3 * np.linalg.norm(updates):
        return None
    name, best, share = "", None, -1.0
    for tried, rule in RULES.items():
        fit = _fitted(_Fit(rule, gradients, weights, beside))
        if fit.share(fit.decays) > share + (1 - SAME) / 2:
            name, best, share = tried, fit, fit.share(fit.decays)
        if share >= SAME:
            break
    assert best is not None
    decays = _ranges(best) if share >= SAME else ()
    if decays and best.rule.as_sum and decays[-1].low >= _SUM and decays[-1].high == 1:
        name, decays = best.rule.as_sum, decays[:-1]
    return NearestRule(("minus " if _goes_up(program, best) else "") + name, decays, share)


def _goes_up(program: Program, fit: _Fit) -> bool:
    """Whether its updates are against the rule's, also at the weights' negatives: a rate that is
    read off the weights may have either sign."""
    if fit.cosine(fit.decays) >= 0:
        return False
    steps = _steps(live_across_steps(program), mirrored=True)
    if steps is None:
        return False
    weights, _, updates = steps
    mirrored = replace(fit, weights=weights, updates=_beside(updates, weights))
    return mirrored.cosine(fit.decays) < 0


def _fitted(fit: _Fit) -> _Fit:
    """With the decays that explain most."""
    if not fit.rule.decays:
        return fit
    from scipy.optimize import minimize  # imported here because it takes a while

    grid = np.stack(np.meshgrid(*[_DECAYS] * fit.rule.decays), axis=-1)
    found = sorted(grid.reshape(-1, fit.rule.decays), key=fit.share)[-_STARTS:]
    for start in found.copy():
        # In the logarithm of what an average takes in of each value, where steps are alike; signs
        # make the share a stair, so each start is tried with its own neighbours.
        taken = -np.log(1 - start)
        result = minimize(
            lambda taken: -fit.share(1 - np.exp(-np.abs(taken))),
            taken,
            method="Nelder-Mead",
            options={"maxfev": 60, "initial_simplex": [taken, *(taken + 0.1 * np.eye(len(taken)))]},
        )
        found.append(1 - np.exp(-np.abs(result.x)))
    return replace(fit, decays=tuple(float(decay) for decay in max(found, key=fit.share)))


def _ranges(fit: _Fit) -> tuple[Decay, ...]:
    """Of the decays around a fit with which the rule is at most twice as far from the updates."""
    if not fit.decays:
        return ()
    turns = 2 * np.pi * np.arange(_WAYS) / _WAYS
    ways = np.stack([np.cos(turns), np.sin(turns)], axis=1)[:, : len(fit.decays)]
    ends = [fit.decays, *(_end(fit, way) for way in ways)]
    low, high = np.min(ends, axis=0), np.max(ends, axis=0)
    return tuple(map(Decay, low.tolist(), np.where(high >= _NEVER, 1.0, high).tolist()))


def _end(fit: _Fit, way: np.ndarray) -> tuple[float, ...]:
    """Of the range in one direction, in the fit's logarithms."""
    least = 1 - 4 * (1 - fit.share(fit.decays)) - fit.rule.least
    taken = -np.log(1 - np.array(fit.decays))

    def at(radius: float) -> tuple[float, ...]:
        return tuple(1 - np.exp(-(taken + radius * way).clip(0, _MOST)))

    # The last radius that is as good, then the end between it and the next one.
    last = max((i for i, one in enumerate(_RADII) if fit.share(at(one)) >= least), default=0)
    inner, outer = _RADII[last], _RADII[min(last + 1, len(_RADII) - 1)]
    for _ in range(_HALVINGS):
        middle = (inner + outer) / 2
        inner, outer = (middle, outer) if fit.share(at(middle)) >= least else (inner, middle)
    return at(outer)


def _beside(updates: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """What is left of each update [steps, P] without its part along the weights [P]."""
    along = updates @ weights / (weights @ weights)
    beside: np.ndarray = updates - along[:, None] * weights
    return beside


def _steps(
    program: Program, *, mirrored: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Weights [P], gradients [steps, P] and the updates from _FIRST on; None: not finite."""
    rng = np.random.default_rng(0)
    w = [rng.normal(0, 0.3, shape).astype(np.float32) for shape in _SHAPES]
    w = [-leaf for leaf in w] if mirrored else w
    states = [[np.zeros_like(leaf) for leaf in w] for _ in program.states]
    drift = [rng.normal(0, 0.3, shape) for shape in _SHAPES]  # what all gradients share
    gradients, updates = [], []
    with np.errstate(all="ignore"):
        for _ in range(_STEPS):
            g = [
                (scale * (d + rng.normal(0, 1, d.shape))).astype(np.float32)
                for d, scale in zip(drift, _SCALES)
            ]
            update, states = run_step(program, np, w=w, g=g, states=states, lr=np.float32(0.5))
            gradients.append(_flat(g))
            updates.append(_flat(update))
    if not np.isfinite(updates).all():
        return None
    return _flat(w), np.array(gradients), np.array(updates[_FIRST:])


def _flat(leaves: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.asarray(leaf, float).ravel() for leaf in leaves])
