"""States that say nothing new: always 0, or always the same function of other states.

Such a relation is guessed from the numbers of a run, then proved by induction in the e-graph: all
states start at 0, and if the relation holds before a step, the rules show that it holds after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from programs.functions import FUNCTIONS
from programs.program import Program
from programs.simplify.check import steps_of
from programs.simplify.egraph import Rewrites, saturate
from programs.simplify.naming import to_program
from programs.simplify.rules import Claim
from programs.simplify.terms import Builder, Terms, copy_into, is_call, reachable
from programs.simplify.work import Work

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


@dataclass(frozen=True, slots=True)
class _Relation:
    """state = value(others), where value builds the term from those of the other states."""

    text: str
    others: tuple[str, ...]
    value: Callable[[Builder, Sequence[int]], int]


def redundant_states(terms: Terms, work: Work) -> Iterator[Proposal]:
    """States to drop, each proved."""
    values = _trajectories(to_program(terms))
    constants = {node[1] for node in terms.nodes if node[0] == "constant" and node[1]}
    constants |= {1 / constant for constant in constants}
    for name in reversed(terms.states):  # the later one goes, say v of m and v
        for relation in _relations(name, terms.states, values=values, constants=constants):
            if work.exhausted:
                return
            yield from _proved(terms, name, relation=relation, work=work)


def _trajectories(program: Program) -> dict[str, np.ndarray]:
    rows = list(steps_of(program))
    return {name: np.array([row[name] for row in rows]) for name in program.states}


def _relations(
    name: str, states: Sequence[str], *, values: dict[str, np.ndarray], constants: set[Fraction]
) -> Iterator[_Relation]:
    """What the numbers suggest. constants: numbers that a factor may be exactly."""
    target = values[name]
    if not np.isfinite(target).all():
        return
    if not target.any():
        yield _Relation("0", (), lambda b, _: b.apply("multiply", [b.input("w"), b.constant(0)]))
        return
    others = [s for s in states if s != name and np.isfinite(values[s]).all() and values[s].any()]
    for other in others:
        yield from _of_one(other, values[other], target=target, constants=constants)
    if len(others) > 1:
        yield from _of_many(others, values, target)


def _of_one(
    other: str, source: np.ndarray, *, target: np.ndarray, constants: set[Fraction]
) -> Iterator[_Relation]:
    with np.errstate(all="ignore"):
        if np.array_equal(source, target):
            yield _Relation(other, (other,), lambda _, nodes: nodes[0])
            return
        factor = float(np.median(target[source != 0] / source[source != 0]))
        if np.isfinite(factor) and factor and np.allclose(target, factor * source, _MATCH, 0):
            near = {c for c in constants if abs(float(c) / factor - 1) < _MATCH}
            for number in sorted({_round(factor), 1 / _round(1 / factor), *near}):
                yield _linear((other,), (number,))
            return
        for name in _RELATIONS:
            if np.allclose(target, FUNCTIONS[name].meaning(np, source), _MATCH, 0):
                yield _Relation(
                    f"{name}({other})",
                    (other,),
                    lambda builder, nodes, name=name: builder.apply(name, nodes),  # type: ignore[misc]
                )


def _of_many(
    others: Sequence[str], values: dict[str, np.ndarray], target: np.ndarray
) -> Iterator[_Relation]:
    """A weighted sum of several states."""
    columns = np.stack([values[other].ravel() for other in others], axis=1)
    weights = np.linalg.lstsq(columns, target.ravel(), rcond=None)[0]
    if np.allclose(columns @ weights, target.ravel(), 1e-6, 1e-9 * np.abs(target).max()):
        pairs = [(s, _round(w, 6)) for s, w in zip(others, weights) if abs(w) > 1e-6]
        if len(pairs) > 1:
            yield _linear(*zip(*pairs))


def _linear(others: tuple[str, ...], weights: tuple[Fraction, ...]) -> _Relation:
    def value(builder: Builder, nodes: Sequence[int]) -> int:
        parts = [
            builder.apply("multiply", [node, builder.constant(weight)])
            for node, weight in zip(nodes, weights)
        ]
        total = parts[0]
        for part in parts[1:]:
            total = builder.apply("add", [total, part])
        return total

    text = " + ".join(f"{other} * {float(weight):g}" for other, weight in zip(others, weights))
    return _Relation(text, others, value)


def _round(number: float, digits: int = 9) -> Fraction:
    return Fraction(f"{number:.{digits}g}")


def _proved(terms: Terms, name: str, *, relation: _Relation, work: Work) -> Iterator[Proposal]:
    """The program without the state `name`, if the relation is proved."""
    builder = Builder()
    sources = [builder.input(other) for other in relation.others]
    numbers = copy_into(builder, terms, {name: relation.value(builder, sources)})
    outputs = [numbers[i] for i in terms.outputs]
    following = outputs.pop(1 + terms.states.index(name))
    states = tuple(state for state in terms.states if state != name)
    nexts = [outputs[1 + states.index(other)] for other in relation.others]
    expected = relation.value(builder, nexts)
    if following not in reachable(builder.nodes, [expected]):
        outputs = _replace_node(builder, outputs, old=following, new=expected)
    claim = builder.finish((), [following, expected])
    for claims in ((Claim.EXACT,), (Claim.EXACT, Claim.UP_TO_GUARDS)):
        [(one, other)] = saturate([claim], Rewrites(claims, 3), work).roots
        if one == other:
            yield Proposal(
                f"{name} is always {relation.text}, by induction",
                builder.finish(states, outputs),
                frozenset({name}),
                claims[-1],
            )
            return
        if work.exhausted:
            return


def _replace_node(builder: Builder, roots: list[int], *, old: int, new: int) -> list[int]:
    """The roots with one node replaced by another that does not need it."""
    numbers = {old: new}

    def moved(i: int) -> int:
        return numbers.get(i, i)

    for i in reachable(builder.nodes, [*roots, new]):
        node = builder.nodes[i]
        if i not in numbers and is_call(node) and any(moved(j) != j for j in node[1:]):
            numbers[i] = builder.apply(node[0], [moved(j) for j in node[1:]])
    return [moved(i) for i in roots]
