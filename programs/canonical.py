"""The canonical hash: the functional hash after sound normal forms.

Programs that differ only in what floating-point arithmetic cannot see get one hash: commuted
arguments, folded constants, constants that are the same float32, identities that hold bit for bit
(x * 1, --x, |x|^2, x - y = x + -y, ...), and dead, renamed, permuted or duplicate states.

A program is first read into a graph of terms in normal form, each term once. Its states make that
graph an automaton: all start at zero, so two states are equal for ever when their next values are
the same up to states that are equal themselves. Terms are therefore labelled by partition
refinement (Moore's algorithm): in round 0 all states look alike; in round k a state is labelled by
its next value as of round k - 1. Two programs of at most MAX_STATES states each are told apart
within 2 * MAX_STATES rounds or never.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np

from programs.abstract import analyse
from programs.execute import interpret
from programs.functions import COMMUTATIVE, EVEN, FUNCTIONS, NONNEGATIVE, ODD, ROUNDED
from programs.program import MAX_STATES, Program

ROUNDS = 2 * MAX_STATES
_COMMUTATIVE = {name for name, row in FUNCTIONS.items() if COMMUTATIVE in row.properties}

Term = int  # an index into _Terms.nodes
Node = tuple[str, bytes, tuple[Term, ...]]  # function (or "input", "state", "constant"), name, args


class _Terms:
    """Terms in normal form, each stored once."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.index: dict[Node, Term] = {}

    def leaf(self, label: str, name: bytes) -> Term:
        return self._store((label, name, ()))

    def node(self, function: str, arguments: Sequence[Term]) -> Term:
        return self._store((function, b"", tuple(arguments)))

    def _store(self, node: Node) -> Term:
        if node not in self.index:
            self.index[node] = len(self.nodes)
            self.nodes.append(node)
        return self.index[node]

    def constant(self, number: float | np.float32) -> Term:
        with np.errstate(over="ignore"):
            return self.leaf("constant", struct.pack("<f", np.float32(number)))

    def number(self, term: Term) -> np.float32 | None:
        """The value of a constant term, None for others."""
        label, name, _ = self.nodes[term]
        return np.float32(struct.unpack("<f", name)[0]) if label == "constant" else None

    def negative(self, term: Term) -> Term | None:
        """The term of which this one is the negative, if it is one."""
        label, _, arguments = self.nodes[term]
        if label == "negative":
            return arguments[0]
        number = self.number(term)
        return self.constant(-number) if number is not None and np.signbit(number) else None

    def apply(self, function: str, arguments: list[Term]) -> Term:
        """The normal form of a function on terms. Every rule holds bit for bit in float32."""
        properties = FUNCTIONS[function].properties
        numbers = [self.number(a) for a in arguments]
        if ROUNDED in properties and all(n is not None for n in numbers):
            with np.errstate(all="ignore"):
                return self.constant(FUNCTIONS[function].meaning(np, *numbers))
        if function == "subtract":  # x - y = x + -y
            return self.apply("add", [arguments[0], self.apply("negative", [arguments[1]])])
        label, _, inner = self.nodes[arguments[0]] if arguments else ("", b"", ())
        match function:
            case "negative" if label == "negative":  # --x = x
                return inner[0]
            case "abs" if label in FUNCTIONS and NONNEGATIVE in FUNCTIONS[label].properties:
                return arguments[0]
            case "sign" if label == "sign":
                return arguments[0]
            case "maximum" | "minimum" if arguments[0] == arguments[1]:
                return arguments[0]
            case "multiply" if arguments[0] == arguments[1]:
                return self.apply("square", arguments[:1])
            case "multiply" | "add":
                neutral = 1.0 if function == "multiply" else -0.0  # x + 0.0 turns -0.0 into 0.0
                for term, other in (arguments, arguments[::-1]):
                    if other == self.constant(neutral):
                        return term
                    if function == "multiply" and self.nodes[other] == ("square", b"", (term,)):
                        return self.apply("cube", [term])
            case "divide" if numbers[1] is not None and numbers[1] + np.float32(1e-8) == 1:
                return arguments[0]
        if EVEN in properties:  # f(-x) = f(|x|) = f(x)
            if label in ("negative", "abs"):
                return self.apply(function, [inner[0]])
        elif ODD in properties and function != "negative":  # f(-x) = -f(x)
            positive = self.negative(arguments[0])
            if positive is not None:
                return self.apply("negative", [self.apply(function, [positive, *arguments[1:]])])
        if function in ("multiply", "divide", "add"):
            x, y = arguments
            minus_x, minus_y = self.negative(x), self.negative(y)
            if function == "add":  # -x + -y = -(x + y)
                if minus_x is not None and minus_y is not None:
                    return self.apply("negative", [self.apply("add", [minus_x, minus_y])])
            elif minus_x is not None:  # -x * y = -(x * y), and so for /
                return self.apply("negative", [self.apply(function, [minus_x, y])])
            elif minus_y is not None and function == "multiply":  # the guard of / is on one side
                return self.apply("negative", [self.apply("multiply", [x, minus_y])])
        return self.node(function, arguments)


