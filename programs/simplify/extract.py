"""Choosing the shortest program among all that an e-graph holds.

Finding the smallest DAG is NP-hard. A greedy pass carries for each class the set of classes that
its best term needs, so that sharing inside a term is seen; local search then lets the outputs share
with each other. Ties are broken towards what a reader expects (see `_tie_break`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Container
from dataclasses import dataclass
from fractions import Fraction

from programs.functions import FUNCTIONS
from programs.kinds import Kind
from programs.simplify.egraph import Classes
from programs.simplify.terms import Builder, Node, Terms, is_call
from programs.simplify.work import VISIT, Work
from programs.terms import RATIONAL

Cost = tuple[int, int, int]  # statements, states, tie break

_NONE = 1 << 60
_IMPOSSIBLE = (_NONE, _NONE, _NONE)


def extract(
    classes: Classes, terms: Terms, *, known: Container[Fraction], work: Work, program: int = 0
) -> Terms:
    """The best terms found for the outputs of one of the e-graph's programs; its terms as they
    were, if all others compute a constant that float32 does not hold.

    Args:
      classes: the e-graph that was grown from `terms`, the program of that number.
      known: constants that are no surprise to the reader.
      work: the local search ends when it is exhausted.
    """
    graph = _Graph.of(classes, terms, known=known, program=program)
    best = _Search(graph, frozenset(), work)
    choice = best.run()
    if choice is None:
        return terms
    for state in terms.states:
        search = _Search(graph, best.unread | {state}, work)
        other = search.run()
        if other is not None and search.cost(other) < best.cost(choice):
            best, choice = search, other
    return best.build(choice)


def cost_of(terms: Terms, known: Container[Fraction] = ()) -> Cost:
    """What terms cost as they stand, comparable to others'."""
    classes = Classes(
        nodes=[[node] for node in terms.nodes], kinds=terms.kinds(), roots=[list(terms.outputs)]
    )
    search = _Search(_Graph.of(classes, terms, known=known, program=0), frozenset(), Work(0))
    return search.cost([0] * len(terms.nodes))


@dataclass(frozen=True)
class _Graph:
    """An e-graph as its extraction sees it.

    nodes: for each class its nodes [C]; a class that is an input or a constant has that node alone.
    tie_break: for each node what decides among equally short programs [C][nodes of the class].
    users: for each class the nodes (class, number) that have it as an argument [C].
    update, following: the class of the update, and of each state's next value.
    states: the states' names, by the class of their value before the step.
    """

    nodes: list[list[Node]]
    tie_break: list[list[int]]
    users: list[list[tuple[int, int]]]
    update: int
    following: dict[str, int]
    states: dict[int, str]

    @classmethod
    def of(
        cls, classes: Classes, terms: Terms, *, known: Container[Fraction], program: int
    ) -> _Graph:
        allowed = {values for node in terms.nodes if (values := _unfoldable(node, terms.nodes))}
        leaves = [nodes[0] if nodes else ("input", "") for nodes in classes.nodes]
        nodes = [
            [
                node
                for node in nodes
                if not (values := _unfoldable(node, leaves)) or values in allowed
            ]
            for nodes in classes.nodes
        ]
        users: list[list[tuple[int, int]]] = [[] for _ in nodes]
        for i, choices in enumerate(nodes):
            for k, node in enumerate(choices):
                for j in set(node[1:]) if is_call(node) else ():
                    users[j].append((i, k))
        update, *following = classes.roots[program]
        tie_break = [
            [_tie_break(node, kind, leaves=leaves, known=known) for node in choices]
            for choices, kind in zip(nodes, classes.kinds)
        ]
        states = {
            i: node[1]
            for i, node in enumerate(leaves)
            if node[0] == "input" and node[1] in terms.states
        }
        nexts = dict(zip(terms.states, following))
        return cls(nodes, tie_break, users, update, nexts, states)


def _unfoldable(
    node: Node, nodes: list[Node] | tuple[Node, ...]
) -> tuple[str | Fraction, ...] | None:
    """A call of constants alone that cannot be folded, as (function, constant, ...).

    Its result leaves float32's range, so that no program may compute it that did not do so before.
    """
    if not is_call(node) or not all(nodes[i][0] == "constant" for i in node[1:]):
        return None
    values = [nodes[i][1] for i in node[1:]]
    if RATIONAL.fold(FUNCTIONS[node[0]], values) is not None:
        return None
    return (node[0], *values)


def _tie_break(node: Node, kind: Kind, *, leaves: list[Node], known: Container[Fraction]) -> int:
    """Among equally short programs: work on scalars rather than on trees, read inputs rather than
    results, take fewer arguments, keep the constants that were there."""
    if not is_call(node):
        return 0
    total = 1_000 * int(kind)
    for j in node[1:]:
        total += 1
        if is_call(leaves[j]):
            total += 50
        elif leaves[j][0] == "constant":
            total += 30 * (leaves[j][1] not in known)
    if node[0] == "interp" and leaves[node[3]][0] == "constant":
        total += 10 * (leaves[node[3]][1] < Fraction(1, 2))  # interp(g, m, 0.9), not (m, g, 0.1)
    return total + 100 * (node[0] in ("add", "subtract", "multiply") and node[1] == node[2])


