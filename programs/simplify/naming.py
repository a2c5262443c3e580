"""Terms back to a program: canonical order of statements and names that a reader knows.

An output whose value is an input, or another output, costs one more statement, `update = g * 1`,
since the language has no plain copy. A state's new value is assigned to the state itself, so
whatever still reads the old value comes before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from programs.functions import COMMUTATIVE, FUNCTIONS, NONNEGATIVE
from programs.kinds import Kind
from programs.program import OUTPUT, Argument, Program, Statement
from programs.simplify.terms import Node, Terms, is_call, reachable

# Names of states that readers know; a state with another name is given a new one.
KNOWN_STATES = ("m", "v", "s", "n", "u", "h", "acc", "momentum", "velocity", "slow", "ema")
_SECOND_MOMENTS = ("v", "v2", "v3", "v4", "v5", "v6", "v7", "v8")
_FIRST_MOMENTS = ("m", "n", "s", "u", "m2", "m3", "m4", "m5")


def to_program(terms: Terms, readable: bool = False) -> Program:
    """The program of some terms.

    Args:
      readable: name states anew where their names say nothing, and write each constant with the
        fewest digits that give the same float32.
    """
    layout = _Layout(terms)
    names = _state_names(terms) if readable else list(terms.states)
    writer = _Writer(layout, names, readable)
    return Program(tuple(names), tuple(writer.write()))


def statement_count(terms: Terms) -> int:
    return len(to_program(terms))


def shortest(value: Fraction | float) -> float:
    """The number with the fewest digits that is the same float32."""
    with np.errstate(over="ignore", under="ignore"):
        single = np.float32(float(value))
    usable = np.isfinite(single) and (single != 0 or value == 0)
    return float(str(single)) if usable else float(value)


class _Layout:
    """Which node is computed when, and which variable each output's node is assigned to."""

    def __init__(self, terms: Terms):
        self.nodes: list[Node] = list(terms.nodes)
        self.terms = terms
        self.inputs = {node[1]: i for i, node in enumerate(self.nodes) if node[0] == "input"}
        self.target: dict[int, str] = {}  # node -> the output variable that it is assigned to
        self.copies: list[tuple[str, int]] = []  # outputs that need one more statement, at the end
        self.depth = self._depths()
        self.nodes = [self._arranged(node) for node in self.nodes]
        # States first: the update is the one to be copied when it equals a state's new value.
        for name, i in (*zip(terms.states, terms.outputs[1:]), (OUTPUT, terms.outputs[0])):
            if self.nodes[i] == ("input", name):
                continue
            if not is_call(self.nodes[i]) or i in self.target:
                one = len(self.nodes)
                self.nodes.append(("constant", Fraction(1)))
                self.nodes.append(("multiply", i, one))
                i = one + 1
            self.target[i] = name
        self._order()

    def _depths(self) -> list[int]:
        depth: list[int] = []
        for node in self.nodes:
            depth.append(1 + max((depth[i] for i in node[1:]), default=0) if is_call(node) else 0)
        return depth

    def _arranged(self, node: Node) -> Node:
        """Arguments that commute in one order: the longer computation first, constants last."""
        if not is_call(node) or COMMUTATIVE not in FUNCTIONS[node[0]].properties:
            return node

        def rank(i: int) -> tuple:
            argument = self.nodes[i]
            label = ("w", "g", "lr").index(argument[1]) if argument[1:] in _INPUTS else 3
            return (argument[0] == "constant", -self.depth[i], label, i)

        return (node[0], *sorted(node[1:], key=rank))

    def _order(self) -> None:
        roots = [i for i, name in self.target.items() if name == OUTPUT]
        roots += [i for i, name in self.target.items() if name != OUTPUT]
        order: list[int] = []
        seen: set[int] = set()

        def visit(i: int) -> None:
            stack = [(i, 0)]
            while stack:
                i, k = stack.pop()
                if k == 0 and (i in seen or not is_call(self.nodes[i])):
                    continue
                seen.add(i)
                if k < len(self.nodes[i]) - 1:
                    stack.append((i, k + 1))
                    stack.append((self.nodes[i][k + 1], 0))
                else:
                    order.append(i)

        for root in roots:
            visit(root)
        position = {i: p for p, i in enumerate(order)}
        needs = {i: {j for j in self.nodes[i][1:] if j in position} for i in order}
        for root, name in list(self.target.items()):
            if name == OUTPUT or name not in self.inputs:
                continue
            old = self.inputs[name]
            readers = {i for i in order if old in self.nodes[i][1:]} - {root}
            needs[root] |= readers
            if not _acyclic(order, needs):
                # Something needs the old and the new value: keep the new one aside until the end.
                needs[root] -= readers - set(self.nodes[root][1:])
                del self.target[root]
                self.copies.append((name, root))
        self.order: list[int] = []
        waiting = list(order)
        done: set[int] = set()
        while waiting:
            i = next(i for i in waiting if needs[i] <= done)
            waiting.remove(i)
            done.add(i)
            self.order.append(i)


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
_INPUTS = (("w",), ("g",), ("lr",))


