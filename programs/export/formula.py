"""A program as equations: each value that is read more than once, each state and the update.

What is read once is written where it is read, so AdamW has three equations rather than nine
statements. `lines` writes them as plain text, for docstrings; latex.py as LaTeX.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from programs.program import OUTPUT, Program

LARGEST = 7  # functions in one equation; what is longer is split, to stay readable


@dataclass(frozen=True)
class Symbol:
    """A variable: an input, a hyperparameter, or the left-hand side of an equation.

    Attributes:
      name: as in the program.
      primes: how many earlier values of that name have an equation of their own.
      step: 0 for a state's next value, -1 for its last one; None for what is no state.
    """

    name: str
    primes: int = 0
    step: int | None = None


@dataclass(frozen=True)
class Call:
    """A function of the language on expressions; size: functions in it."""

    function: str
    arguments: tuple[Expression, ...]
    size: int


Expression: TypeAlias = "Symbol | Call | float"


class Equation(NamedTuple):
    left: Symbol
    right: Expression


def equations(program: Program, parameters: tuple[str, ...] = ()) -> list[Equation]:
    """The equations in the order of the statements, then those of states that do not change.

    parameters: further variables that the program reads and does not define.
    """
    reads = _reads(program)
    values: dict[str, Expression] = {name: Symbol(name) for name in (*program.inputs, *parameters)}
    values |= {state: Symbol(state, step=-1) for state in program.states}
    last = {s.target: i for i, s in enumerate(program.statements)}
    named: Counter[str] = Counter(["w", "g", "lr", OUTPUT, *parameters])
    found: list[Equation] = []
    for i, statement in enumerate(program.statements):
        arguments = tuple(values[a] if isinstance(a, str) else a for a in statement.arguments)
        size = 1 + sum(a.size for a in arguments if isinstance(a, Call))
        value: Expression = Call(statement.function, arguments, size)
        target = statement.target
        output = target in program.outputs and last[target] == i
        if output or reads[i] != 1 or size >= LARGEST:
            if output:
                left = Symbol(target, step=None if target == OUTPUT else 0)
            else:
                left = Symbol(target, named[target])
                named[target] += 1
            found.append(Equation(left, value))
            value = left
        values[target] = value
    kept = (state for state in program.states if state not in last)
    return found + [Equation(Symbol(s, step=0), Symbol(s, step=-1)) for s in kept]


def _reads(program: Program) -> list[int]:
    """How often each statement's value is read by later statements."""
    counts, writer = [0] * len(program), dict[str, int]()
    for i, statement in enumerate(program.statements):
        for argument in statement.arguments:
            if isinstance(argument, str) and argument in writer:
                counts[writer[argument]] += 1
        writer[statement.target] = i
    return counts


# How tightly the operators bind, and what is written for them.
_SUM, _PRODUCT, _SIGN, _ATOM = range(4)
_TEXT = {
    "add": (_SUM, "{0} + {1}", (_SUM, _SUM)),
    "subtract": (_SUM, "{0} - {1}", (_SUM, _PRODUCT)),
    "multiply": (_PRODUCT, "{0} * {1}", (_PRODUCT, _PRODUCT)),
    "divide": (_PRODUCT, "{0} / ({1} + eps)", (_PRODUCT, _SUM)),
    "interp": (_SUM, "(1 - {2}) * {0} + {2} * {1}", (_SIGN, _SIGN, _SIGN)),
    "negative": (_SIGN, "-{0}", (_SIGN,)),
    "reciprocal": (_PRODUCT, "1 / {0}", (_SIGN,)),
}


def lines(found: list[Equation]) -> list[str]:
    """The equations as plain text; `m'` is a further value of m, `m[t]` its value after step t."""
    return [f"{_symbol(left)} = {_text(right, _SUM)}" for left, right in found]


def _symbol(symbol: Symbol) -> str:
    step = {None: "", 0: "[t]", -1: "[t-1]"}[symbol.step]
    return f"{symbol.name}{symbol.primes * chr(39)}{step}"


def _text(value: Expression, tightness: int) -> str:
    """An expression, in parentheses if it binds less tightly than what is around it."""
    if isinstance(value, Symbol):
        return _symbol(value)
    if not isinstance(value, Call):
        return f"({value:g})" if value < 0 else f"{value:g}"
    if value.function not in _TEXT:
        return f"{value.function}({', '.join(_text(a, _SUM) for a in value.arguments)})"
    own, template, around = _TEXT[value.function]
    text = template.format(*(_text(a, t) for a, t in zip(value.arguments, around, strict=True)))
    return f"({text})" if own < tightness else text
