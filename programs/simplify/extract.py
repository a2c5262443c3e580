"""Choosing the shortest program among all that an e-graph holds.

Finding the smallest DAG is NP-hard. A greedy pass carries for each class the set of classes that
its best term needs, so that sharing inside a term is seen; local search then lets the outputs share
with each other. Ties are broken towards what a reader expects (see `_tie_break`).
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
_IMPOSSIBLE = (_NONE, _NONE, _NONE)


def extract(classes: Classes, terms: Terms, known: Container[Fraction], deadline: float) -> Terms:
    """The best terms found for the e-graph's roots.

    Args:
      classes: the e-graph that was grown from `terms`.
      known: constants that are no surprise to the reader.
      deadline: time.monotonic() at which the local search stops.
    """
    best = _Extraction(classes, terms.states, frozenset(), known)
    choice = best.run(deadline)
    assert choice is not None, "terms are a choice of the e-graph grown from them"
    for state in terms.states:
        search = _Extraction(classes, terms.states, best.unread | {state}, known)
        other = search.run(deadline)
        if other is not None and search.cost(other) < best.cost(choice):
            best, choice = search, other
    return best.build(choice)


class _Extraction:
    """The search for programs that do not read some states.

    A state is kept, and its next value computed, only if the update depends on it, over any number
    of steps.
    """

    def __init__(
        self,
        classes: Classes,
        states: tuple[str, ...],
        unread: frozenset[str],
        known: Container[Fraction],
    ):
        self.classes, self.states, self.unread = classes, states, unread
        update, *following = classes.roots[: 1 + len(states)]
        self.update, self.following = update, dict(zip(states, following))
        self.leaf = [bool(nodes) and not is_call(nodes[0]) for nodes in classes.nodes]
        self.tie_break = [
            [self._tie_break(node, kind, known) for node in nodes]
            for nodes, kind in zip(classes.nodes, classes.kinds)
        ]
        self.parents: list[list[tuple[int, int]]] = [[] for _ in classes.nodes]
        for i, nodes in enumerate(classes.nodes):
            for k, node in enumerate(nodes):
                if is_call(node):
                    for j in set(node[1:]):
                        self.parents[j].append((i, k))

    def _tie_break(self, node: Node, kind: Kind, known: Container[Fraction]) -> int:
        """Among equally short programs: work on scalars rather than on trees, read inputs rather
        than results, take fewer arguments, keep the constants that were there."""
        if not is_call(node):
            return 0
        tie_break = 1_000 * int(kind)
        for j in node[1:]:
            tie_break += 1
            if not self.leaf[j]:
                tie_break += 50
            elif self.classes.nodes[j][0][0] == "constant":
                tie_break += 30 * (self.classes.nodes[j][0][1] not in known)
        if node[0] == "interp" and self.leaf[node[3]]:  # interp(g, m, 0.9), not interp(m, g, 0.1)
            weight = self.classes.nodes[node[3]][0]
            tie_break += 10 * (weight[0] == "constant" and weight[1] < Fraction(1, 2))
        return tie_break + 100 * (node[0] in ("add", "subtract", "multiply") and node[1] == node[2])

    def run(self, deadline: float) -> list[int] | None:
        """The best choice found; None if the outputs cannot do without the unread states."""
        choice = self.greedy(0)
        best = self.cost(choice)
        if best >= _IMPOSSIBLE:
            return None
        improved = True
        while improved and time.monotonic() < deadline:
            improved = False
            shared = 0
            for i in self.used(choice) or ():
                shared |= 1 << i
            again = self.greedy(shared)
            cost = self.cost(again)
            if cost < best:
                choice, best, improved = again, cost, True
            for i in self.used(choice) or ():
                if self.leaf[i] or len(self.classes.nodes[i]) == 1:
                    continue
                for k in range(len(self.classes.nodes[i])):
                    if k == choice[i]:
                        continue
                    old, choice[i] = choice[i], k
                    cost = self.cost(choice)
                    if cost < best:
                        best, improved = cost, True
                    else:
                        choice[i] = old
        return choice

    def greedy(self, free: int) -> list[int]:
        """The best node of each class, bottom-up; the classes in the mask `free` cost nothing."""
        nodes = self.classes.nodes
        count = [_NONE] * len(nodes)
        tie_break = [_NONE] * len(nodes)
        mask = [0] * len(nodes)
        choice = [-1] * len(nodes)
        queue: deque[int] = deque()
        queued = [False] * len(nodes)

        def update(i: int, k: int) -> None:
            node = nodes[i][k]
            total, needs = self.tie_break[i][k], 0
            if is_call(node):
                for j in node[1:]:
                    if choice[j] < 0:
                        return
                    needs |= mask[j]
                    total += tie_break[j]
                if needs >> i & 1:
                    return
                needs |= 1 << i
            size = (needs & ~free).bit_count()
            if (size, total) < (count[i], tie_break[i]):
                count[i], tie_break[i], mask[i], choice[i] = size, total, needs, k
                if not queued[i]:
                    queued[i] = True
                    queue.append(i)

        for i, leaf in enumerate(self.leaf):
            if leaf and not (nodes[i][0][0] == "input" and nodes[i][0][1] in self.unread):
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
        """The classes that the update needs under a choice, over all steps, arguments first; None
        if the choice is cyclic or reads what it must not."""
        order: list[int] = []
        done: dict[int, bool] = {}  # False while its arguments are being looked at
        roots = [self.update]
        while roots:
            stack = [roots.pop()]
            while stack:
                i = stack[-1]
                if i in done:
                    stack.pop()
                    if not done[i]:
                        done[i] = True
                        order.append(i)
                    continue
                if choice[i] < 0:
                    return None
                done[i] = False
                node = self.classes.nodes[i][choice[i]]
                if is_call(node):
                    for j in node[1:]:
                        if j not in done:
                            stack.append(j)
                        elif not done[j]:
                            return None
                elif node[0] == "input" and node[1] in self.following:
                    roots.append(self.following[node[1]])
        return order

    def kept(self, used: list[int]) -> list[str]:
        """The states among the classes used, in order."""
        leaves = {self.classes.nodes[i][0][1] for i in used if self.leaf[i]}
        return [state for state in self.states if state in leaves]

    def cost(self, choice: list[int]) -> tuple[int, int, int]:
        """(statements, states, tie break)"""
        used = self.used(choice)
        if used is None:
            return _IMPOSSIBLE
        size = sum(not self.leaf[i] for i in used)
        return size, len(self.kept(used)), sum(self.tie_break[i][choice[i]] for i in used)

    def build(self, choice: list[int]) -> Terms:
        builder = Builder()
        numbers: dict[int, int] = {}
        used = self.used(choice) or []
        for i in used:
            node = self.classes.nodes[i][choice[i]]
            if is_call(node):
                numbers[i] = builder.apply(node[0], [numbers[j] for j in node[1:]])
            elif node[0] == "constant":
                numbers[i] = builder.constant(node[1])
            else:
                numbers[i] = builder.node(node)
        kept = self.kept(used)
        roots = [self.update, *(self.following[state] for state in kept)]
        return builder.finish(kept, (numbers[i] for i in roots))


def cost_of(terms: Terms, known: Container[Fraction] = ()) -> tuple[int, int, int]:
    """(statements, states, tie break) of terms as they stand, comparable to those of others."""
    classes = Classes(
        nodes=[[node] for node in terms.nodes], kinds=terms.kinds(), roots=list(terms.outputs)
    )
    return _Extraction(classes, terms.states, frozenset(), known).cost([0] * len(terms.nodes))