def _acyclic(order: Sequence[int], needs: dict[int, set[int]]) -> bool:
    left, done = list(order), set[int]()
    while left:
        ready = [i for i in left if needs[i] <= done]
        if not ready:
            return False
        done.update(ready)
        left = [i for i in left if i not in done]
    return True


class _Writer:
    """Names the nodes of a layout in order."""

    def __init__(self, layout: _Layout, states: list[str], readable: bool):
        self.layout, self.readable = layout, readable
        self.nodes = layout.nodes
        self.renamed = dict(zip(layout.terms.states, states))
        self.renamed |= {"w": "w", "g": "g", "lr": "lr", OUTPUT: OUTPUT}
        self.kinds = Terms((), tuple(self.nodes), ()).kinds()
        self.last_use: dict[int, int] = {}
        for position, i in enumerate(layout.order):
            for j in self.nodes[i][1:]:
                self.last_use[j] = position
        for _, i in layout.copies:
            self.last_use[i] = len(layout.order)
        self.name: dict[int, str] = {}
        self.holder: dict[str, int] = {}  # the node that each variable holds now
        for name in ("w", "g", *layout.terms.states, "lr"):
            i = layout.inputs.get(name, -1)
            self.name[i] = self.renamed[name]
            self.holder[self.renamed[name]] = i
        self.reserved = set(self.renamed.values())
        self.chain = self._chain()

    def write(self) -> list[Statement]:
        statements = []
        for position, i in enumerate(self.layout.order):
            arguments = tuple(self._argument(j) for j in self.nodes[i][1:])
            name = self._name(i, position)
            self.name[i] = name
            self.holder[name] = i
            statements.append(Statement(name, self.nodes[i][0], arguments))
        for state, i in self.layout.copies:
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
        found = [i for i, name in self.layout.target.items() if name == OUTPUT]
        end = self.layout.order.index(found[0])
        while found:
            i = found[0]
            chain.add(i)
            found = [
                j
                for j in self.nodes[i][1:2]
                if is_call(self.nodes[j])
                and self.last_use[j] <= end  # the update itself needs the name then
                and j not in self.layout.target
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
        if i in self.layout.target:
            return self.renamed[self.layout.target[i]]
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
        if name in self.reserved or name in self.holder or name in FUNCTIONS:
            name = f"{name}_" if name[-1].isdigit() else name
            number = 2
            while f"{name}{number}" in self.reserved or f"{name}{number}" in self.holder:
                number += 1
            name = f"{name}{number}"
        return name


def _state_names(terms: Terms) -> list[str]:
    """Known names stay; others become v (never negative, a second moment) or m."""
    names: list[str] = []
    for state, root in zip(terms.states, terms.outputs[1:]):
        name = state
        if state not in KNOWN_STATES:
            pool = _SECOND_MOMENTS if _nonnegative(terms, state, root) else _FIRST_MOMENTS
            taken = {*names, *(s for s in terms.states if s in KNOWN_STATES)}
            name = next(candidate for candidate in pool if candidate not in taken)
        names.append(name)
    return names


def _nonnegative(terms: Terms, state: str, root: int) -> bool:
    """Whether a state never becomes negative, given that it is not now."""
    good: set[int] = set()
    for i in reachable(terms.nodes, [root]):
        node = terms.nodes[i]
        if node[0] == "constant":
            positive = node[1] >= 0
        elif node[0] == "input":
            positive = node[1] == state
        elif NONNEGATIVE in FUNCTIONS[node[0]].properties:
            positive = True
        else:
            positive = node[0] in ("add", "multiply", "maximum", "interp") and good >= set(node[1:])
        if positive:
            good.add(i)
    return root in good
