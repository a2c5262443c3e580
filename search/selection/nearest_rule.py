"""Which known rule a program's updates follow, by behaviour: what was found, in one word.

A program is run on random gradients, with weights that stay. What of each of its updates is not
proportional to the weights (weight decay) is compared with the direction of a few rules, whose
averages' constants are fitted. So a schedule, a rate and a decay make no difference, however they
are written; `update_form` tells what scale the coordinates have.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from programs import Program, live_across_steps
from programs.execute import run_step

SAME = 0.99  # share of the updates that a rule explains where it is the program's own
_STEPS, _FIRST = 30, 5  # steps; the first that counts, when averages have begun
_SHAPES, _SCALES = ((6, 5), (4, 3)), (0.1, 0.01)  # of the gradient's arrays
# Of averages, tried before the fit.
_DECAYS = np.concatenate([np.linspace(0, 0.9, 13), [0.93, 0.95, 0.97, 0.98, 0.99, 0.995, 0.999]])
_STARTS = 4  # of the fit

Decays = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """A direction, [steps, P], from gradients [steps, P] and the decays of its averages."""

    decays: int
    direction: Callable[..., np.ndarray]


@dataclass(frozen=True, slots=True)
class NearestRule:
    """The rule that explains a program's updates best."""

    name: str
    decays: Decays  # of its averages
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
    "the sign of momentum": Rule(2, lambda g, update, state: np.sign(_momentum(g, update, state))),
    "RMSProp": Rule(1, lambda g, decay: g / _root(g, decay)),
    "a damped sign of momentum": Rule(2, _damped_sign),
    "Adam": Rule(2, lambda g, first, second: _averages(g, first) / _root(g, second)),
}


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
    best = NearestRule("", (), -1.0)
    for name, rule in RULES.items():
        decays, share = _fitted(rule, gradients, weights=weights, updates=beside)
        if share > best.share + (1 - SAME) / 2:
            best = NearestRule(name, decays, share)
        if best.is_same:
            break
    return best


def _fitted(
    rule: Rule, gradients: np.ndarray, *, weights: np.ndarray, updates: np.ndarray
) -> tuple[Decays, float]:
    """The decays that explain most, and how much."""

    def share(decays: np.ndarray) -> float:
        if not all(0 <= decay < 1 for decay in decays):
            return 0.0
        direction = _beside(rule.direction(gradients, *decays)[_FIRST:], weights)
        products = (direction * updates).sum(axis=1)
        norms = (direction**2).sum(axis=1) * (updates**2).sum(axis=1)
        cosines = products / np.sqrt(np.where(norms > 0, norms, np.inf))
        # One sign throughout: a rule that goes up as often as down is none.
        return float(np.mean(cosines) ** 2)

    if not rule.decays:
        return (), share(np.array([]))
    from scipy.optimize import minimize  # imported here because it takes a while

    grid = np.stack(np.meshgrid(*[_DECAYS] * rule.decays), axis=-1).reshape(-1, rule.decays)
    found = sorted(grid, key=share)[-_STARTS:]
    for start in found.copy():
        # In the logarithm of what an average takes in of each value, where steps are alike; signs
        # make the share a stair, so each start is tried with its own neighbours.
        taken = -np.log(1 - start)
        fit = minimize(
            lambda taken: -share(1 - np.exp(-np.abs(taken))),
            taken,
            method="Nelder-Mead",
            options={"maxfev": 60, "initial_simplex": [taken, *(taken + 0.1 * np.eye(len(taken)))]},
        )
        found.append(1 - np.exp(-np.abs(fit.x)))
    best = max(found, key=share)
    return tuple(float(decay) for decay in best), share(best)


def _beside(updates: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """What is left of each update [steps, P] without its part along the weights [P]."""
    along = updates @ weights / (weights @ weights)
    beside: np.ndarray = updates - along[:, None] * weights
    return beside


def _steps(program: Program) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Weights [P], gradients [steps, P] and the updates from _FIRST on; None: not finite."""
    rng = np.random.default_rng(0)
    w = [rng.normal(0, 0.3, shape).astype(np.float32) for shape in _SHAPES]
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
