"""Constants that float32 computes otherwise than real numbers do.

0.999999999 is 1 in float32, so cubing it seventeen times gives 1, where the real result is 0.88;
1 - 0.9999999 is 1.2e-7. The program means what float32 computes. What is computed from constants
alone is therefore replaced by that number where the two differ; elsewhere it is left to algebra,
whose constants are exact.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np

from programs.abstract import remove_redundant
from programs.functions import FUNCTIONS
from programs.program import Argument, Program, Statement
from programs.terms import RATIONAL

TOLERANCE = 1e-3  # relative; what the check of a step lets pass in float32

# A constant as a real number (None where it is not known) and as float32.
_Constant = tuple[Fraction | None, np.float32]


def as_float32_computes(program: Program, tolerance: float = TOLERANCE) -> Program:
    """The same program, bit for bit, with numbers in place of such constants.

    tolerance: how much the two may differ, relative; with 0 no digit of the others is lost if they
      are folded with real numbers.
    """
    statements: list[Statement] = []
    constants: dict[str, _Constant] = {}
    numbers: dict[str, float] = {}  # what a variable is replaced by
    for statement in program:
        arguments = tuple(
            numbers.get(a, a) if isinstance(a, str) else a for a in statement.arguments
        )
        statement = replace(statement, arguments=arguments)
        statements.append(statement)
        constants_now = _constant(statement.function, arguments, constants)
        constants.pop(statement.target, None)
        numbers.pop(statement.target, None)
        if constants_now is None:
            continue
        exact, single = constants_now
        if exact is not None and abs(exact - Fraction(float(single))) <= tolerance * abs(exact):
            constants[statement.target] = constants_now
        elif single == 0 or abs(single) >= np.finfo(np.float32).tiny:
            numbers[statement.target] = float(str(single))
    return remove_redundant(replace(program, statements=tuple(statements)))


def _constant(
    function: str, arguments: tuple[Argument, ...], constants: dict[str, _Constant]
) -> _Constant | None:
    """A statement's value, if it is a finite constant."""
    row = FUNCTIONS[function]
    values: list[_Constant] = []
    for argument in arguments:
        if isinstance(argument, float):
            values.append((RATIONAL.read(argument), np.float32(argument)))
        elif argument in constants:
            values.append(constants[argument])
        else:
            return None
    if row.whole_tree:
        return None
    with np.errstate(all="ignore"):
        single = np.float32(row.meaning(np, *(single for _, single in values)))
    if not np.isfinite(single):
        return None
    exacts = [exact for exact, _ in values if exact is not None]
    exact = RATIONAL.fold(row, exacts) if len(exacts) == len(values) else None
    return exact, single
