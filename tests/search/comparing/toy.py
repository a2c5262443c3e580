"""Comparisons whose trainings cost nothing: fitness as a function of constants and seed."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from statistics import NormalDist

from search.comparing.study import Study
from search.comparing.trial import Kind, Measured, Trial
from search.config.comparison import ComparisonConfig
from search.evaluation.fitness import Outcome

BEST_RATE = 0.01
NORMAL = NormalDist()


def config(**changes) -> ComparisonConfig:
    """A small comparison of AdamW with itself under another name."""
    settings = {
        "optimizers": [
            {"rule": "optax:adamw", "name": "A"},
            {"rule": "optax:adamw", "name": "B"},
        ],
        "tasks": ["vision_mlp"],
        "tuning": {"runs": 3, "draws": 8, "keep": 2, "seeds": 2},
        "test": {"seeds": 3},
    } | changes
    return ComparisonConfig.model_validate_json(json.dumps(settings))


def normal(*names) -> float:
    """A standard normal number that depends on the names alone."""
    digest = hashlib.blake2b(repr(names).encode(), digest_size=8).digest()
    return NORMAL.inv_cdf((int.from_bytes(digest, "big") + 0.5) / 2**64)


def fitness(trial: Trial, noise: float = 0.03) -> float:
    """Best at BEST_RATE; noise of a seed that all optimizers share, and of a training."""
    values = dict(trial.contender.values)
    away = math.log10(values["rate"] / BEST_RATE)
    if away > 1.2:
        return -math.inf
    luck = normal("seed", trial.seed) + normal(trial.seed, trial.contender.identity, trial.split)
    return -1 - away**2 - 0.3 * abs(values["beta1"] - 0.9) + noise * luck


def measured(trial: Trial, value: float) -> Measured:
    """What a worker would return."""
    done = math.isfinite(value)
    is_final = trial.kind is Kind.FINAL and done
    curve = tuple((10 * i, value - 1 / i) for i in range(1, 11)) if is_final else ()
    measures = {"train_loss": -value, "state_bytes": 80.0, "parameters": 10.0, "steps": 101.0}
    return Measured(
        trial.condition.label,
        trial.seed,
        value,
        Outcome.COMPLETED if done else Outcome.DIVERGED,
        100,
        curve=curve,
        measures=measures if is_final else {},
    )


class Toy:
    """Answers as `Asking` does, at once; keeps what it was asked."""

    def __init__(self, of: Callable[[Trial], float] = fitness) -> None:
        self.of, self.asked = of, list[Trial]()

    def begin(self, phase: str, trainings: int) -> None:
        pass

    def __call__(self, groups: Sequence[Sequence[Trial]]) -> list[list[Measured]]:
        self.asked += [trial for group in groups for trial in group]
        return [[measured(trial, self.of(trial)) for trial in group] for group in groups]


def results(settings: ComparisonConfig, toy: Toy | None = None):
    """The conditions' results."""
    return Study(settings, toy or Toy()).run()
