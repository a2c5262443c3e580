"""A program with its update times a factor, written into it as a constant.

Whether a change of structure is any good shows only at its own step size, which is rarely that of
its parent. So a program can be tried at several; see `evaluation.rates`.
"""

from __future__ import annotations

import math
from dataclasses import replace

from programs import Program, Statement, analyse
from programs.behaviour import update_size
from programs.program import OUTPUT, Constant
from search.evolution.evolution import Child

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
        return self._factor_of(OUTPUT, len(self.statements))

    def _assigned(self, name: str, before: int) -> int | None:
        """The last statement before another that assigns a variable; None: it is an input."""
        earlier = (i for i in reversed(range(before)) if self.statements[i].target == name)
        return next(earlier, None)

    def _factor_of(self, name: str, before: int) -> Constant | None:
        """The constant factor of a variable that is read once; None: there is none."""
        index = self._assigned(name, before)
        if index is None or self._readers(index) != 1:
            return None
        statement = self.statements[index]
        proportional = {"multiply": (0, 1), "divide": (0,), "negative": (0,)}
        slots = proportional.get(statement.function, ())
        for slot in slots:
            value = statement.arguments[slot]
            if not isinstance(value, str) and not statement.frozen:
                return Constant(index, slot, value)
        for slot in slots:
            if not isinstance(statement.arguments[slot], str):
                continue
            factor = self._factor_of(str(statement.arguments[slot]), index)
            if factor is not None:
                return factor
        return None

    def _readers(self, index: int) -> int:
        """How often a statement's result is read, by live statements and as an output."""
        name, count = self.statements[index].target, 0
        for i in range(index + 1, len(self.statements)):
            if i in self.live:
                count += self.statements[i].arguments.count(name)
            if self.statements[i].target == name:
                return count
        return count + (name in self.outputs)
