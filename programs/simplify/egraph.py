"""Equality saturation: every program that the rules reach from a program, at once, in egglog.

The rules are loaded into one e-graph per process; each use pushes, works and pops. Rounds are run
one at a time, so that a limit on size or work ends the growth between two of them.

The shortest program is chosen in extract.py. egglog has a greedy extractor over DAGs of its own
(`greedy_dag_cost_model`), which is a good start and no more: it weighs each output alone, so of

    update = (sign(u) + w * 0.5) * (lr * c)        4 statements besides u
    update = sign(u) * (lr * c) + w * (lr * (c * 0.5))

it cannot see that lr * c may be there already for another output, nor that a state which the other
form does not read needs no statements at all.
"""

from __future__ import annotations

import enum
import math
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial
from typing import Any

from programs.functions import version
from programs.kinds import Kind
from programs.program import ProgramError
from programs.simplify.analyses import analyses, declarations
from programs.simplify.egglog_text import number, rule_text
from programs.simplify.rules import RULES, Claim, Phase
from programs.simplify.signs import nonnegative_states
from programs.simplify.terms import Node, Terms, is_call
from programs.simplify.work import E_GRAPH, ROUND, Work
from programs.terms import RATIONAL

MAX_SIZE = 2_500  # for each program an e-graph grows no further than this; see `_size`
SHRINKING = 12  # rounds of shrinking rules before the exploring ones, at most
_NUMBER = {rule.name: i for i, rule in enumerate(RULES)}


class Stop(enum.Enum):
    """Why an e-graph was not grown further."""

    COMPLETE = "the rules had nothing left to add"
    ROUNDS = "the limit on rounds of rewriting was reached"
    SIZE = f"the e-graph reached its size of {MAX_SIZE:,}"
    WORK = "the limit on work was reached"
    CONFLICT = "rules began to contradict each other, as where a divisor is 0"


@dataclass
class Classes:
    """The e-graph read back, with classes of equal values numbered 0 to C-1.

    nodes: for each class its nodes, whose arguments are classes [C].
    kinds: the kind of each class [C].
    roots: for each of the terms that were put in, the classes of its outputs.
    fired: names of the rules that matched.
    rounds: how many rounds were run.
    stop: why there was no further one.
    """

    nodes: list[list[Node]] = field(default_factory=list)
    kinds: list[Kind] = field(default_factory=list)
    roots: list[list[int]] = field(default_factory=list)
    fired: set[str] = field(default_factory=set)
    rounds: int = 0
    stop: Stop = Stop.COMPLETE


@dataclass(frozen=True, slots=True)
class Rewrites:
    """Which rules may be used, and how often.

    claims: those that claim one of these.
    explore: rounds of exploring rules; shrinking rules run before and between them.
    disabled: names of rules that may not be used.
    known: constants that the program was given with.
    """

    claims: tuple[Claim, ...]
    explore: int
    disabled: frozenset[str] = frozenset()
    known: frozenset[Fraction] = frozenset()


def saturate(programs: Sequence[Terms], rewrites: Rewrites, work: Work) -> Classes:
    """Grows one e-graph that holds some programs, as functions of the same inputs.

    The rules with the claim UP_TO_GUARDS are wrong within the guards: s / s = 1 and 0 / s = 0
    together prove 0 = 1 where s is 0. When that shows, the e-graph is given as it was a round
    before.

    Args:
      work: no round is begun when it is exhausted.
    """
    grow = partial(_grow, programs, rewrites, work=work)
    classes = grow()
    if classes.stop is Stop.CONFLICT:
        classes = replace(grow(most=classes.rounds - 1), stop=Stop.CONFLICT)
    return classes


def _grow(
    programs: Sequence[Terms], rewrites: Rewrites, *, work: Work, most: int = 1_000
) -> Classes:
    """`saturate` with at most so many rounds, and no way back from a conflict."""
    with _scratch() as egraph:
        work.spend(E_GRAPH)
        sets = _rulesets(egraph, rewrites)
        variables = [_enter(egraph, terms, f"p{i}_") for i, terms in enumerate(programs)]
        _commands(egraph, " ".join(_facts(programs, rewrites.known)))
        _run(egraph, "")
        fired: set[str] = set()
        done, stop = 0, Stop.COMPLETE
        for phases, rounds in (
            ((Phase.SHRINK,), SHRINKING),
            ((Phase.EXPLORE, Phase.SHRINK), rewrites.explore),
        ):
            for _ in range(min(rounds, most - done)):
                report = _run(egraph, " ".join(f"(run {sets[p]}) {_ANALYSE}" for p in phases))
                done += 1
                fired |= {n for n, count in report.num_matches_per_rule.items() if count}
                stop = _stop(egraph, report.updated, most=len(programs) * MAX_SIZE, work=work)
                if stop is not Stop.ROUNDS:
                    break
            if stop not in (Stop.ROUNDS, Stop.COMPLETE):
                break
        classes = _read(egraph, variables)
        classes.fired, classes.rounds, classes.stop = fired & _NUMBER.keys(), done, stop
        return classes


