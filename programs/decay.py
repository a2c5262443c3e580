"""Weight decay: a product of the weights with a number that is one term of the update among others.

As in AdamW (`update + w * 0.01`) or added to the gradient (`g + w * 0.01`): without it the rest of
the update remains. A product that is itself a factor or a divisor of something, or that only goes
into a function, is no decay: 0 in its place would stop the rule, or make another of it.

Each variable is followed from the product on by what it is made of, through all statements and from
step to step:

    decays  the product, times numbers alone until something is added, is a term of it
    rest    what is left where the product is 0: neither zero nor infinite for that reason
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from programs.abstract import analyse
from programs.function import ONE_AT_ZERO
from programs.functions import FUNCTIONS, derived
from programs.kinds import Kind
from programs.program import OUTPUT, Program, Statement


class _Parts(NamedTuple):
    """What a value is made of; its kind where it is an argument."""

    decays: bool
    rest: bool
    kind: Kind = Kind.TENSOR


_ZERO = _Parts(decays=False, rest=False)
_SUMS = {"add": 2, "subtract": 2, "negative": 1, "interp": 2}  # terms come first
_FACTORS = {"multiply", "divide", "power", "dot", "cosine_sim", "clip"}  # 0 or infinite for one 0


@lru_cache(maxsize=64)
def weight_decay(program: Program) -> tuple[int, ...]:
    """The statements that are weight decay: products of the weights with a scalar, or with one
    number per array, that are terms of the update, now or through a state."""
    kinds = analyse(program).kinds
    products = _products_of_weights(program, kinds)
    return tuple(i for i in products if _is_term(program, kinds, product=i))


@derived
def _derive() -> None:
    weight_decay.cache_clear()  # a user's function may be another one now


def _products_of_weights(program: Program, kinds: tuple[Kind, ...]) -> list[int]:
    """The statements that multiply the weights by what is no whole tree."""
    of = {"lr": Kind.SCALAR}
    products = []
    for i, (statement, kind) in enumerate(zip(program, kinds, strict=True)):
        if statement.function == "multiply" and "w" in statement.arguments and "w" not in of:
            others = [a for a in statement.arguments if a != "w"]
            if others and _kind(others[0], of) is not Kind.TENSOR:
                products.append(i)
        of[statement.target] = kind
    return products


def _kind(argument: str | float, of: Mapping[str, Kind]) -> Kind:
    return of.get(argument, Kind.TENSOR) if isinstance(argument, str) else Kind.SCALAR


def _is_term(program: Program, kinds: tuple[Kind, ...], *, product: int) -> bool:
    """Whether a statement's value is a term of the update, beside others."""
    states, before = dict.fromkeys(program.states, _ZERO), None
    while states != before:
        before = states
        values = {"lr": _Parts(decays=False, rest=True, kind=Kind.SCALAR), **states}
        for i, (statement, kind) in enumerate(zip(program, kinds, strict=True)):
            parts = _Parts(decays=True, rest=False) if i == product else _parts(statement, values)
            values[statement.target] = parts._replace(kind=kind)
        states = {name: _either(values[name], old) for name, old in states.items()}
    return values[OUTPUT].decays and values[OUTPUT].rest


def _either(one: _Parts, other: _Parts) -> _Parts:
    return _Parts(one.decays or other.decays, one.rest or other.rest)


def _parts(statement: Statement, values: Mapping[str, _Parts]) -> _Parts:
    """What a statement makes of its arguments' parts. Inputs and other numbers are all rest."""
    given = [
        values.get(a, _Parts(decays=False, rest=True))
        if isinstance(a, str)
        else _Parts(decays=False, rest=a != 0, kind=Kind.SCALAR)
        for a in statement.arguments
    ]
    function = statement.function
    if function in _SUMS:
        terms = given[: _SUMS[function]]
        return _Parts(any(x.decays for x in terms), any(x.rest for x in terms))
    if function in _FACTORS:
        decays = function in ("multiply", "divide") and _times(*given)
        decays |= function == "multiply" and _times(*reversed(given))
        return _Parts(decays, all(x.rest for x in given))
    rest = not given or ONE_AT_ZERO in FUNCTIONS[function].properties
    return _Parts(decays=False, rest=rest or any(x.rest for x in given))


def _times(x: _Parts, factor: _Parts) -> bool:
    """Whether the product is still a term of x times, or divided by, a factor: alone it is one of
    numbers only, and as a term beside others one of anything that has no such term."""
    is_other = factor.rest and not factor.decays
    return x.decays and is_other and (x.rest or factor.kind is not Kind.TENSOR)
