"""A program as terms: every value once, states as inputs and outputs, constants as exact rationals.

Reading a program into terms drops its redundant statements, shares what is computed twice and folds
constants. Constants are exact because rewriting multiplies and divides them along many routes, and
(a * b) / b must be a again however it was reached; floats would give an endless crowd of almost
equal numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from programs.execute import interpret
from programs.functions import FUNCTIONS
from programs.kinds import Kind
from programs.program import Program

# ("input", name) | ("constant", Fraction) | (function, node number, ...)
Node = tuple

# A folded constant stays within these magnitudes, well inside float32, where folding cannot change
# an infinity or an underflow into a number.
_SMALLEST, _LARGEST = 1e-30, 1e30


@dataclass(frozen=True)
class Terms:
    """A program with n nodes in an order in which arguments come first.

    nodes: [n]; outputs: node numbers of update and of each state's next value [1 + S].
    """

    states: tuple[str, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[int, ...]

    @property
    def size(self) -> int:
        """Function nodes that an output needs."""
        return sum(is_call(self.nodes[i]) for i in reachable(self.nodes, self.outputs))

    def kinds(self) -> list[Kind]:
        """The kind of each node [n]."""
        kinds: list[Kind] = []
        for node in self.nodes:
            if is_call(node):
                kinds.append(FUNCTIONS[node[0]].kinds[tuple(kinds[i] for i in node[1:])])
            elif node[0] == "input" and node[1] != "lr":
                kinds.append(Kind.TENSOR)
            else:
                kinds.append(Kind.SCALAR)
        return kinds


class Builder:
    """Makes nodes, each distinct one once, with constants folded."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self._numbers: dict[Node, int] = {}

    def node(self, node: Node) -> int:
        if node not in self._numbers:
            self._numbers[node] = len(self.nodes)
            self.nodes.append(node)
        return self._numbers[node]

    def input(self, name: str) -> int:
        return self.node(("input", name))

    def constant(self, number: float | Fraction) -> int:
        return self.node(("constant", snapped(exact(number))))

    def apply(self, function: str, arguments: Sequence[int]) -> int:
        if function == "multiply":  # x * 1 is how the language writes a copy
            for one, other in (arguments, arguments[::-1]):
                if self.nodes[one] == ("constant", 1):
                    return other
        values = [self.nodes[i][1] for i in arguments if self.nodes[i][0] == "constant"]
        if len(values) == len(arguments):
            folded = fold(function, values)
            if folded is not None:
                return self.constant(folded)
        return self.node((function, *arguments))

    def finish(self, states: Iterable[str], outputs: Iterable[int]) -> Terms:
        """The terms of the outputs alone, renumbered."""
        outputs = tuple(outputs)
        numbers: dict[int, int] = {}
        nodes: list[Node] = []
        for i in reachable(self.nodes, outputs):
            numbers[i] = len(nodes)
            node = self.nodes[i]
            nodes.append((node[0], *(numbers[j] for j in node[1:])) if is_call(node) else node)
        return Terms(tuple(states), tuple(nodes), tuple(numbers[i] for i in outputs))


def is_call(node: Node) -> bool:
    return node[0] not in ("input", "constant")


def reachable(nodes: Sequence[Node], roots: Iterable[int]) -> list[int]:
    """The numbers of the nodes that the roots need, in ascending order."""
    seen: set[int] = set()
    stack = list(roots)
    while stack:
        i = stack.pop()
        if i not in seen:
            seen.add(i)
            if is_call(nodes[i]):
                stack.extend(nodes[i][1:])
    return sorted(seen)


def exact(number: float | Fraction) -> Fraction:
    """A constant as the decimal that is written in the program: 0.9 is nine tenths."""
    return number if isinstance(number, Fraction) else Fraction(repr(float(number)))


def snapped(number: Fraction) -> Fraction:
    """A decimal of ten digits, if the number is one but for the rounding of float64.

    (x * 3) / 3, written in floats, is x * 0.9999999999999999. This is done to the constants that go
    into an e-graph, not in it: were x equal to x * 0.9999999999999999 there, it would be equal to
    x * 0.9999999999999998 too, and so on for ever.
    """
    short = Fraction(f"{float(number):.9e}")
    return short if abs(short - number) <= abs(number) * _ROUNDING else number


_ROUNDING = Fraction(1, 10**12)


def fold(function: str, values: Sequence[Fraction]) -> Fraction | None:
    """The function of constants; None where folding could change more than the last bits."""
    simple = _RATIONAL.get(function)
    if simple is not None:
        result = simple(*values)
    else:
        row = FUNCTIONS[function]
        if row.whole_tree:
            return None
        with np.errstate(all="ignore"):
            number = float(row.meaning(np, *(np.float64(float(v)) for v in values)))
        if row.arity == 0:
            number = _NAMED.get(function, number)
        if not math.isfinite(number):
            return None
        result = exact(number)
    return result if result == 0 or _SMALLEST < abs(result) < _LARGEST else None


def divisor(c: Fraction) -> Fraction:
    """What a / c divides by: c plus the guard of 1e-8, unless float32 loses the guard in c."""
    return c if abs(c) >= Fraction(1, 4) else c + Fraction(1, 10**8)


_NAMED = {"get_pi": math.pi, "get_e": math.e, "get_eps": 1e-8}  # to more digits than float32

_RATIONAL: dict[str, Callable[..., Fraction]] = {
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: x - y,
    "multiply": lambda x, y: x * y,
    "divide": lambda x, y: x / divisor(y) if divisor(y) else Fraction(10**40),
    "interp": lambda x, y, a: (1 - a) * x + a * y,
    "negative": lambda x: -x,
    "square": lambda x: x * x,
    "cube": lambda x: x * x * x,
    "abs": abs,
    "maximum": max,
    "minimum": min,
    "sign": lambda x: Fraction((x > 0) - (x < 0)),
    "reciprocal": lambda x: 1 / x if x else Fraction(10**40),
}


def from_program(program: Program) -> Terms:
    """Reads a valid program into terms."""
    builder = Builder()
    variables = {name: builder.input(name) for name in program.inputs}
    interpret(program, variables, builder.constant, builder.apply)
    return builder.finish(program.states, (variables[name] for name in program.outputs))


def copy_into(builder: Builder, terms: Terms, inputs: dict[str, int]) -> list[int]:
    """Copies terms into a builder with some inputs replaced; returns the new number of each node.

    Args:
      inputs: a node of the builder for each input name that is to be replaced.
    """
    numbers: list[int] = []
    for node in terms.nodes:
        if is_call(node):
            numbers.append(builder.apply(node[0], [numbers[i] for i in node[1:]]))
        elif node[0] == "input" and node[1] in inputs:
            numbers.append(inputs[node[1]])
        else:
            numbers.append(builder.node(node))
    return numbers
