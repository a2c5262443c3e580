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
from hashlib import blake2b

import numpy as np

from programs.abstract import analyse
from programs.execute import interpret
from programs.functions import COMMUTATIVE, EVEN, FUNCTIONS, NONNEGATIVE, ODD, ROUNDED
from programs.program import MAX_STATES, Program

ROUNDS = 2 * MAX_STATES

Term = int  # an index into _Terms.nodes


class _Terms:
    """Terms in normal form, each stored once. A node is (label, *argument terms)."""

    def __init__(self) -> None:
        self.nodes: list[tuple] = []
        self.index: dict[tuple, Term] = {}

    def node(self, *parts) -> Term:
        if parts not in self.index:
            self.index[parts] = len(self.nodes)
            self.nodes.append(parts)
        return self.index[parts]

    def constant(self, number: float) -> Term:
        with np.errstate(over="ignore"):
            return self.node(struct.pack("<f", np.float32(number)))

    def number(self, term: Term) -> np.float32 | None:
        """The value of a constant term, None for others."""
        label = self.nodes[term][0]
        return np.float32(struct.unpack("<f", label)[0]) if isinstance(label, bytes) else None

    def negative(self, term: Term) -> Term | None:
        """The term of which this one is the negative, if it is one."""
        label, *arguments = self.nodes[term]
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
        label = self.nodes[arguments[0]][0] if arguments else None
        inner = self.nodes[arguments[0]][1:] if arguments else ()
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
                    if self.nodes[other] == (struct.pack("<f", neutral),):
                        return term
                    if function == "multiply" and self.nodes[other] == ("square", term):
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
            positive = [self.negative(a) for a in arguments]
            if function == "divide":
                positive[1] = None  # the guard is on one side of zero
            if function == "add" and None not in positive:  # -x + -y = -(x + y)
                return self.apply("negative", [self.apply("add", positive)])
            if function != "add" and positive != [None, None]:  # -x * y = -(x * y)
                bare = [a if p is None else p for a, p in zip(arguments, positive)]
                product = self.apply(function, bare)
                return product if None not in positive else self.apply("negative", [product])
        return self.node(function, *arguments)


def canonical_hash(program: Program) -> bytes:
    """16 bytes, stable across processes and machines.

    Equal hashes mean equal outputs for ever (up to the rounding of a compiler that fuses a multiply
    and an add), whatever the trees, gradients and schedule.

    Raises:
      InvalidProgram: the program is not valid.
    """
    analyse(program)
    terms = _Terms()
    variables = {name: terms.node(f"input {name}") for name in ("w", "g", "lr")}
    states = [terms.node("state", i) for i in range(len(program.states))]
    variables |= dict(zip(program.states, states))
    interpret(program, variables, terms.constant, terms.apply)
    update = variables[program.outputs[0]]
    following = [variables[name] for name in program.states]  # the states' next values
    labels = [b""] * len(states)
    for _ in range(ROUNDS):
        digests = _digests(terms, {update, *following}, labels)
        labels = [digests[term] for term in following]
    return _digests(terms, {update}, labels)[update]


def _digests(terms: _Terms, roots: set[Term], labels: list[bytes]) -> dict[Term, bytes]:
    """A digest of every term below `roots`, given a label for each state."""
    wanted: set[Term] = set()
    stack = list(roots)
    while stack:
        term = stack.pop()
        if term not in wanted:
            wanted.add(term)
            if terms.nodes[term][0] != "state":
                stack += terms.nodes[term][1:]
    digests: dict[Term, bytes] = {}
    for term in sorted(wanted):  # arguments have lower numbers
        label, *arguments = terms.nodes[term]
        if label == "state":  # marked, since it is its value of one step ago
            parts = [labels[arguments[0]]]
        else:
            parts = [digests[a] for a in arguments]
        if label in FUNCTIONS and COMMUTATIVE in FUNCTIONS[label].properties:
            parts.sort()
        data = label if isinstance(label, bytes) else label.encode() + b"("
        digests[term] = blake2b(data + b"".join(parts), digest_size=16).digest()
    return digests
