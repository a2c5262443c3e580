"""States kept in another form: each proposal rewrites the whole program, for any state s.

    f(s)        where all readers of s apply f, or r where s = f(r); f(0) = 0
    s * c       alone, or several states at once, each with a constant of its own
    s + c * t   with another state t

All states start at 0, and so do these forms: each program is equal to the first, whatever f, c and
t. It is worth it if the program becomes shorter.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from fractions import Fraction
from functools import lru_cache

import numpy as np

from programs.functions import FUNCTIONS
from programs.simplify.states import Proposal
from programs.simplify.terms import Builder, Node, Terms, copy_into, is_call
from programs.terms import LARGEST, RATIONAL, SMALLEST

# f(c * x) = c**degree * f(x), up to sign.
_DEGREES = {
    "negative": 1.0,
    "abs": 1.0,
    "square": 2.0,
    "cube": 3.0,
    "sqrt": 1 / 2,
    "cbrt": 1 / 3,
    "norm": 1.0,
    "global_norm": 1.0,
}
_LINEAR = ("add", "subtract", "interp", "maximum", "minimum")


def reparametrizations(terms: Terms) -> Iterator[Proposal]:
    """Programs that keep a state in another form."""
    for index, name in enumerate(terms.states):
        if ("input", name) in terms.nodes:
            yield from _functions(terms, index, name)
            for factor in _factors(terms, index, name):
                yield _scaled(terms, {name: factor})
    for factors in _joint_factors(terms):
        yield _scaled(terms, factors)
    for name in terms.states:
        for other in terms.states:
            if other != name:
                for weight in _weights(terms, name, other):
                    yield _mixed(terms, name, other=other, weight=weight)


def _functions(terms: Terms, index: int, name: str) -> Iterator[Proposal]:
    state = terms.nodes.index(("input", name))
    root = terms.nodes[terms.outputs[1 + index]]
    readers = {(node[0], *map(terms.nodes.__getitem__, node[2:])): node
               for node in terms.nodes if is_call(node) and state in node[1:]}  # fmt: skip
    returned = state in terms.outputs  # some output is this state as it was
    if len(readers) == 1 and not returned:
        [reader] = readers.values()
        if reader[1] == state and _zero_at_zero(terms, reader):
            yield _kept(terms, index, name=name, reader=reader)
    if is_call(root) and _zero_at_zero(terms, root):
        yield _read(terms, index, name=name, root=root)


def _zero_at_zero(terms: Terms, node: Node) -> bool:
    """Whether a call gives 0 for a first argument of 0, whatever else it reads; constants only."""
    function, _, *rest = node
    if FUNCTIONS[function].whole_tree or any(terms.nodes[i][0] != "constant" for i in rest):
        return False
    arguments = [np.float64(0), *(np.float64(float(terms.nodes[i][1])) for i in rest)]
    with np.errstate(all="ignore"):
        return bool(FUNCTIONS[function].meaning(np, *arguments) == 0)


def _kept(terms: Terms, index: int, *, name: str, reader: Node) -> Proposal:
    """Keeps f(s) in place of s where all readers apply f."""
    builder = Builder()
    numbers: list[int] = []

    def applied(i: int) -> int:
        return builder.apply(reader[0], [i, *(numbers[j] for j in reader[2:])])

    for node in terms.nodes:
        if node == reader:
            numbers.append(builder.input(name))
        elif is_call(node):
            numbers.append(builder.apply(node[0], [numbers[i] for i in node[1:]]))
        else:
            numbers.append(builder.node(node))
    outputs = [numbers[i] for i in terms.outputs]
    outputs[1 + index] = applied(outputs[1 + index])
    text = f"keep {_text(terms, reader, name)} in {name}, since nothing else is read"
    return Proposal(text, builder.finish(terms.states, outputs), frozenset({name}))


def _read(terms: Terms, index: int, *, name: str, root: Node) -> Proposal:
    """Keeps x in place of s = f(x)."""
    builder = Builder()
    constants = [builder.node(terms.nodes[i]) for i in root[2:]]
    value = builder.apply(root[0], [builder.input(name), *constants])
    numbers = copy_into(builder, terms, {name: value})
    outputs = [numbers[i] for i in terms.outputs]
    outputs[1 + index] = numbers[root[1]]
    text = f"keep x in {name} where {name} = {_text(terms, root, 'x')}"
    return Proposal(text, builder.finish(terms.states, outputs), frozenset({name}))


def _text(terms: Terms, node: Node, argument: str) -> str:
    rest = [f"{float(terms.nodes[i][1]):g}" for i in node[2:]]
    return f"{node[0]}({', '.join([argument, *rest])})"


def _factors(terms: Terms, index: int, name: str) -> list[Fraction]:
    """Constants that multiply a state, its next value, or what either is computed from or for.

    Those that make a mean of a sum come first: s = a s + g, and s = a (s + g).
    """
    state, root = terms.nodes.index(("input", name)), terms.outputs[1 + index]
    near = {state, root}
    for i, node in enumerate(terms.nodes):
        if is_call(node) and (i in near or state in node[1:]):
            near |= {i, *node[1:]}
    means: set[Fraction] = set()
    others = {factor for i in near for factor in _sources(terms)[i]}
    for i, node in enumerate(terms.nodes):
        if node[0] == "negative" and (i in near or node[1] in near):
            others.add(Fraction(-1))
        elif node[0] in ("multiply", "divide") and (i in near or near & set(node[1:])):
            for a in _constants(terms, node):
                others |= {a, 1 / a}
                if a != 1:
                    means |= {1 / (1 - a), a / (1 - a)}
    others |= set(_read_factors(terms, state))
    if any(node[0] in ("subtract", "negative") for node in map(terms.nodes.__getitem__, near)):
        means |= {-mean for mean in means}
    return sorted(_usable(means)) + sorted(_usable(others - means))


def _constants(terms: Terms, node: Node) -> list[Fraction]:
    numbers = [terms.nodes[i][1] for i in node[1:] if terms.nodes[i][0] == "constant"]
    return [number for number in numbers if number != 0]


def _usable(factors: Iterable[Fraction]) -> list[Fraction]:
    return [f for f in factors if f != 1 and SMALLEST <= abs(f) <= LARGEST]


@lru_cache(maxsize=8)
def _sources(terms: Terms) -> tuple[frozenset[Fraction], ...]:
    """[nodes] The constants by which the parts of a sum or mean are multiplied, their powers
    taken."""
    sources: list[frozenset[Fraction]] = []
    for node, factor in zip(terms.nodes, _all_factors(terms), strict=True):
        if node[0] in _LINEAR:
            sources.append(sources[node[1]] | sources[node[2]])
        else:
            sources.append(frozenset() if factor == 1 else frozenset({factor}))
    return tuple(sources)


def _all_factors(terms: Terms) -> list[Fraction]:
    """[nodes] c where a term is c * (...), whatever is multiplied inside of squares and roots."""
    factors: list[Fraction] = []
    for node in terms.nodes:
        factor = Fraction(1)
        if node[0] in _DEGREES:
            inner = factors[node[1]]
            factor = -inner if node[0] == "negative" else _power(inner, _DEGREES[node[0]])
        elif node[0] in ("multiply", "divide"):
            for position, j in enumerate(node[1:]):
                inner = terms.nodes[j][1] if terms.nodes[j][0] == "constant" else factors[j]
                if inner != 0:
                    factor *= 1 / inner if node[0] == "divide" and position else inner
        factors.append(factor)
    return factors


def _power(number: Fraction, degree: float) -> Fraction:
    """|number|**degree, with the sign for odd degrees."""
    if number == 1 or not SMALLEST <= abs(number) <= LARGEST:
        return Fraction(1)
    value = math.exp(math.log(abs(number)) * degree)
    odd = degree == round(degree) and round(degree) % 2 == 1
    return RATIONAL.read(math.copysign(value, float(number)) if odd else value)


def _read_factors(terms: Terms, state: int) -> Iterator[Fraction]:
    """Constants behind powers of a state: c * sqrt(s) is sqrt(s) of another multiple of s."""
    degrees = {state: 1.0}
    for i, node in enumerate(terms.nodes):
        if is_call(node) and node[1] in degrees and node[0] in _DEGREES:
            degrees[i] = degrees[node[1]] * _DEGREES[node[0]]
        if node[0] in ("multiply", "divide"):
            for j in degrees.keys() & set(node[1:]):
                for a in _constants(terms, node):
                    factor = _power(abs(a), 1 / degrees[j])
                    yield from (factor, 1 / factor)


def _joint_factors(terms: Terms) -> Iterator[dict[str, Fraction]]:
    """One constant for each of several states, where h = c * g feeds both, say, m and v."""
    choices: dict[str, list[Fraction]] = {}
    for name, i in zip(terms.states, terms.outputs[1:]):
        if ("input", name) in terms.nodes:
            choices[name] = sorted(_usable(_sources(terms)[i]))
    for which in (0, -1):
        factors = {name: factors[which] for name, factors in choices.items() if factors}
        if len(factors) > 1:
            yield factors


def _scaled(terms: Terms, factors: dict[str, Fraction]) -> Proposal:
    builder = Builder()
    values = {
        name: builder.apply("multiply", [builder.input(name), builder.constant(factor)])
        for name, factor in factors.items()
    }
    numbers = copy_into(builder, terms, values)
    outputs = [numbers[i] for i in terms.outputs]
    for name, factor in factors.items():
        index = 1 + terms.states.index(name)
        inverse = builder.constant(1 / factor)
        outputs[index] = builder.apply("multiply", [outputs[index], inverse])
    text = ", ".join(
        f"{name} * {float(1 / factor):g} in {name}" for name, factor in factors.items()
    )
    return Proposal(f"keep {text}", builder.finish(terms.states, outputs), frozenset(factors))


def _weights(terms: Terms, name: str, other: str) -> list[Fraction]:
    """By how much another state may be added to a state: what multiplies either nearby."""
    weights = {Fraction(1), Fraction(-1)}
    pair = {i for i, node in enumerate(terms.nodes) if node in (("input", name), ("input", other))}
    for node in terms.nodes:
        if node[0] in ("multiply", "divide") and pair & set(node[1:]):
            for a in _constants(terms, node):
                weights |= {a, -a, 1 / a, -1 / a}
    return sorted(_usable(weights - {Fraction(1)})) + [Fraction(1)]


def _mixed(terms: Terms, name: str, *, other: str, weight: Fraction) -> Proposal:
    """Keeps s - weight * t in s."""
    builder = Builder()

    def part(i: int, weight: Fraction) -> int:
        return builder.apply("multiply", [i, builder.constant(weight)])

    value = builder.apply("add", [builder.input(name), part(builder.input(other), weight)])
    numbers = copy_into(builder, terms, {name: value})
    outputs = [numbers[i] for i in terms.outputs]
    index, other_index = 1 + terms.states.index(name), 1 + terms.states.index(other)
    less = part(outputs[other_index], -weight)
    outputs[index] = builder.apply("add", [outputs[index], less])
    text = f"keep {name} + {other} * {float(-weight):g} in {name}"
    return Proposal(text, builder.finish(terms.states, outputs), frozenset({name}))
