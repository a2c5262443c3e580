"""The order of a program's statements: which term is computed when, and assigned to which output.

An output whose value is an input, or another output, costs one more statement, `update = g * 1`,
since the language has no plain copy. A state's new value is assigned to the state itself, so
whatever still reads the old value comes before it.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from fractions import Fraction
from graphlib import CycleError, TopologicalSorter

from programs.function import COMMUTATIVE
from programs.functions import FUNCTIONS
from programs.program import OUTPUT
from programs.simplify.terms import Node, Terms, is_call

_INPUTS = ("w", "g", "lr")


@dataclass(frozen=True)
class Schedule:
    """Terms in the order of their statements.

    nodes: the terms, arguments that commute in canonical order.
    order: the numbers of the terms that are computed, one statement each.
    target: for some of them the output that they are assigned to.
    copies: outputs that need one more statement, at the end, and the term that they copy.
    inputs: the term of each input that is read.
    """

    nodes: tuple[Node, ...]
    order: tuple[int, ...]
    target: dict[int, str]
    copies: tuple[tuple[str, int], ...]
    inputs: dict[str, int]


def schedule(terms: Terms) -> Schedule:
    nodes = _arranged(terms.nodes)
    inputs = {node[1]: i for i, node in enumerate(nodes) if node[0] == "input"}
    target: dict[int, str] = {}
    # States first: the update is the one to be copied when it equals a state's new value.
    for name, i in (*zip(terms.states, terms.outputs[1:]), (OUTPUT, terms.outputs[0])):
        if nodes[i] == ("input", name):
            continue
        if not is_call(nodes[i]) or i in target:
            nodes += [("constant", Fraction(1)), ("multiply", i, len(nodes))]
            i = len(nodes) - 1
        target[i] = name
    roots = [i for i, name in target.items() if name == OUTPUT]
    roots += [i for i, name in target.items() if name != OUTPUT]
    preferred = _depth_first(nodes, roots)
    needs = {i: {j for j in nodes[i][1:] if is_call(nodes[j])} for i in preferred}
    copies: list[tuple[str, int]] = []
    for root, name in list(target.items()):
        if name == OUTPUT or name not in inputs:
            continue
        readers = {i for i in preferred if inputs[name] in nodes[i][1:]} - {root}
        with_readers = needs | {root: needs[root] | readers}
        if _acyclic(with_readers):
            needs = with_readers
        else:  # something needs the old and the new value: keep the new one aside until the end
            del target[root]
            copies.append((name, root))
    order = _in_order(preferred, needs)
    return Schedule(tuple(nodes), tuple(order), target, tuple(copies), inputs)


def _arranged(nodes: Sequence[Node]) -> list[Node]:
    """Arguments that commute in one order: the longer computation first, constants last."""
    depth: list[int] = []
    for node in nodes:
        depth.append(1 + max((depth[i] for i in node[1:]), default=0) if is_call(node) else 0)

    def rank(i: int) -> tuple[bool, int, int, int]:
        kind, name = nodes[i][:2]
        label = _INPUTS.index(name) if kind == "input" and name in _INPUTS else len(_INPUTS)
        return (kind == "constant", -depth[i], label, i)

    return [
        (node[0], *sorted(node[1:], key=rank))
        if is_call(node) and COMMUTATIVE in FUNCTIONS[node[0]].properties
        else node
        for node in nodes
    ]


def _depth_first(nodes: Sequence[Node], roots: Sequence[int]) -> list[int]:
    """The calls that the roots need, each after its arguments."""
    order: list[int] = []
    seen: set[int] = set()
    stack = [(root, 0) for root in reversed(roots)]
    while stack:
        i, k = stack.pop()
        if k == 0 and (i in seen or not is_call(nodes[i])):
            continue
        seen.add(i)
        if k < len(nodes[i]) - 1:
            stack += [(i, k + 1), (nodes[i][k + 1], 0)]
        else:
            order.append(i)
    return order


def _acyclic(needs: dict[int, set[int]]) -> bool:
    try:
        TopologicalSorter(needs).prepare()
    except CycleError:
        return False
    return True


def _in_order(preferred: Sequence[int], needs: dict[int, set[int]]) -> Collection[int]:
    """Each after what it needs, and else in the preferred order."""
    position = {i: p for p, i in enumerate(preferred)}
    sorter = TopologicalSorter(needs)
    sorter.prepare()
    order: list[int] = []
    ready: list[int] = []
    while sorter.is_active():
        for i in sorter.get_ready():
            heapq.heappush(ready, position[i])
        i = preferred[heapq.heappop(ready)]
        order.append(i)
        sorter.done(i)
    return order
