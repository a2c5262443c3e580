"""Terms back to a program, with names that a reader knows.

The order of the statements is that of schedule.py.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from programs.functions import ALIASES, FUNCTIONS
from programs.kinds import Kind
from programs.program import MAX_STATES, OUTPUT, Argument, Program, Statement, state_names
from programs.simplify.schedule import Schedule, schedule
from programs.simplify.signs import nonnegative_states
from programs.simplify.terms import Terms, is_call

# Names of states that readers know; a state with another name is given a new one.
KNOWN_STATES = ("m", "v", "s", "n", "u", "h", "acc", "momentum", "velocity", "slow", "ema")
_SECOND_MOMENTS = ("v", "v2", "v3", "v4", "v5", "v6", "v7", "v8")
_FIRST_MOMENTS = ("m", "n", "s", "u", "m2", "m3", "m4", "m5")

_SCALED = {"multiply": "scaled", "add": "shifted", "subtract": "shifted", "divide": "inverse"}
_COMBINED = {
    "interp": "mean",
    "add": "total",
    "subtract": "difference",
    "multiply": "product",
    "divide": "ratio",
    "maximum": "largest",
    "minimum": "smallest",
}


def to_program(terms: Terms, readable: bool = False) -> Program:
    """The program of some terms.

    Args:
      readable: rename states where their names say nothing, and write each constant with the
        fewest digits that give the same float32.
    """
    names = _state_names(terms) if readable else list(terms.states)
    writer = _Writer(schedule(terms), terms.states, names=names, readable=readable)
    return Program(tuple(names), tuple(writer.write()))


def shortest(value: Fraction | float) -> float:
    """The number with the fewest digits that is the same float32."""
    with np.errstate(over="ignore", under="ignore"):
        single = np.float32(float(value))
    usable = np.isfinite(single) and (single != 0 or value == 0)
    return float(str(single)) if usable else float(value)


class _Writer:
    """Names the terms of a schedule in order."""

    def __init__(
        self, plan: Schedule, states: Sequence[str], *, names: Sequence[str], readable: bool
    ):
        """names: what the states are called in the program."""
        self.plan, self.readable = plan, readable
        self.nodes = plan.nodes
        self.renamed = dict(zip(states, names))
        self.renamed |= {"w": "w", "g": "g", "lr": "lr", OUTPUT: OUTPUT}
        self.kinds = Terms((), self.nodes, ()).kinds()
        self.last_use: dict[int, int] = {}
        for position, i in enumerate(plan.order):
            for j in self.nodes[i][1:]:
                self.last_use[j] = position
        for _, i in plan.copies:
            self.last_use[i] = len(plan.order)
        self.name: dict[int, str] = {}
        self.holder: dict[str, int] = {}  # the node that each variable holds now
        for name in ("w", "g", *states, "lr"):
            i = plan.inputs.get(name, -1)
            self.name[i] = self.renamed[name]
            self.holder[self.renamed[name]] = i
        self.reserved = set(self.renamed.values())
        self.chain = self._chain()

    def write(self) -> list[Statement]:
        statements = []
        for position, i in enumerate(self.plan.order):
            arguments = tuple(self._argument(j) for j in self.nodes[i][1:])
            name = self._name(i, position)
            self.name[i] = name
            self.holder[name] = i
            statements.append(Statement(name, self.nodes[i][0], arguments))
        for state, i in self.plan.copies:
            statements.append(Statement(self.renamed[state], "multiply", (self.name[i], 1.0)))
        return statements

    def _argument(self, i: int) -> Argument:
        node = self.nodes[i]
        if node[0] != "constant":
            return self.name[i]
        return shortest(node[1]) if self.readable else float(node[1])

    def _chain(self) -> set[int]:
        """The values that become the update, from the last one back along the first arguments."""
        chain: set[int] = set()
        previous = [i for i, name in self.plan.target.items() if name == OUTPUT]
        end = self.plan.order.index(previous[0])
        while previous:
            i = previous[0]
            chain.add(i)
            previous = [
                j
                for j in self.nodes[i][1:2]
                if is_call(self.nodes[j])
                and self.last_use[j] <= end  # the update itself needs the name then
                and j not in self.plan.target
                and self.kinds[j] is Kind.TENSOR
                and not self._of_gradient(j)
            ]
        return chain

    def _of_gradient(self, i: int) -> bool:
        """Whether a node is the gradient, clipped or put through functions of one argument."""
        while is_call(self.nodes[i]):
            row = FUNCTIONS[self.nodes[i][0]]
            if row.name == "square" or (row.arity > 1 and row.name != "clip"):
                return False
            i = self.nodes[i][1]
        return self.nodes[i] == ("input", "g")

    def _free(self, name: str, position: int) -> bool:
        """Whether nothing from this statement's end on reads what the variable holds."""
        return name not in self.holder or self.last_use.get(self.holder[name], -1) <= position

    def _name(self, i: int, position: int) -> str:
        if i in self.plan.target:
            return self.renamed[self.plan.target[i]]
        if i in self.chain and self._free(OUTPUT, position):
            return OUTPUT
        function, *arguments = self.nodes[i]
        first = self.name.get(arguments[0], "") if arguments else ""
        inner = [j for j in arguments if self.nodes[j][0] != "constant"]
        kind = self.kinds[i]
        if len(inner) == 1 and first == "lr" and kind is Kind.SCALAR and self._free("lr", position):
            return "lr"
        if self._of_gradient(i) and kind is Kind.TENSOR and self._free("g", position):
            return "g"
        return self._new(self._suggestion(function, first, len(inner)))

    def _suggestion(self, function: str, first: str, inner: int) -> str:
        if function == "multiply" and first == "w":
            return "wd"
        if function == "square" and first and first[-1].isalpha():
            return f"{first}2"
        if inner == 1 and first and first != OUTPUT and len(first) <= 8:
            return f"{_SCALED.get(function, function)}_{first}"
        return _COMBINED.get(function, function)

    def _new(self, name: str) -> str:
        taken = self.reserved | self.holder.keys() | ALIASES.keys()
        if name in taken:
            name = f"{name}_" if name[-1].isdigit() else name
            number = 2
            while f"{name}{number}" in taken:
                number += 1
            name = f"{name}{number}"
        return name


def _state_names(terms: Terms) -> list[str]:
    """Known names stay; others become v (never negative, a second moment) or m."""
    names: list[str] = []
    second_moments = nonnegative_states(terms)
    for state in terms.states:
        name = state
        if state not in KNOWN_STATES:
            known = _SECOND_MOMENTS if state in second_moments else _FIRST_MOMENTS
            taken = {*names, *ALIASES, *(s for s in terms.states if s in KNOWN_STATES)}
            pool = (*known, *itertools.islice(state_names(), 2 * MAX_STATES))
            name = next(candidate for candidate in pool if candidate not in taken)
        names.append(name)
    return names
