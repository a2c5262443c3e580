"""Which function a new statement calls: any of the language, or some, with weights."""

from __future__ import annotations

import random
from collections.abc import Mapping

from programs.draws import uniform_index, weighted_index
from programs.function import Function
from programs.functions import ALIASES, FUNCTIONS
from programs.kinds import Kind
from programs.program import ProgramError
from programs.suggest import did_you_mean

FunctionWeights = Mapping[str, float]  # name -> relative weight
MAX_WEIGHT = 1e6


def draw_function(rng: random.Random, functions: FunctionWeights | None) -> Function:
    """One of `functions` by weight; None: one of all, all alike.

    In the order of the table: that of `functions` does not matter.
    """
    if functions is None:
        rows = list(FUNCTIONS.values())
        return rows[uniform_index(rng, len(rows))]
    names = [name for name in tuple(FUNCTIONS) if name in functions]
    return FUNCTIONS[names[weighted_index(rng, [functions[name] for name in names])]]


def named(name: str) -> str:
    """The function of a name or alias.

    Raises:
      ProgramError: there is none; with the nearest name.
    """
    if name not in ALIASES:
        raise ProgramError(f"unknown function '{name[:60]}'{did_you_mean(name[:60], ALIASES)}")
    return ALIASES[name]


def of_trees(functions: FunctionWeights) -> dict[str, float]:
    """Those that can give a whole parameter tree, as an update is."""
    return {
        name: weight
        for name, weight in functions.items()
        if Kind.TENSOR in FUNCTIONS[name].kinds.values()
    }


def check_weights(functions: FunctionWeights | None) -> None:
    """Raises ProgramError where functions cannot be drawn so."""
    if functions is None:
        return
    if not functions:
        raise ProgramError("there is no function to draw")
    for name, weight in functions.items():
        if named(name) != name:
            raise ProgramError(f"function '{name}': here it is called '{named(name)}'")
        if not 0 < weight <= MAX_WEIGHT:
            raise ProgramError(
                f"function {name}: expected a weight above 0 and at most {MAX_WEIGHT:g}, "
                f"got {weight}"
            )


def weights_of(weights: Mapping[str, float]) -> dict[str, float]:
    """The same by the functions' own names rather than aliases.

    Raises:
      ProgramError: an unknown name, a weight that is none, or a function named twice.
    """
    weights_by_name: dict[str, float] = {}
    for name, weight in weights.items():
        if named(name) in weights_by_name:
            raise ProgramError(f"'{named(name)}' is given twice, by this name and an alias")
        weights_by_name[named(name)] = weight
    check_weights(weights_by_name)
    return weights_by_name
