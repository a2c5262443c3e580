"""Every way to take one thing out of a program, whether or not it matters.

    a state                     what reads it before the step's first assignment reads 0 instead
    a statement                 its uses see the target's previous value
    a statement but not a part  its uses see one of its arguments, but no number in place of an
                                array: a drift in place of weight decay would be a new term
    a constant                  becomes neutral, 0 or 1

What is left is simplified, and kept only where it is shorter than before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from programs import (
    Constant,
    InvalidProgram,
    Program,
    Statement,
    analyse,
    is_valid,
    live_across_steps,
)
from programs.behaviour import Screening, behaviour
from programs.canonical import canonical_hash
from programs.kinds import Kind
from programs.simplify.naming import to_program
from programs.simplify.terms import Builder, copy_into, from_program

Simplify = Callable[[Program], Program]
NEUTRAL = (0.0, 1.0)


def peephole(program: Program) -> Program:
    """The program without what has no effect: x * 1, x + 0, interp(x, y, 0), ...; a millisecond.

    Raises InvalidProgram when nothing is left of the update, or of a state, but a constant.
    """
    terms = from_program(live_across_steps(program))
    builder = Builder(finite=True)
    new = copy_into(builder, terms, {})
    return live_across_steps(
        to_program(builder.finish(terms.states, [new[i] for i in terms.outputs]))
    )


Edit = Callable[[Program], Program]
"""A change to a program, or to the same program with other constants."""


@dataclass(frozen=True)
class Removal:
    """A shorter program, and what was removed to get it."""

    what: str
    program: Program
    edit: Edit | None = None  # None: it was not made by editing

    def with_constants_of(self, twin: Program, simplify: Simplify = peephole) -> Program | None:
        """The same removal from `twin`, the program before it with other constants; None where that
        is not known."""
        if self.edit is None:
            return None
        edited = self.edit(twin)
        try:
            analyse(edited)
            shorter = simplify(live_across_steps(edited))
        except InvalidProgram:
            return None
        return shorter if are_twins(shorter, self.program) else None


def are_twins(one: Program, other: Program) -> bool:
    """Whether two programs have the same statements in the same order but for their constants."""
    blank = [p.with_constants([0.0] * len(p.constants())) for p in (one, other)]
    return blank[0] == blank[1]


def removals(program: Program, simplify: Simplify = peephole) -> list[Removal]:
    """Distinct shorter programs one removal away: states first, then in the program's order.

    Left out is what is invalid, or seen at once to give non-finite numbers, to ignore the gradient
    or never to move a weight.
    """
    distinct: dict[bytes, Removal] = {}
    tried = {canonical_hash(program)}
    for what, edit in _edits(program):
        edited = edit(program)
        if not is_valid(edited):
            continue
        edited = live_across_steps(edited)
        key = canonical_hash(edited)
        if key in tried or behaviour(edited).screening is not Screening.TRAINABLE:
            continue
        tried.add(key)
        try:
            shorter = simplify(edited)
        except InvalidProgram:  # it was a constant in disguise
            continue
        if _size(shorter) < _size(program):
            distinct.setdefault(canonical_hash(shorter), Removal(what, shorter, edit))
    return list(distinct.values())


def _size(program: Program) -> tuple[int, int]:
    return len(program), len(program.states)


def _edits(program: Program) -> Iterator[tuple[str, Edit]]:
    for state in program.states:
        yield f"drop state {state}", partial(_without_state, state=state)
    kinds = analyse(program).kinds
    for i, statement in enumerate(program):
        yield f"drop {statement}", partial(_without_statement, index=i)
        for j, argument in enumerate(statement.arguments):
            is_new = argument not in statement.arguments[:j]
            if is_new and kinds[i] == _kind_of_argument(program, i, j):
                what = f"replace {statement} by {argument}"
                yield what, partial(_with_argument_alone, index=i, argument=j)
        for constant in (c for c in program.constants() if c.statement == i):
            for value in NEUTRAL:
                if value != constant.value:
                    neutral = statement.with_argument(constant.argument, value)
                    what = f"replace {statement} by {neutral}"
                    yield what, partial(_with_neutral, constant=constant, value=value)


def knocked_out(program: Program, index: int) -> dict[str, Program]:
    """The valid programs without what a statement computes, by what its uses see instead."""
    statement = program.statements[index]
    variants = {"dropped": _without_statement(program, index)}
    for j, argument in enumerate(statement.arguments):
        variants.setdefault(f"replaced by {argument}", _with_argument_alone(program, index, j))
    return {how: rest for how, rest in variants.items() if is_valid(rest)}


def _kind_of_argument(program: Program, index: int, argument: int) -> Kind | None:
    """What an argument of a statement holds; None: nothing yet, the program is not valid so."""
    alone = _with_argument_alone(program, index, argument)
    return analyse(alone).kinds[index] if is_valid(alone) else None


def _without_state(program: Program, state: str) -> Program:
    statements, known = [], False
    for s in program:
        if not known:
            arguments = tuple(0.0 if a == state else a for a in s.arguments)
            statements.append(replace(s, arguments=arguments))
        else:
            statements.append(s)
        known = known or s.target == state
    states = tuple(name for name in program.states if name != state)
    return Program(states, tuple(statements))


def _without_statement(program: Program, index: int) -> Program:
    statements = program.statements
    return replace(program, statements=(*statements[:index], *statements[index + 1 :]))


def _with_argument_alone(program: Program, index: int, argument: int) -> Program:
    """One of a statement's arguments in place of its result."""
    statements = list(program.statements)
    target, kept = statements[index].target, statements[index].arguments[argument]
    statements[index] = Statement(target, "multiply", (kept, 1.0))
    return replace(program, statements=tuple(statements))


def _with_neutral(program: Program, constant: Constant, value: float) -> Program:
    return program.with_constant(constant, value)
