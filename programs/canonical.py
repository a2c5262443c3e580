"""The canonical hash: the functional hash after sound normal forms.

Programs that differ only in what floating-point arithmetic cannot see get one hash: commuted
arguments, folded constants, constants that are the same float32, identities that hold bit for bit
(x * 1, --x, |x|^2, x - y = x + -y, ...), and dead, renamed, permuted, duplicate or zero states.

What equal hashes promise: the same updates in every step, whatever the finite weights, gradients
and schedule, all numbers bit for bit,

- in the numpy executor and in the interpreter, which search with it;
- in the compiled engine and in exports up to the order of sums over a tree and the last bit of
  `interp`, which there depend on what else the program computes (see isolation.py);
- but for what normal_forms.py says of signs of zeros, and of numbers below 2^-126.

A program is first read into a graph of terms in normal form, each term once. Its states make that
graph an automaton: all start at zero, so two states are equal for ever when their next values are
the same up to states that are equal themselves. Terms are therefore labelled by partition
refinement (Moore's algorithm): in round 0 all states look alike; in round k a state is labelled by
its next value as of round k - 1. Two programs of at most MAX_STATES states each are distinguished
within 2 * MAX_STATES rounds or never.

A state is zero for ever if its next value is zero when it is, and so are the states that this one
needs. The greatest such set is found first, and its states are read as zeros.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

from programs.abstract import Analysis, analyse, reaching
from programs.execute import interpret
from programs.function import COMMUTATIVE
from programs.functions import FUNCTIONS, derived, with_property
from programs.normal_forms import (
    ZERO_TENSOR,
    NormalForms,
    NormalFormsWithZeros,
    has_zeros,
    signs_of_zeros_matter,
    states_that_may_be_zero,
)
from programs.program import MAX_STATES, Program
from programs.terms import Node, reachable

_COMMUTATIVE: frozenset[str]
_START: dict[str, bytes]
ROUNDS = 2 * MAX_STATES


@derived
def _derive() -> None:
    global _COMMUTATIVE, _START
    _COMMUTATIVE = with_property(COMMUTATIVE)
    _START = {name: name.encode() + b"(" for name in FUNCTIONS}


def canonical_hash(program: Program, analysis: Analysis | None = None) -> bytes:
    """16 bytes, stable across processes and machines; equal ones mean equal outputs; see above.

    Args:
      analysis: the program's, to save time.

    Raises:
      InvalidProgram: the program is not valid.
    """
    analysis = analysis or analyse(program)
    states, statements = reaching(analysis)
    live = [program.statements[i] for i in statements]
    names = [program.states[i] for i in states]
    zeros = states_that_may_be_zero(live, {name: name for name in names})
    signed, written = signs_of_zeros_matter(live), has_zeros(live)
    while True:  # until all that are taken for zero in a step are zero after it
        terms = NormalFormsWithZeros(signed) if zeros or written else NormalForms(signed)
        before = {name: terms.input(name) for name in program.inputs}
        before.update((name, terms.node(ZERO_TENSOR)) for name in zeros)
        after = interpret(live, dict(before), constant=terms.constant, apply=terms.apply)
        others = {name for name in zeros if after[name] != before[name]}
        if not others:
            break
        zeros -= others
    moving = [name for name in names if name not in zeros]
    olds, news = ([values[name] for name in moving] for values in (before, after))
    return _digest(terms.nodes, after[program.outputs[0]], olds=olds, news=news)


def _digest(
    nodes: Sequence[Node], update: int, *, olds: Sequence[int], news: Sequence[int]
) -> bytes:
    """The digest of the update after ROUNDS rounds of labelling the states.

    Args:
      olds, news: for each state the term that is its value, and that of its next value.
    """
    digests = [b""] * len(nodes)
    changing = set(olds)  # what depends on a state; the rest is digested once
    constant: list[_Recipe] = []
    inner: list[_Recipe] = []  # needed for the labels
    outer: list[_Recipe] = []
    below = set(reachable(nodes, news))
    for term in reachable(nodes, [update, *news]):
        if term in changing:  # a state
            continue
        recipe = _recipe(nodes, term)
        if changing.isdisjoint(recipe[2]):
            constant.append(recipe)
            continue
        changing.add(term)
        (inner if term in below else outer).append(recipe)
    _digest_terms(constant, digests)
    labels = [b""] * len(olds)
    for _ in range(ROUNDS if olds else 0):
        _label(olds, labels, digests)
        _digest_terms(inner, digests)
        labels = [digests[i] for i in news]
    _label(olds, labels, digests)
    _digest_terms(sorted(inner + outer), digests)
    return digests[update]


# What is digested of a term: its number, what comes before the digests of its arguments, the
# arguments, and whether these commute.
_Recipe = tuple[int, bytes, tuple[int, ...], bool]


def _recipe(nodes: Sequence[Node], term: int) -> _Recipe:
    label, *rest = nodes[term]
    if label == "input":
        return term, b"input(" + rest[0].encode(), (), False
    if label == "constant":  # a kind is there for a tree of zeros only
        return term, b"constant(" + rest[0] + bytes(rest[1:]), (), False
    return term, _START[label], tuple(rest), label in _COMMUTATIVE


def _label(states: Sequence[int], labels: Sequence[bytes], digests: list[bytes]) -> None:
    """Digests the states; they are marked as such, since a label is their value of one step ago."""
    for state, label in zip(states, labels):
        digests[state] = blake2b(b"state(" + label, digest_size=16).digest()


def _digest_terms(recipes: Sequence[_Recipe], digests: list[bytes]) -> None:
    """Digests terms whose arguments are digested or come before them. Written out for speed."""
    for term, start, arguments, commute in recipes:
        if len(arguments) == 2:
            one, other = digests[arguments[0]], digests[arguments[1]]
            data = start + other + one if commute and other < one else start + one + other
        else:
            data = start
            for i in arguments:
                data += digests[i]
        digests[term] = blake2b(data, digest_size=16).digest()
