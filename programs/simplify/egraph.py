"""Equality saturation: every program that the rules reach from a program, at once, in egglog.

The rules are loaded into one e-graph per process; each use pushes, works and pops. Rounds are run
one at a time, so that a limit on time or size ends the work between two of them.

egglog's own extractor minimises the cost of a tree, in which a shared value is paid for at each
use. A program computes a value once however often it is read, so extraction here is over DAGs: of

    update = (sign(u) + w * 0.5) * (lr * c)        4 statements besides u
    update = sign(u) * (lr * c) + w * (lr * (c * 0.5))

the tree cost cannot see that lr * c may be there already for another output. See extract.py.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from typing import Any

from programs.kinds import Kind
from programs.simplify.patterns import analyses, declarations, number, rule_text
from programs.simplify.rules import RULES, Claim, Stage
from programs.simplify.terms import Node, Terms, is_call

MAX_SIZE = 2_500  # an e-graph is not grown further from here; see `_size`
_NUMBER = {rule.name: i for i, rule in enumerate(RULES)}


@dataclass
class Classes:
    """The e-graph read back, with classes of equal values numbered 0 to C-1.

    nodes: for each class its nodes, whose arguments are classes [C].
    kinds: the kind of each class [C].
    roots: the classes of the terms' outputs.
    fired: names of the rules that matched.
    complete: whether the rules had nothing left to add.
    """

    nodes: list[list[Node]] = field(default_factory=list)
    kinds: list[Kind] = field(default_factory=list)
    roots: list[int] = field(default_factory=list)
    fired: set[str] = field(default_factory=set)
    complete: bool = False


def saturate(
    terms: Terms,
    claims: Collection[Claim],
    explore: int,
    deadline: float,
    names: Collection[str] | None = None,
    also: Terms | None = None,
    known: Iterable[Fraction] = (),
) -> Classes:
    """Grows the e-graph of `terms` by the rules.

    Args:
      claims: which rules may be used.
      explore: rounds of exploring rules; shrinking rules run before and between them.
      deadline: time.monotonic() after which no round is begun.
      names: only these rules, if given.
      also: more terms put into the same e-graph; their outputs come after those of `terms`.
      known: constants that the program was given with.
    """
    with _scratch() as egraph:
        sets = _rulesets(egraph, claims, names)
        _commands(egraph, "".join(f"(known {number(c)})" for c in known if c))
        variables = _enter(egraph, terms, "t")
        if also is not None:
            variables += _enter(egraph, also, "u")
        fired: set[str] = set()
        complete = False
        for stages, rounds in (((Stage.SHRINK,), 12), ((Stage.EXPLORE, Stage.SHRINK), explore)):
            for _ in range(rounds):
                report = _run(egraph, " ".join(f"(run {sets[s]}) {_ANALYSE}" for s in stages))
                fired |= {n for n, count in report.num_matches_per_rule.items() if count}
                complete = not report.updated
                if complete or time.monotonic() > deadline or _size(egraph) > MAX_SIZE:
                    break
        classes = _read(egraph, variables)
        classes.fired = fired & _NUMBER.keys()
        classes.complete = complete
        return classes


def _commands(egraph: Any, text: str) -> list[Any]:
    return egraph.run_program(*egraph.parse_program(text))


def _run(egraph: Any, schedule: str) -> Any:
    (output,) = _commands(egraph, f"(run-schedule (seq {_ANALYSE} {schedule}))")
    return output.report


_ANALYSE = "(saturate (run analysis))"


def _size(egraph: Any) -> int:
    """Nodes; constants count tenfold, since rules that make new ones from old make the most."""
    functions = egraph.freeze().functions
    nodes = sum(len(f.rows) for name, f in functions.items() if name[:2] == "f-")
    return nodes + 10 * len(functions["Num"].rows)


@cache
def _loaded() -> Any:
    """An e-graph with the rules, each in a ruleset of its own, and nothing else.

    egglog is imported here, since it takes 0.2 s; reading the rules takes about 1 s.
    """
    from egglog.bindings import EGraph

    egraph = EGraph()
    lines = [*declarations(), *analyses()]
    for i, rule in enumerate(RULES):
        lines += [f"(ruleset rule{i})", rule_text(rule, f"rule{i}")]
    _commands(egraph, "\n".join(lines))
    return egraph


@contextmanager
def _scratch() -> Iterator[Any]:
    egraph = _loaded()
    _commands(egraph, "(push)")
    try:
        yield egraph
    finally:
        _commands(egraph, "(pop)")


def _rulesets(
    egraph: Any, claims: Collection[Claim], names: Collection[str] | None
) -> dict[Stage, str]:
    """The names of the combined rulesets of the wanted rules, one for each stage."""
    lines = ["(ruleset nothing)"]
    for stage in Stage:
        wanted = [
            f"rule{_NUMBER[rule.name]}"
            for rule in RULES
            if rule.stage is stage
            and rule.claim in claims
            and (names is None or rule.name in names)
        ]
        lines.append(f"(unstable-combined-ruleset {stage.value} nothing {' '.join(wanted)})")
    _commands(egraph, "\n".join(lines))
    return {stage: stage.value for stage in Stage}


def _enter(egraph: Any, terms: Terms, prefix: str) -> list[str]:
    """Adds terms; returns the names of their outputs."""
    lines = []
    for i, node in enumerate(terms.nodes):
        if node[0] == "input":
            text = f'(In "{node[1]}")'
        elif node[0] == "constant":
            text = f"(Num {number(node[1])})"
        else:
            text = f"(f-{node[0]} {' '.join(f'${prefix}{j}' for j in node[1:])})"
        lines.append(f"(let ${prefix}{i} {text})")
    _commands(egraph, "\n".join(lines))
    return [f"${prefix}{i}" for i in terms.outputs]


def _read(egraph: Any, outputs: list[str]) -> Classes:
    functions = egraph.freeze().functions
    numbers: dict[Any, int] = {}
    result = Classes()

    def number_of(value: Any) -> int:
        found = numbers.get(value)
        if found is None:
            found = numbers[value] = len(numbers)
            result.nodes.append([])
            result.kinds.append(Kind.SCALAR)
        return found

    constants: dict[int, Fraction] = {}
    for name, function in functions.items():
        for row in function.rows:
            if name == "Num":
                # Two nearly equal constants may have been equated: the simpler one is meant.
                value, i = egraph.value_to_bigrat(row.inputs[0]), number_of(row.output)
                known = constants.get(i)
                if known is None or value.denominator < known.denominator:
                    constants[i] = value
            elif name == "In":
                name_of = egraph.value_to_string(row.inputs[0])
                result.nodes[number_of(row.output)].append(("input", name_of))
            elif name[:2] == "f-":
                node = (name[2:], *map(number_of, row.inputs))
                result.nodes[number_of(row.output)].append(node)
            elif name == "kind":
                result.kinds[number_of(row.inputs[0])] = Kind(egraph.value_to_i64(row.output))
    for i, value in constants.items():
        result.nodes[i] = [("constant", value)]
    for i, nodes in enumerate(result.nodes):
        leaves = [node for node in nodes if not is_call(node)]
        result.nodes[i] = leaves[:1] or nodes
    result.roots = [number_of(functions[name].rows[0].output) for name in outputs]
    return result
