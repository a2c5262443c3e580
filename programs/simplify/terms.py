"""A program as terms with exact constants: what rewriting works on.

Reading a program into terms drops its redundant statements, shares what is computed twice and folds
constants (see programs/terms.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from programs.execute import interpret
from programs.functions import FUNCTIONS
from programs.kinds import Kind
from programs.program import Program
from programs.terms import RATIONAL, Node, TermBuilder, is_call, reachable

__all__ = ["Builder", "Node", "Terms", "copy_into", "from_program", "is_call", "reachable"]


@dataclass(frozen=True)
class Terms:
    """A program with n nodes in an order in which arguments come first.

    nodes: [n]; outputs: node numbers of update and of each state's next value [1 + S].
    """

    states: tuple[str, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[int, ...]

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


class Builder(TermBuilder):
    """Makes terms with exact constants."""

    def __init__(self, finite: bool = False):
        super().__init__(RATIONAL, finite)

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


def from_program(program: Program) -> Terms:
    """Reads a valid program into terms."""
    builder = Builder()
    variables = {name: builder.input(name) for name in program.inputs}
    interpret(program, variables, constant=builder.constant, apply=builder.apply)
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