class _Search:
    """The search for programs that do not read some states.

    A choice is the number of a node for each class [C], -1 where there is none. A state is kept,
    and its next value computed, only if the update depends on it, over any number of steps.
    """

    def __init__(self, graph: _Graph, unread: frozenset[str], work: Work):
        self.graph, self.unread, self.work = graph, unread, work

    def run(self) -> list[int] | None:
        """The best choice found; None if the update cannot do without the unread states."""
        choice = self.greedy(frozenset())
        best = self.cost(choice)
        if best >= _IMPOSSIBLE:
            return None
        improved = True
        while improved and not self.work.exhausted:
            improved = False
            again = self.greedy(frozenset(self.used(choice) or ()))
            cost = self.cost(again)
            if cost < best:
                choice, best, improved = again, cost, True
            for i in self.used(choice) or ():
                for k in range(len(self.graph.nodes[i])):
                    if k == choice[i]:
                        continue
                    old, choice[i] = choice[i], k
                    cost = self.cost(choice)
                    if cost < best:
                        best, improved = cost, True
                    else:
                        choice[i] = old
        return choice

    def greedy(self, free: frozenset[int]) -> list[int]:
        """The best node of each class, bottom-up; the classes `free` cost nothing."""
        nodes, tie_breaks = self.graph.nodes, self.graph.tie_break
        self.work.spend(VISIT * len(nodes))
        paid = ~sum(1 << i for i in free)
        count, tie_break = [_NONE] * len(nodes), [_NONE] * len(nodes)
        mask, choice = [0] * len(nodes), [-1] * len(nodes)
        queue: deque[int] = deque()
        queued = [False] * len(nodes)

        def update(i: int, k: int) -> None:
            node = nodes[i][k]
            total, needs = tie_breaks[i][k], 0
            if is_call(node):
                for j in node[1:]:
                    if choice[j] < 0:
                        return
                    needs |= mask[j]
                    total += tie_break[j]
                if needs >> i & 1:
                    return
                needs |= 1 << i
            size = (needs & paid).bit_count()
            if (size, total) < (count[i], tie_break[i]):
                count[i], tie_break[i], mask[i], choice[i] = size, total, needs, k
                if not queued[i]:
                    queued[i] = True
                    queue.append(i)

        for i, choices in enumerate(nodes):
            for k, node in enumerate(choices):
                unread = node[0] == "input" and node[1] in self.unread
                if (not is_call(node) or len(node) == 1) and not unread:
                    update(i, k)
        while queue:
            j = queue.popleft()
            queued[j] = False
            self.work.spend(VISIT * len(self.graph.users[j]))
            for i, k in self.graph.users[j]:
                update(i, k)
        return choice

    def used(self, choice: list[int]) -> list[int] | None:
        """The classes that the update needs under a choice, over all steps, arguments first; None
        if the choice is cyclic or reads what it must not."""
        order: list[int] = []
        done: dict[int, bool] = {}  # False while its arguments are being looked at
        roots = [self.graph.update]
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
                node = self.graph.nodes[i][choice[i]]
                if is_call(node):
                    for j in node[1:]:
                        if j not in done:
                            stack.append(j)
                        elif not done[j]:
                            return None
                elif node[0] == "input" and node[1] in self.graph.following:
                    roots.append(self.graph.following[node[1]])
        return order

    def kept(self, used: list[int]) -> list[str]:
        """The states among the classes used, in order."""
        read = {self.graph.states[i] for i in self.graph.states.keys() & set(used)}
        return [state for state in self.graph.following if state in read]

    def cost(self, choice: list[int]) -> Cost:
        used = self.used(choice)
        if used is None:
            return _IMPOSSIBLE
        self.work.spend(VISIT * len(used))
        nodes, tie_break = self.graph.nodes, self.graph.tie_break
        size = sum(is_call(nodes[i][choice[i]]) for i in used)
        return size, len(self.kept(used)), sum(tie_break[i][choice[i]] for i in used)

    def build(self, choice: list[int]) -> Terms:
        builder = Builder()
        numbers: dict[int, int] = {}
        used = self.used(choice) or []
        for i in used:
            node = self.graph.nodes[i][choice[i]]
            if is_call(node):
                numbers[i] = builder.apply(node[0], [numbers[j] for j in node[1:]])
            elif node[0] == "constant":
                numbers[i] = builder.constant(node[1])
            else:
                numbers[i] = builder.node(node)
        kept = self.kept(used)
        roots = [self.graph.update, *(self.graph.following[state] for state in kept)]
        return builder.finish(kept, (numbers[i] for i in roots))