def canonical_hash(program: Program) -> bytes:
    """16 bytes, stable across processes and machines.

    Equal hashes mean equal outputs for ever (up to the rounding of a compiler that fuses a multiply
    and an add), whatever the trees, gradients and schedule.

    Raises:
      InvalidProgram: the program is not valid.
    """
    analyse(program)
    terms = _Terms()
    variables = {name: terms.leaf("input", name.encode()) for name in ("w", "g", "lr")}
    states = [terms.leaf("state", b"%d" % i) for i in range(len(program.states))]
    variables |= dict(zip(program.states, states))
    interpret(program, variables, terms.constant, terms.apply)
    update = variables[program.outputs[0]]
    following = [variables[name] for name in program.states]  # the states' next values
    digests: dict[Term, bytes] = {}
    every = _below(terms, [update, *following])
    changing: set[Term] = set(states)  # what depends on a state; the rest is digested once
    for term in every:
        if not changing.isdisjoint(terms.nodes[term][2]):
            changing.add(term)
    _digest(terms, [term for term in every if term not in changing], digests)
    inner = [term for term in _below(terms, following) if term in changing]
    labels = [b""] * len(states)
    for _ in range(ROUNDS):
        _label(states, labels, digests)
        _digest(terms, inner, digests)
        labels = [digests[term] for term in following]
    _label(states, labels, digests)
    _digest(terms, [term for term in every if term in changing], digests)
    return digests[update]


def _below(terms: _Terms, roots: Sequence[Term]) -> list[Term]:
    """All terms that `roots` need, but states: arguments first, as they have lower numbers."""
    found: set[Term] = set()
    stack = list(roots)
    while stack:
        term = stack.pop()
        if term not in found:
            found.add(term)
            stack += terms.nodes[term][2]
    return [term for term in sorted(found) if terms.nodes[term][0] != "state"]


def _label(states: Sequence[Term], labels: Sequence[bytes], digests: dict[Term, bytes]) -> None:
    """Digests the states; they are marked as such, since a label is their value of one step ago."""
    for state, label in zip(states, labels):
        digests[state] = blake2b(b"state(" + label, digest_size=16).digest()


def _digest(terms: _Terms, wanted: Sequence[Term], digests: dict[Term, bytes]) -> None:
    """Digests terms whose arguments are digested or come before them."""
    for term in wanted:
        label, name, arguments = terms.nodes[term]
        parts = [digests[a] for a in arguments]
        if label in _COMMUTATIVE:
            parts.sort()
        data = b"".join([label.encode(), b"(", name, *parts])
        digests[term] = blake2b(data, digest_size=16).digest()
