"""One individual as plain values: where it comes from, its fitness, its program."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean
from typing import Any

from search.config.settings import Config
from search.reports.tables import finite_or_none
from search.selection.comparison import t_interval
from search.selection.finalists import LEVEL, fresh_fitness
from search.storage.facts import Facts
from search.storage.store import Reader


def individual(fact: Facts) -> dict[str, Any]:
    """What the search knows of it; a fitness that there is not is null."""
    return {
        "individual": fact.number,
        "repeat": fact.repeat,
        "child": fact.child,
        "parent": fact.parent,
        "mutation": fact.mutation,
        "statements": fact.statements,
        "live": fact.live,
        "states": fact.states,
        "reuse": fact.reuse,
        "rate": fact.rate,
        "outcome": fact.outcome,
        "fitness": finite_or_none(fact.fitness),
    }


def fresh(store: Reader, config: Config, number: int) -> dict[str, Any] | None:
    """Fitness on fresh seeds with its 95 % interval; None where it was not scored again."""
    by_seed = fresh_fitness(store, number, config.evaluation)
    return measured([*by_seed.values()]) if by_seed else None


def measured(fitness: Sequence[float]) -> dict[str, Any]:
    """A mean with its 95 % interval; null where there is none."""
    low, high = t_interval(fitness, LEVEL) if len(fitness) > 1 else (-math.inf, math.inf)
    return {
        "seeds": len(fitness),
        "mean": finite_or_none(fmean(fitness)),
        "interval": [finite_or_none(low), finite_or_none(high)],
    }


def fitness_text(value: float | None) -> str:
    return "none" if value is None else f"{value:.6g}"


def measured_text(value: dict[str, Any] | None) -> str:
    """A mean and its interval, or nothing."""
    if value is None:
        return ""
    low, high = value["interval"]
    around = "" if low is None or high is None else f" [{low:.5g}, {high:.5g}]"
    return f"{fitness_text(value['mean'])}{around}"