def _stop(egraph: Any, updated: bool, *, most: int, work: Work) -> Stop:
    """Why the round that was run should be the last; ROUNDS if nothing but their number says so."""
    functions = egraph.freeze().functions
    size = _size(functions)
    work.spend(ROUND * size)
    if _conflict(egraph, functions):
        return Stop.CONFLICT
    if not updated:
        return Stop.COMPLETE
    if work.exhausted:
        return Stop.WORK
    return Stop.SIZE if size > most else Stop.ROUNDS


def _conflict(egraph: Any, functions: Any) -> bool:
    """Whether two inputs, an input and a number, or clearly different numbers were found equal.

    Nearly equal numbers are, where a guard of 1e-8 was left out of a constant.
    """
    inputs = [row.output for row in functions["In"].rows]
    numbers = [(row.output, row.inputs[0]) for row in functions["Num"].rows]
    numbers += [tuple(row.inputs) for row in functions["is"].rows]
    first: dict[Any, float] = {}
    for i, value in numbers:
        number = float(egraph.value_to_bigrat(value))
        known = first.setdefault(i, number)
        if abs(number - known) > 1e-4 * abs(known) + 1e-12:
            return True
    return len({*inputs, *first}) < len(inputs) + len(first)


def _commands(egraph: Any, text: str) -> list[Any]:
    outputs: list[Any] = egraph.run_program(*egraph.parse_program(text))
    return outputs


def _run(egraph: Any, schedule: str) -> Any:
    (output,) = _commands(egraph, f"(run-schedule (seq {_ANALYSE} {schedule}))")
    return output.report


_OF_THREAD = threading.local()
_ANALYSE = "(saturate (run analysis)) (run settle)"


def _size(functions: Any) -> int:
    """Nodes; constants count tenfold, since rules that make new ones from old make the most."""
    nodes = sum(len(f.rows) for name, f in functions.items() if name[:2] == "f-")
    return nodes + 10 * len(functions["Num"].rows)


def _loaded() -> Any:
    """This thread's e-graph with the rules, each in a ruleset of its own, and nothing else; another
    thread's cannot be used."""
    if getattr(_OF_THREAD, "version", None) != version():
        _OF_THREAD.version, _OF_THREAD.egraph = version(), _load()
    return _OF_THREAD.egraph


def _load() -> Any:
    """egglog is imported here, since it takes 0.2 s; reading the rules takes about 1 s."""
    try:
        from egglog.bindings import EGraph
    except ModuleNotFoundError as error:
        raise ProgramError(f"simplification needs the package {error.name}: install it") from None

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


def _rulesets(egraph: Any, rewrites: Rewrites) -> dict[Phase, str]:
    """The names of the combined rulesets of the wanted rules, one for each phase."""
    lines = ["(ruleset nothing)"]
    for phase in Phase:
        wanted = [
            f"rule{_NUMBER[rule.name]}"
            for rule in RULES
            if rule.phase is phase
            and rule.claim in rewrites.claims
            and rule.name not in rewrites.disabled
        ]
        lines.append(f"(unstable-combined-ruleset {phase.value} nothing {' '.join(wanted)})")
    _commands(egraph, "\n".join(lines))
    return {phase: phase.value for phase in Phase}


def _facts(programs: Sequence[Terms], known: Collection[Fraction]) -> Iterator[str]:
    """What the rules may ask besides what the analyses work out."""
    for constant in sorted(known):
        if constant:
            yield f"(known {number(constant)})"
    for name in sorted(frozenset.intersection(*map(nonnegative_states, programs))):
        yield f'(nonneg (In "{name}"))'
    nodes = {node for terms in programs for node in terms.nodes}
    for constant in sorted(node[1] for node in nodes if node[0] == "constant"):
        if constant:
            root = RATIONAL.read(math.sqrt(abs(constant)))
            yield f"(root {number(constant)} {number(root)})"


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


def _read(egraph: Any, outputs: list[list[str]]) -> Classes:
    functions = egraph.freeze().functions
    numbers: dict[Any, int] = {}
    result = Classes()

    def number_of(value: Any) -> int:
        i = numbers.get(value)
        if i is None:
            i = numbers[value] = len(numbers)
            result.nodes.append([])
        return i

    constants: dict[int, Fraction] = {}
    kinds: dict[int, Kind] = {}
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
                kinds[number_of(row.inputs[0])] = Kind(egraph.value_to_i64(row.output))
    for i, value in constants.items():
        result.nodes[i] = [("constant", value)]
    for i, nodes in enumerate(result.nodes):
        leaves = [node for node in nodes if not is_call(node)]
        result.nodes[i] = leaves[:1] or nodes
    assert len(kinds) == len(result.nodes), "a class without a kind"
    result.kinds = [kinds[i] for i in range(len(kinds))]
    result.roots = [
        [number_of(functions[name].rows[0].output) for name in names] for names in outputs
    ]
    return result
