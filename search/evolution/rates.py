"""A program with its update times a factor, written into it as a constant.

Whether a change of structure is any good shows only at its own step size, which is rarely that of
its parent. So a program can be tried at several; see `evaluation.rates`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from programs import Program, Statement, analyse
from programs.behaviour import update_size
from programs.program import MAX_STATEMENTS, OUTPUT, Constant
from search.config.settings import Config, EvolutionSettings
from search.evolution.evolution import Child

_PROPORTIONAL = {"multiply": (0, 1), "divide": (0,), "negative": (0,)}  # to which arguments

FARTHEST = 20  # powers of two that a child's rate may be from the one it was drawn with


def at_rate(program: Program, rate: float) -> Program:
    """The program with `rate` times its update, and the same states.

    A constant that the whole update is multiplied by takes the factor in, wherever it stands but in
    a frozen statement, such as that of `lr = lr * 0.001`; without one a statement is added. With a
    power of two both give the same bits.
    """
    if rate == 1.0:
        return program
    constant = _Trace(program).constant()
    if constant is not None:
        return program.with_constant(constant, constant.value * rate)
    scaled = Statement(OUTPUT, "multiply", (OUTPUT, rate))
    return replace(program, statements=(*program.statements, scaled))


def rates_of(child: Child, config: Config) -> tuple[float, ...]:
    """The rates that a child is tried at, the first of them first."""
    settings = config.evaluation
    if not has_room(child.mutation.program, config.evolution):
        return (1.0,)
    if has_parents_statements(child):
        return settings.rates[:1] if settings.rates_when == "changed" else settings.rates
    return relative_to(matching_rate(child) if settings.match_size else 1.0, settings.rates)


def relative_to(factor: float, rates: Sequence[float]) -> tuple[float, ...]:
    """`evaluation.rates` where the size of the updates is matched by a factor."""
    return tuple(rate * factor for rate in rates)


def has_room(program: Program, settings: EvolutionSettings) -> bool:
    """Whether `at_rate` gives a program that the search may have: no longer than it allows, and in
    the mode `tune` with the statements that it had."""
    longest = settings.mutations.max_length or MAX_STATEMENTS
    may_grow = settings.mode != "tune" and len(program) < longest
    return may_grow or _Trace(program).constant() is not None


def matching_rate(child: Child) -> float:
    """The power of two that makes a child's updates about as large as its parent's, on the inputs
    of the fingerprint; 1 without a parent, or where either is 0 or infinite."""
    if child.parent is None:
        return 1.0
    mutation = child.mutation
    ours = update_size(mutation.program, mutation.analysis)
    theirs = update_size(child.parent.program, child.parent.analysis)
    if not (0 < ours < math.inf and 0 < theirs < math.inf):
        return 1.0
    return float(2.0 ** max(-FARTHEST, min(FARTHEST, round(math.log2(theirs / ours)))))


def has_parents_statements(child: Child) -> bool:
    """Whether its program differs from its parent's by constants alone."""
    return child.parent is not None and have_same_statements(
        child.mutation.program, child.parent.program
    )


def have_same_statements(program: Program, other: Program) -> bool:
    """Whether two programs differ by constants alone."""
    blanked = [p.with_constants([0.0] * len(p.constants())) for p in (program, other)]
    return blanked[0] == blanked[1]


def rescaled(child: Child, rate: float, drawn: bytes) -> Child:
    """A child as it joins the population, from the child as it was drawn.

    drawn: its functional hash then.
    """
    program = at_rate(child.mutation.program, rate)
    mutation = replace(child.mutation, program=program, analysis=analyse(program))
    return replace(child, mutation=mutation, drawn=drawn)


class _Trace:
    """Looks back from the update along what is proportional to it."""

    def __init__(self, program: Program):
        self.statements = program.statements
        self.outputs = program.outputs
        self.live = analyse(program).live

    def constant(self) -> Constant | None:
        """The nearest constant factor of the update."""
        looked_at = [(OUTPUT, len(self.statements))]  # variables, each before a statement
        while looked_at:
            name, before = looked_at.pop()
            index = self._assigned(name, before)
            if index is None or self._readers(index) != 1:
                continue  # its size counts elsewhere, too
            statement = self.statements[index]
            slots = _PROPORTIONAL.get(statement.function, ())
            for slot in slots:
                value = statement.arguments[slot]
                if not isinstance(value, str) and not statement.frozen:
                    return Constant(index, slot, value)
            names = [statement.arguments[slot] for slot in slots]
            looked_at += [(name, index) for name in reversed(names) if isinstance(name, str)]
        return None

    def _assigned(self, name: str, before: int) -> int | None:
        """The last statement before another that assigns a variable; None: it is an input."""
        earlier = (i for i in reversed(range(before)) if self.statements[i].target == name)
        return next(earlier, None)

    def _readers(self, index: int) -> int:
        """How often a statement's result is read, by live statements and as an output."""
        name, count = self.statements[index].target, 0
        for i in range(index + 1, len(self.statements)):
            if i in self.live:
                count += self.statements[i].arguments.count(name)
            if self.statements[i].target == name:
                return count
        return count + (name in self.outputs)
