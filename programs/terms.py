"""What a program computes, as a graph of terms: every distinct value once, in normal form.

    term  := ("input", name) | ("constant", value) | (function, argument, ...)

where an argument is the number of an earlier term. Reading a program into terms shares what is
computed twice, folds functions of constants and drops neutral elements, x * 1. How a constant is
kept is a choice with two answers: as a float32, for what holds bit for bit (`Float32`), or as an
exact rational, for algebra (`Rational`).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Hashable, Iterable, Sequence
from fractions import Fraction
from functools import cache, lru_cache
from typing import Any, Protocol

import numpy as np

from programs.function import ONE_AT_ZERO, ROUNDED, ZERO_AT_ZERO, Function
from programs.functions import FUNCTIONS, derived

# ("input", name) | ("constant", value) | (function, term number, ...)
Node = tuple[Any, ...]

# What is folded, and what comes out, stays within these magnitudes, well inside float32, where
# folding cannot change an infinity or an underflow into a number.
SMALLEST, LARGEST = Fraction(1, 10**30), Fraction(10**30)
_DIGITS = 25  # of a folded rational, at most: each square doubles them
_ROUNDING = Fraction(1, 10**12)  # of float64, with room for a few operations
_FLOAT32_BYTES = struct.Struct("<f")


class Constants(Hashable, Protocol):
    """How the constants of terms are kept; equal values are one constant."""

    def read(self, number: Any) -> Hashable:
        """The value of a number that is written in a program."""

    def fold(self, function: Function, values: Sequence[Any]) -> Hashable | None:
        """The value of a function of constants; None where it is left to be computed."""


class Float32:
    """Constants as float32: 4 bytes, so that 0.0 and -0.0 are two constants and NaN is one."""

    def read(self, number: float) -> bytes:
        try:
            return _FLOAT32_BYTES.pack(number)
        except OverflowError:  # beyond float32 is infinite, as in the engines
            return _FLOAT32_BYTES.pack(math.copysign(math.inf, number))

    def number(self, value: bytes) -> float:
        number: float = _FLOAT32_BYTES.unpack(value)[0]
        return number

    def fold(self, function: Function, values: Sequence[bytes]) -> bytes | None:
        """Functions of correctly rounded operations alone, and what zeros give: the same bits in
        every engine."""
        if ROUNDED not in function.properties or function.whole_tree:
            number = _at_zero(function, values)
            return None if number is None else self.read(number)
        return _rounded_result(function.name, *values)


@lru_cache(maxsize=10_000)
def _rounded_result(function: str, *values: bytes) -> bytes:
    with np.errstate(all="ignore"):
        numbers = [np.frombuffer(value, "<f4")[0] for value in values]
        return np.float32(FUNCTIONS[function].meaning(np, *numbers)).tobytes()


def _at_zero(function: Function, values: Sequence[bytes]) -> float | None:
    """0 or 1 where the function is that, because all but its scalar arguments are 0."""
    numbers = map(FLOAT32.number, values)
    known = all(
        SMALLEST <= number < math.inf if i in function.scalar_arguments else not any(values[i])
        for i, number in enumerate(numbers)
    )
    if known and ZERO_AT_ZERO in function.properties:
        return 0.0
    return 1.0 if known and ONE_AT_ZERO in function.properties else None


class Rational:
    """Constants as exact rationals: rewriting multiplies and divides them along many routes, and
    (a * b) / b must be a again however it was reached; floats would give an endless crowd of almost
    equal numbers."""

    def read(self, number: float | Fraction) -> Fraction:
        """The decimal that is written in the program: 0.9 is nine tenths.

        A number that is a decimal of ten digits but for the rounding of float64 is that decimal:
        (x * 3) / 3, written in floats, is x * 0.9999999999999999. This is done to what goes into an
        e-graph, not in it: were x equal to x * 0.9999999999999999 there, it would be equal to
        x * 0.9999999999999998 too, and so on for ever.
        """
        if not isinstance(number, Fraction):
            number = Fraction(repr(float(number)))
        decimal = Fraction(f"{float(number):.9e}")
        return decimal if abs(decimal - number) <= abs(number) * _ROUNDING else number

    def fold(self, function: Function, values: Sequence[Fraction]) -> Fraction | None:
        """None where folding could change more than the last bits."""
        if not all(map(_in_range, values)):
            return None
        if function.exact is not None:
            try:
                result = function.exact(*values)
            except ZeroDivisionError:
                return None
        elif function.whole_tree:
            return None
        else:
            with np.errstate(all="ignore"):
                number = float(function.meaning(np, *(np.float64(float(v)) for v in values)))
            if not math.isfinite(number):
                return None
            result = Fraction(repr(number))
        return self.read(_rounded(result)) if _in_range(result) else None


def _in_range(number: Fraction) -> bool:
    return number == 0 or SMALLEST <= abs(number) <= LARGEST


def _rounded(number: Fraction) -> Fraction:
    if number.denominator < 10**_DIGITS:
        return number
    scale = Fraction(10) ** (_DIGITS - math.floor(math.log10(abs(number))))
    return round(number * scale) / scale


FLOAT32, RATIONAL = Float32(), Rational()


class TermBuilder:
    """Makes terms, each distinct one once.

    nodes: the terms so far; arguments come before what uses them.
    """

    def __init__(self, constants: Constants, finite: bool = False):
        """finite: use identities that hold for finite numbers, not only those that hold bit for
        bit: x * 0 = 0."""
        self.nodes: list[Node] = []
        self.constants = constants
        self._numbers: dict[Node, int] = {}
        self._identities = _identities(constants, finite)

    def node(self, node: Node) -> int:
        number = self._numbers.get(node)
        if number is None:
            number = self._numbers[node] = len(self.nodes)
            self.nodes.append(node)
        return number

    def input(self, name: str) -> int:
        return self.node(("input", name))

    def constant(self, number: float | Fraction) -> int:
        return self.node(("constant", self.constants.read(number)))

    def apply(self, function: str, arguments: Sequence[int]) -> int:
        """A function on terms: what it folds into, or a term of its own."""
        term = self.folded(function, arguments)
        return self.node((function, *arguments)) if term is None else term

    def folded(self, function: str, arguments: Sequence[int]) -> int | None:
        """The argument that the function always gives, or the constant that it folds into."""
        nodes = self.nodes
        for argument, constant, result in self._identities[function]:
            if nodes[arguments[argument]] == constant:
                return arguments[result]
        for i in arguments:
            if nodes[i][0] != "constant":
                return None
        value = self.constants.fold(FUNCTIONS[function], [nodes[i][1] for i in arguments])
        return None if value is None else self.node(("constant", value))


@cache
def _identities(constants: Constants, finite: bool) -> dict[str, tuple[tuple[int, Node, int], ...]]:
    """For each function: (which argument, what constant it is, which argument is the result)."""
    return {
        name: tuple(
            (i.argument, ("constant", constants.read(i.value)), i.result)
            for i in row.identities
            if i.bitwise or finite
        )
        for name, row in FUNCTIONS.items()
    }


@derived
def _derive() -> None:
    _identities.cache_clear()
    _rounded_result.cache_clear()  # a user's function may be another one now


def is_call(node: Node) -> bool:
    return node[0] not in ("input", "constant")


def reachable(nodes: Sequence[Node], roots: Iterable[int]) -> list[int]:
    """The numbers of the terms that the roots need, in ascending order."""
    seen: set[int] = set()
    stack = list(roots)
    while stack:
        i = stack.pop()
        if i not in seen:
            seen.add(i)
            if is_call(nodes[i]):
                stack.extend(nodes[i][1:])
    return sorted(seen)
