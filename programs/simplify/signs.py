"""What is known of the sign of a value: rows that serve the e-graph and the proof for states.

    nonnegative   every number is >= 0, or not finite
    positive      every number is > 0, or not finite; apart from underflow to 0

A state starts at 0. It stays nonnegative if its next value is nonnegative whenever the states are:
the second moment v = interp(g * g, v, 0.999) is, by induction over steps.
"""

from __future__ import annotations

from collections.abc import Collection

from programs.function import NONNEGATIVE
from programs.functions import FUNCTIONS
from programs.simplify.terms import Node, Terms

ALWAYS_NONNEGATIVE = frozenset(
    name for name, row in FUNCTIONS.items() if NONNEGATIVE in row.properties
) | {"arccos", "arccosh"}

# f(x, y) >= 0 if the arguments of one of these sets of positions are >= 0.
NONNEGATIVE_IF: dict[str, tuple[tuple[int, ...], ...]] = {
    **{
        name: ((0,),)
        for name in (
            "cube", "cbrt", "sinh", "tanh", "arcsin", "arctan", "arcsinh", "arctanh", "expm1",
            "log1p", "sign", "reciprocal", "power",
        )
    },
    **{name: ((0, 1),) for name in ("add", "multiply", "divide", "minimum", "dot", "clip")},
    "maximum": ((0,), (1,)),
}  # fmt: skip

ALWAYS_POSITIVE = frozenset({"exp", "exp2", "exp10", "cosh"})

# f(x, y) > 0 if these arguments are > 0 and those are >= 0. The guard makes a divisor positive;
# 1 / 0 and 0 to a negative power are not finite.
POSITIVE_IF: dict[str, tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]] = {
    **{
        name: (((0,), ()),)
        for name in (
            "abs", "square", "cube", "sqrt", "cbrt", "sinh", "tanh", "arcsin", "arctan", "arcsinh",
            "arctanh", "expm1", "log1p", "sign", "power",
        )
    },
    "reciprocal": (((), (0,)),),
    "multiply": (((0, 1), ()),),
    "divide": (((0,), (1,)),),
    "minimum": (((0, 1), ()),),
    "maximum": (((0,), ()), ((1,), ())),
    "add": (((0,), (1,)), ((1,), (0,))),
}  # fmt: skip


def nonnegative_states(terms: Terms) -> frozenset[str]:
    """The states that never become negative."""
    states = set(terms.states)
    while True:
        known = _nonnegative(terms, states)
        wrong = {s for s, i in zip(terms.states, terms.outputs[1:]) if s in states and not known[i]}
        if not wrong:
            return frozenset(states)
        states -= wrong


def _nonnegative(terms: Terms, states: Collection[str]) -> list[bool]:
    """For each term whether it is nonnegative, given that some states are."""
    known: list[bool] = []
    for node in terms.nodes:
        if node[0] == "constant":
            known.append(node[1] >= 0)
        elif node[0] == "input":
            known.append(node[1] in states)
        else:
            known.append(_call_is_nonnegative(terms, node, known))
    return known


def _call_is_nonnegative(terms: Terms, node: Node, known: list[bool]) -> bool:
    function, *arguments = node
    if function in ALWAYS_NONNEGATIVE or (function == "multiply" and node[1] == node[2]):
        return True
    if function == "interp":  # between the two for a weight from 0 to 1
        weight = terms.nodes[node[3]]
        between = weight[0] == "constant" and 0 <= weight[1] <= 1
        return between and known[node[1]] and known[node[2]]
    return any(
        all(known[arguments[i]] for i in positions)
        for positions in NONNEGATIVE_IF.get(function, ())
    )
