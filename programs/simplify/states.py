"""States: which are redundant, and which are better kept in another form.

Two kinds of proposals, each a rewriting of the whole program:

    drop     a state that is always 0, or always a function of another state. Guessed from numbers,
             then proved by induction in the e-graph: both start at 0, and if the relation holds
             before a step, the rules show that it holds after it.
    replace  a state s by r with s = f(r), f(0) = 0: the program keeps r and computes f where it
             reads s. True for any f; worth it if the program becomes shorter.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from programs.functions import FUNCTIONS
from programs.program import Program
from programs.simplify.check import steps_of
from programs.simplify.egraph import saturate
from programs.simplify.naming import to_program
from programs.simplify.rules import Claim
from programs.simplify.terms import Builder, Terms, copy_into, is_call, reachable

# s = f(r) is looked for among these; all give 0 at 0.
_RELATIONS = ("negative", "square", "cube", "abs", "sqrt")
_MATCH = 1e-9  # relative; a guess is proved afterwards


@dataclass(frozen=True, slots=True)
class Proposal:
    """A program that keeps the outputs, with other states.

    rule: what was done, in words.
    changed: names of the states whose values are no longer the same.
    claim: in what sense the outputs are kept.
    """

    rule: str
    terms: Terms
    changed: frozenset[str]
    claim: Claim = Claim.EXACT


def redundant_states(terms: Terms, deadline: float) -> Iterator[Proposal]:
    """States to drop, each proved."""
    program = to_program(terms)
    values = _trajectories(program)
    constants = {node[1] for node in terms.nodes if node[0] == "constant" and node[1]}
    constants |= {1 / constant for constant in constants}
    for name in reversed(terms.states):  # the later one goes, say v of m and v
        if not values[name].any():
            yield from _dropped(terms, name, None, "zero", Fraction(0), deadline)
        for other in terms.states:
            if other != name and values[other].any() and values[name].any():
                for function, factor in _guesses(values[other], values[name], constants):
                    yield from _dropped(terms, name, other, function, factor, deadline)


def _trajectories(program: Program) -> dict[str, np.ndarray]:
    rows = list(steps_of(program))
    return {name: np.array([row[name] for row in rows]) for name in program.states}


def _guesses(
    source: np.ndarray, target: np.ndarray, constants: set[Fraction]
) -> Iterator[tuple[str, Fraction]]:
    """Functions that give the target from the source wherever both were seen.

    Args:
      constants: numbers that a factor may be exactly.
    """
    if not (np.isfinite(source).all() and np.isfinite(target).all()):
        return
    with np.errstate(all="ignore"):
        if np.array_equal(source, target):
            yield "same", Fraction(1)
            return
        factor = float(np.median(target[source != 0] / source[source != 0]))
        if np.isfinite(factor) and factor and np.allclose(target, factor * source, _MATCH, 0):
            near = {c for c in constants if abs(float(c) / factor - 1) < _MATCH}
            for number in sorted({_round(factor), 1 / _round(1 / factor), *near}):
                yield "multiple", number
            return
        for name in _RELATIONS:
            guess = FUNCTIONS[name].meaning(np, source)
            if np.allclose(target, guess, _MATCH, 0):
                yield name, Fraction(1)


def _round(number: float) -> Fraction:
    return Fraction(f"{number:.9g}")


def _dropped(
    terms: Terms,
    name: str,
    other: str | None,
    function: str,
    factor: Fraction,
    deadline: float,
) -> Iterator[Proposal]:
    """The program without the state `name`, if it is proved to be that function of `other`."""
    builder = Builder()

    def of(node: int) -> int:
        if function == "zero":
            return builder.apply("multiply", [builder.input("w"), builder.constant(0)])
        if function == "multiple":
            return builder.apply("multiply", [node, builder.constant(factor)])
        return node if function == "same" else builder.apply(function, [node])

    source = builder.input(other) if other else -1
    numbers = copy_into(builder, terms, {name: of(source)})
    place = terms.states.index(name)
    outputs = [numbers[i] for i in terms.outputs]
    following = outputs.pop(1 + place)
    states = tuple(state for state in terms.states if state != name)
    expected = of(outputs[1 + states.index(other)] if other else -1)
    if following not in reachable(builder.nodes, [expected]):
        outputs = _replace_node(builder, outputs, following, expected)
    claim = builder.finish((), [following, expected])
    for claims in ((Claim.EXACT,), (Claim.EXACT, Claim.UP_TO_GUARDS)):
        roots = saturate(claim, claims, 3, deadline).roots
        if roots[0] == roots[1]:
            relation = {"zero": "0", "same": str(other), "multiple": f"{other} * {float(factor):g}"}
            yield Proposal(
                f"{name} is always {relation.get(function, f'{function}({other})')}, by induction",
                builder.finish(states, outputs),
                frozenset({name}),
                claims[-1],
            )
            return
        if time.monotonic() > deadline:
            return


def _replace_node(builder: Builder, roots: list[int], old: int, new: int) -> list[int]:
    """The roots with one node replaced by another that does not need it."""
    numbers = {old: new}

    def moved(i: int) -> int:
        return numbers.get(i, i)

    for i in reachable(builder.nodes, [*roots, new]):
        node = builder.nodes[i]
        if i not in numbers and is_call(node) and any(moved(j) != j for j in node[1:]):
            numbers[i] = builder.apply(node[0], [moved(j) for j in node[1:]])
    return [moved(i) for i in roots]


def reparametrizations(terms: Terms) -> Iterator[Proposal]:
    """Programs that keep a state in another form."""
    for place, name in enumerate(terms.states):
        state = next((i for i, node in enumerate(terms.nodes) if node == ("input", name)), None)
        root = terms.nodes[terms.outputs[1 + place]]
        if state is None or not is_call(root):
            continue
        readers = [node for node in terms.nodes if is_call(node) and state in node[1:]]
        read_by = {node[0] for node in readers}
        returned = state in terms.outputs  # some output is this state as it was
        if len(read_by) == 1 and not returned and all(_zero_at_zero(node) for node in readers):
            # Every reader wants f(s): keep that.
            yield _replaced(terms, place, name, keep=next(iter(read_by)), read=None)
        if _zero_at_zero(root):
            # What is kept is f(e): keep e.
            yield _replaced(terms, place, name, keep=None, read=root[0])
        for factor in _factors(terms, state, terms.outputs[1 + place]):
            yield _scaled(terms, place, name, factor)


def _zero_at_zero(node: tuple) -> bool:
    if len(node) != 2 or FUNCTIONS[node[0]].whole_tree:
        return False
    with np.errstate(all="ignore"):
        return bool(FUNCTIONS[node[0]].meaning(np, np.float64(0.0)) == 0)


def _factors(terms: Terms, state: int, root: int) -> list[Fraction]:
    """Constants that multiply a state, its next value, or what either is computed from or for.

    Those that make a mean of a sum come first: s = a s + g, and s = a (s + g).
    """
    near = {state, root}
    for i, node in enumerate(terms.nodes):
        if is_call(node) and (i in near or state in node[1:]):
            near |= {i, *node[1:]}
    means: set[Fraction] = set()
    found: set[Fraction] = set()
    for i, node in enumerate(terms.nodes):
        if node[0] == "negative" and (i in near or node[1] in near):
            found.add(Fraction(-1))
        elif node[0] in ("multiply", "divide") and (i in near or near & set(node[1:])):
            for j in node[1:]:
                a: Fraction = terms.nodes[j][1] if terms.nodes[j][0] == "constant" else Fraction(0)
                if a not in (0, 1):
                    found |= {a, 1 / a}
                    means |= {1 / (1 - a), a / (1 - a)}
    if any(node[0] in ("subtract", "negative") for node in map(terms.nodes.__getitem__, near)):
        means |= {-mean for mean in means}
    return sorted(means) + sorted(found - means)


def _replaced(terms: Terms, place: int, name: str, keep: str | None, read: str | None) -> Proposal:
    """Keeps f(s) in place of s where all readers apply f (keep), or e where s = f(e) (read)."""
    builder = Builder()
    kept = builder.input(name)
    if read:
        numbers = copy_into(builder, terms, {name: builder.apply(read, [kept])})
        outputs = [numbers[i] for i in terms.outputs]
        outputs[1 + place] = numbers[terms.nodes[terms.outputs[1 + place]][1]]
        what = f"keep x in {name} where {name} = {read}(x)"
    else:
        assert keep
        state = terms.nodes.index(("input", name))
        numbers = []
        for node in terms.nodes:
            if node == (keep, state):
                numbers.append(kept)
            elif is_call(node):
                numbers.append(builder.apply(node[0], [numbers[i] for i in node[1:]]))
            else:
                numbers.append(builder.node(node))
        outputs = [numbers[i] for i in terms.outputs]
        outputs[1 + place] = builder.apply(keep, [outputs[1 + place]])
        what = f"keep {keep}({name}) in {name}, since nothing else is read"
    return Proposal(what, builder.finish(terms.states, outputs), frozenset({name}))


def _scaled(terms: Terms, place: int, name: str, factor: Fraction) -> Proposal:
    builder = Builder()
    scale = builder.constant(factor)
    numbers = copy_into(
        builder, terms, {name: builder.apply("multiply", [builder.input(name), scale])}
    )
    outputs = [numbers[i] for i in terms.outputs]
    inverse = builder.constant(1 / factor)
    outputs[1 + place] = builder.apply("multiply", [outputs[1 + place], inverse])
    return Proposal(
        f"keep {name} * {float(1 / factor):g} in {name}",
        builder.finish(terms.states, outputs),
        frozenset({name}),
    )
