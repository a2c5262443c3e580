"""The canonical hash: the functional hash after sound normal forms.

Programs that differ only in what floating-point arithmetic cannot see get one hash: commuted
arguments, folded constants, constants that are the same float32, identities that hold bit for bit
(x * 1, --x, |x|^2, x - y = x + -y, ...), and dead, renamed, permuted or duplicate states.

A program is first read into a graph of terms in normal form, each term once. Its states make that
graph an automaton: all start at zero, so two states are equal for ever when their next values are
the same up to states that are equal themselves. Terms are therefore labelled by partition
refinement (Moore's algorithm): in round 0 all states look alike; in round k a state is labelled by
its next value as of round k - 1. Two programs of at most MAX_STATES states each are distinguished
within 2 * MAX_STATES rounds or never.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

from programs.abstract import Analysis, analyse, reaching
from programs.execute import interpret
from programs.function import COMMUTATIVE, EVEN, IDEMPOTENT, NONNEGATIVE, ODD
from programs.functions import FUNCTIONS, derived
from programs.program import MAX_STATES, Program
from programs.terms import FLOAT32, Node, TermBuilder, is_call, reachable

ROUNDS = 2 * MAX_STATES


def _with(fact: str) -> frozenset[str]:
    return frozenset(name for name, row in FUNCTIONS.items() if fact in row.properties)


_COMMUTATIVE: frozenset[str]
_EVEN: frozenset[str]
_IDEMPOTENT: frozenset[str]
_NONNEGATIVE: frozenset[str]
_ODD: frozenset[str]


@derived
def _derive() -> None:
    global _COMMUTATIVE, _EVEN, _IDEMPOTENT, _NONNEGATIVE, _ODD
    _COMMUTATIVE, _EVEN, _IDEMPOTENT = _with(COMMUTATIVE), _with(EVEN), _with(IDEMPOTENT)
    _NONNEGATIVE, _ODD = _with(NONNEGATIVE), _with(ODD) - {"negative"}


class _NormalForms(TermBuilder):
    """Terms in normal form. Every rule holds bit for bit in float32."""

    def __init__(self) -> None:
        super().__init__(FLOAT32)

    def apply(self, function: str, arguments: Sequence[int]) -> int:
        """The normal form of a function on terms."""
        term = self.folded(function, arguments)
        if term is None:
            term = self._rewritten(function, arguments)
        if term is None:
            term = self._sign_outside(function, arguments)
        return self.node((function, *arguments)) if term is None else term

    def _rewritten(self, function: str, arguments: Sequence[int]) -> int | None:
        """By definitions and by values that meet themselves."""
        x, y = arguments[0], arguments[-1]
        label = self.nodes[x][0]
        if function == "subtract":  # x - y = x + -y
            return self.apply("add", [x, self.apply("negative", [y])])
        if function == "negative" and label == "negative":  # --x = x
            return self.nodes[x][1]
        if function == "abs" and label in _NONNEGATIVE:
            return x
        if function in _IDEMPOTENT and (x == y if len(arguments) == 2 else label == function):
            return x
        if function == "multiply":
            if x == y:
                return self.apply("square", [x])
            for factor, other in ((x, y), (y, x)):
                if self.nodes[other] == ("square", factor):
                    return self.apply("cube", [factor])
        return None

    def _sign_outside(self, function: str, arguments: Sequence[int]) -> int | None:
        """Takes the sign of an argument outside of the function, or drops it."""
        x, y = arguments[0], arguments[-1]
        if function in _EVEN:  # f(-x) = f(|x|) = f(x)
            label = self.nodes[x][0]
            return self.apply(function, self.nodes[x][1:]) if label in ("negative", "abs") else None
        if function in _ODD or function in ("multiply", "divide"):  # f(-x) = -f(x)
            minus_x = self._negated(x)
            if minus_x is not None:
                return self._negative_of(function, minus_x, *arguments[1:])
            if function == "multiply":  # not of the divisor: the guard is on one side of 0
                minus_y = self._negated(y)
                if minus_y is not None:
                    return self._negative_of(function, x, minus_y)
        if function == "add":  # -x + -y = -(x + y)
            minus_x, minus_y = self._negated(x), self._negated(y)
            if minus_x is not None and minus_y is not None:
                return self._negative_of(function, minus_x, minus_y)
        return None

    def _negative_of(self, function: str, *arguments: int) -> int:
        return self.apply("negative", [self.apply(function, arguments)])

    def _negated(self, term: int) -> int | None:
        """The term of which this one is the negative, if it is one."""
        node = self.nodes[term]
        if node[0] == "negative":
            return node[1]
        if node[0] == "constant" and node[1][3] & 0x80:  # the sign bit
            return self.node(("constant", node[1][:3] + bytes((node[1][3] ^ 0x80,))))
        return None


def canonical_hash(program: Program, analysis: Analysis | None = None) -> bytes:
    """16 bytes, stable across processes and machines.

    Equal hashes mean equal outputs for ever (up to the rounding of a compiler that fuses a multiply
    and an add), whatever the trees, gradients and schedule.

    Args:
      analysis: the program's, to save time.

    Raises:
      InvalidProgram: the program is not valid.
    """
    states, statements = reaching(analysis or analyse(program))
    terms = _NormalForms()
    variables = {name: terms.input(name) for name in program.inputs}
    olds = [variables[program.states[i]] for i in states]
    live = [program.statements[i] for i in statements]
    interpret(live, variables, constant=terms.constant, apply=terms.apply)
    update = variables[program.outputs[0]]
    news = [variables[program.states[i]] for i in states]
    return _digest(terms.nodes, update, olds, news)


def _digest(nodes: Sequence[Node], update: int, olds: Sequence[int], news: Sequence[int]) -> bytes:
    """The digest of the update after ROUNDS rounds of labelling the states.

    Args:
      olds, news: for each state the term that is its value, and that of its next value.
    """
    digests: dict[int, bytes] = {}
    changing = set(olds)  # what depends on a state; the rest is digested once
    every = [i for i in reachable(nodes, [update, *news]) if i not in changing]
    for term in every:
        node = nodes[term]
        if is_call(node) and not changing.isdisjoint(node[1:]):
            changing.add(term)
    _digest_terms([_recipe(nodes, i) for i in every if i not in changing], digests)
    below = reachable(nodes, news)
    recipes = {i: _recipe(nodes, i) for i in every if i in changing}
    inner = [recipes[i] for i in below if i in recipes]
    labels = [b""] * len(olds)
    for _ in range(ROUNDS if olds else 0):
        _label(olds, labels, digests)
        _digest_terms(inner, digests)
        labels = [digests[i] for i in news]
    _label(olds, labels, digests)
    _digest_terms(list(recipes.values()), digests)
    return digests[update]


# What is digested of a term: its number, what comes before the digests of its arguments, the
# arguments, and whether these commute.
_Recipe = tuple[int, bytes, tuple[int, ...], bool]


def _recipe(nodes: Sequence[Node], term: int) -> _Recipe:
    label, *rest = nodes[term]
    if label == "input":
        return term, b"input(" + rest[0].encode(), (), False
    if label == "constant":
        return term, b"constant(" + rest[0], (), False
    return term, label.encode() + b"(", tuple(rest), label in _COMMUTATIVE


def _label(states: Sequence[int], labels: Sequence[bytes], digests: dict[int, bytes]) -> None:
    """Digests the states; they are marked as such, since a label is their value of one step ago."""
    for state, label in zip(states, labels):
        digests[state] = blake2b(b"state(" + label, digest_size=16).digest()


def _digest_terms(recipes: Sequence[_Recipe], digests: dict[int, bytes]) -> None:
    """Digests terms whose arguments are digested or come before them."""
    for term, start, arguments, commute in recipes:
        parts = [digests[i] for i in arguments]
        if commute:
            parts.sort()
        digests[term] = blake2b(start + b"".join(parts), digest_size=16).digest()
