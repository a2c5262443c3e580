"""Choosing the shortest program among all that an e-graph holds.

Finding the smallest DAG is NP-hard. A greedy pass carries for each class the set of classes that
its best term needs, so that sharing inside a term is seen; local search then lets the outputs share
with each other. Ties are broken towards what a reader expects (see `_taste`).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Container
from fractions import Fraction

from programs.kinds import Kind
from programs.simplify.egraph import Classes
from programs.simplify.terms import Builder, Node, Terms, is_call

_NONE = 1 << 60


def extract(classes: Classes, terms: Terms, known: Container[Fraction], deadline: float) -> Terms:
    """The best terms found for the e-graph's roots.

    Args:
      classes: the e-graph that was grown from `terms`.
      known: constants that are no surprise to the reader.
      deadline: time.monotonic() at which the local search stops.
    """
    search = _Extraction(classes, len(terms.outputs), known)
    return search.run(terms.states, deadline)


class _Extraction:
    def __init__(self, classes: Classes, outputs: int, known: Container[Fraction]):
        self.classes = classes
        self.roots = classes.roots[:outputs]
        self.leaf = [bool(nodes) and not is_call(nodes[0]) for nodes in classes.nodes]
        self.taste = [
            [self._taste(node, kind, known) for node in nodes]
            for nodes, kind in zip(classes.nodes, classes.kinds)
        ]
        self.parents: list[list[tuple[int, int]]] = [[] for _ in classes.nodes]
        for i, nodes in enumerate(classes.nodes):
            for k, node in enumerate(nodes):
                if is_call(node):
                    for j in set(node[1:]):
                        self.parents[j].append((i, k))

    def _taste(self, node: Node, kind: Kind, known: Container[Fraction]) -> int:
        """Among equally short programs: work on scalars rather than on trees, read inputs rather
        than results, take fewer arguments, keep the constants that were there."""
        if not is_call(node):
            return 0
        taste = 1_000 * int(kind)
        for j in node[1:]:
            taste += 1
            if not self.leaf[j]:
                taste += 50
            elif self.classes.nodes[j][0][0] == "constant":
                taste += 30 * (self.classes.nodes[j][0][1] not in known)
        if node[0] == "interp" and self.leaf[node[3]]:  # interp(g, m, 0.9), not interp(m, g, 0.1)
            weight = self.classes.nodes[node[3]][0]
            taste += 10 * (weight[0] == "constant" and weight[1] < Fraction(1, 2))
        return taste + 100 * (node[0] in ("add", "subtract", "multiply") and node[1] == node[2])

    def run(self, states: tuple[str, ...], deadline: float) -> Terms:
        choice = self.greedy(0)
        best = self.cost(choice)
        assert best is not None
        improved = True
        while improved and time.monotonic() < deadline:
            improved = False
            shared = 0
            for i in self.used(choice) or ():
                shared |= 1 << i
            again = self.greedy(shared)
            cost = self.cost(again)
            if cost is not None and cost < best:
                choice, best, improved = again, cost, True
            for i in self.used(choice) or ():
                if self.leaf[i] or len(self.classes.nodes[i]) == 1:
                    continue
                for k in range(len(self.classes.nodes[i])):
                    if k == choice[i]:
                        continue
                    old, choice[i] = choice[i], k
                    cost = self.cost(choice)
                    if cost is not None and cost < best:
                        best, improved = cost, True
                    else:
                        choice[i] = old
        return self.build(choice, states)

    def greedy(self, free: int) -> list[int]:
        """The best node of each class, bottom-up; the classes in the mask `free` cost nothing."""
        nodes = self.classes.nodes
        count = [_NONE] * len(nodes)
        taste = [_NONE] * len(nodes)
        mask = [0] * len(nodes)
        choice = [-1] * len(nodes)
        queue: deque[int] = deque()
        queued = [False] * len(nodes)

        def update(i: int, k: int) -> None:
            node = nodes[i][k]
            total, needs = self.taste[i][k], 0
            if is_call(node):
                for j in node[1:]:
                    if choice[j] < 0:
                        return
                    needs |= mask[j]
                    total += taste[j]
                if needs >> i & 1:
                    return
                needs |= 1 << i
            size = (needs & ~free).bit_count()
            if (size, total) < (count[i], taste[i]):
                count[i], taste[i], mask[i], choice[i] = size, total, needs, k
                if not queued[i]:
                    queued[i] = True
                    queue.append(i)

        for i, leaf in enumerate(self.leaf):
            if leaf:
                update(i, 0)
            for k, node in enumerate(nodes[i]):
                if len(node) == 1:
                    update(i, k)
        while queue:
            j = queue.popleft()
            queued[j] = False
            for i, k in self.parents[j]:
                if not self.leaf[i]:
                    update(i, k)
        return choice

    def used(self, choice: list[int]) -> list[int] | None:
        """The classes that the roots need under a choice, arguments first; None if it is cyclic."""
        nodes = self.classes.nodes
        order: list[int] = []
        state: dict[int, int] = {}
        stack = list(reversed(self.roots))
        while stack:
            i = stack[-1]
            if state.get(i) == 2:
                stack.pop()
                continue
            if state.get(i) == 1:
                state[i] = 2
                order.append(i)
                stack.pop()
                continue
            state[i] = 1
            if choice[i] < 0:
                return None
            node = nodes[i][choice[i]]
            if is_call(node):
                for j in node[1:]:
                    if state.get(j) == 1:
                        return None
                    if j not in state:
                        stack.append(j)
        return order

    def cost(self, choice: list[int]) -> tuple[int, int] | None:
        used = self.used(choice)
        if used is None:
            return None
        size = sum(not self.leaf[i] for i in used)
        return size, sum(self.taste[i][choice[i]] for i in used)

    def build(self, choice: list[int], states: tuple[str, ...]) -> Terms:
        builder = Builder()
        numbers: dict[int, int] = {}
        for i in self.used(choice) or ():
            node = self.classes.nodes[i][choice[i]]
            if is_call(node):
                numbers[i] = builder.apply(node[0], [numbers[j] for j in node[1:]])
            elif node[0] == "constant":
                numbers[i] = builder.constant(node[1])
            else:
                numbers[i] = builder.node(node)
        return builder.finish(states, (numbers[i] for i in self.roots))


def cost_of(terms: Terms, known: Container[Fraction] = ()) -> tuple[int, int]:
    """(statements, taste) of terms as they stand, comparable to those of other terms."""
    classes = Classes(
        nodes=[[node] for node in terms.nodes], kinds=terms.kinds(), roots=list(terms.outputs)
    )
    search = _Extraction(classes, len(terms.outputs), known)
    cost = search.cost([0] * len(terms.nodes))
    assert cost is not None
    return cost
