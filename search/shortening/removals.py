"""Every way to take one thing out of a program, whether or not it matters.

    a state                     what reads it before the step's first assignment reads 0 instead
    a statement                 its uses see the target's previous value
    a statement but not a part  its uses see one of its arguments
    a constant                  becomes neutral, 0 or 1

What is left is simplified, and kept only where it is shorter than before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from programs import InvalidProgram, Program, Statement, analyse, live_across_steps
from programs.behaviour import Screening, behaviour
from programs.canonical import canonical_hash
from programs.simplify.naming import to_program
from programs.simplify.terms import Builder, copy_into, from_program

Simplify = Callable[[Program], Program]
NEUTRAL = (0.0, 1.0)


@dataclass(frozen=True)
class Removal:
    """A shorter program, and what was taken out to get it."""

    what: str
    program: Program


def tidied(program: Program) -> Program:
    """The program without what has no effect: x * 1, x + 0, interp(x, y, 0), ...; a millisecond.

    Raises InvalidProgram when nothing is left of the update, or of a state, but a constant.
    """
    terms = from_program(live_across_steps(program))
    builder = Builder(finite=True)
    new = copy_into(builder, terms, {})
    return live_across_steps(
        to_program(builder.finish(terms.states, [new[i] for i in terms.outputs]))
    )


def removals(program: Program, simplify: Simplify = tidied) -> list[Removal]:
    """Distinct shorter programs one removal away: states first, then in the program's order.

    Left out is what is invalid, or seen at once to give non-finite numbers, to ignore the gradient
    or never to move a weight.
    """
    found: dict[bytes, Removal] = {}
    tried = {canonical_hash(program)}
    for what, edited in _edited(program):
        try:
            analyse(edited)
        except InvalidProgram:
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
            found.setdefault(canonical_hash(shorter), Removal(what, shorter))
    return list(found.values())


def _size(program: Program) -> tuple[int, int]:
    return len(program), len(program.states)


def _edited(program: Program) -> Iterator[tuple[str, Program]]:
    for state in program.states:
        yield f"drop state {state}", _without_state(program, state)
    for i, statement in enumerate(program):
        yield f"drop {statement}", _spliced(program, i)
        for argument in dict.fromkeys(statement.arguments):
            copy = Statement(statement.target, "multiply", (argument, 1.0))
            yield f"replace {statement} by {argument}", _spliced(program, i, copy)
        for constant in (c for c in program.constants() if c.statement == i):
            for value in NEUTRAL:
                if value != constant.value:
                    neutral = program.with_constant(constant, value)
                    yield f"replace {statement} by {neutral.statements[i]}", neutral


def _spliced(program: Program, i: int, *instead: Statement) -> Program:
    statements = program.statements
    return replace(program, statements=(*statements[:i], *instead, *statements[i + 1 :]))


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
