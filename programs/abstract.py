"""Abstract execution: is a program valid, what does it compute, and what of it is redundant?

One pass over the statements with abstract values in place of arrays (Chen et al. 2023, section
3.2): the value of a variable is a triple

    kind    what it holds (Kind), so that invalid programs are found without running anything
    digest  16 bytes that say how it is computed from the inputs (value numbering)
    needs   the inputs and statements it depends on, as an integer bit mask

`finish` can start at the mutated statement, since whatever stands before it is unchanged.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2b
from types import MappingProxyType

from programs.functions import FUNCTIONS, derived
from programs.kinds import Kind
from programs.program import MAX_STATES, Program, ProgramError, Statement, printable
from programs.suggest import did_you_mean

Abstract = tuple[Kind, bytes, int]  # kind, digest, needs

# Bits of `needs`: w, g, lr and up to 8 states, then one bit per statement.
_W, _G, _LR, _STATE = 0, 1, 2, 3
_STATEMENT = _STATE + MAX_STATES


class Fault(enum.Enum):
    """Why a program is invalid; the value completes the sentence "<statement>: ..."."""

    UNDEFINED = "is read before anything is assigned to it"
    KINDS = "is not defined on these kinds"
    OUTPUT_UNDEFINED = "is returned but never assigned"
    OUTPUT_KIND = "is returned, so it must be a whole parameter tree"


class InvalidProgram(ProgramError):
    """A program that abstract execution rejects. The message is made only when it is read, because
    a search meets one such error for every few mutations."""

    def __init__(
        self,
        fault: Fault,
        program: Program,
        *,
        index: int | None,
        name: str,
        detail: tuple[Kind, ...] = (),
    ):
        self.fault, self.program, self.index, self.name, self.detail = (
            fault,
            program,
            index,
            name,
            detail,
        )
        self.file, self.line, self.column = "", 0, 0

    @property
    def message(self) -> str:  # type: ignore[override]
        if self.fault is Fault.UNDEFINED:
            assert self.index is not None
            names = [s.target for s in self.program.statements[: self.index]]
            names += self.program.inputs
            return f"'{self.name}' {self.fault.value}{did_you_mean(self.name, names)}"
        if self.fault is Fault.KINDS:
            row = FUNCTIONS[self.name]
            kinds = ", ".join(str(k) for k in self.detail)
            wanted = ", ".join(
                "scalar" if i in row.scalar_arguments else "any kind" for i in range(row.arity)
            )
            return f"{row.name}({kinds}) {self.fault.value}; it takes ({wanted})"
        if self.fault is Fault.OUTPUT_UNDEFINED:
            targets = [s.target for s in self.program.statements]
            return f"'{self.name}' {self.fault.value}{did_you_mean(self.name, targets)}"
        return f"'{self.name}' {self.fault.value}; here it is a {self.detail[0]}"

    def __str__(self) -> str:
        if self.file:
            return f"{printable(self.file)}:{self.line}:{self.column}: {self.message}"
        if self.index is None:
            return self.message
        return f"statement {self.index + 1}: {self.message}"


def input_value(index: int, label: bytes, kind: Kind = Kind.TENSOR) -> Abstract:
    return kind, label.ljust(16, b"."), 1 << index


_INPUTS = {
    "w": input_value(_W, b"input w"),
    "g": input_value(_G, b"input g"),
    "lr": input_value(_LR, b"input lr", Kind.SCALAR),
}
_STATES = [input_value(_STATE + i, b"state %d" % i) for i in range(MAX_STATES)]
_CODE: dict[str, bytes] = {}
_KINDS: dict[str, dict[tuple[Kind, ...], Kind]] = {}
_PACK = struct.Struct("<d8s").pack


@derived
def _derive() -> None:
    for name in _CODE.keys() - FUNCTIONS.keys():
        del _CODE[name], _KINDS[name]
    _CODE.update((name, name.encode() + b"(") for name in FUNCTIONS)
    _KINDS.update((name, row.kinds) for name, row in FUNCTIONS.items())


def inputs_of(program: Program) -> dict[str, Abstract]:
    """The abstract values of a program's inputs; states count by position, not by name."""
    variables = dict(_INPUTS)
    variables.update(zip(program.states, _STATES))
    return variables


def statement_value(statement: Statement, variables: dict[str, Abstract], bit: int) -> Abstract:
    """The abstract value of one statement. Written out for speed: this is where the time goes.

    Raises:
      KeyError: an argument is undefined (its name), or has a kind not in the table (a tuple).
    """
    kinds: tuple[Kind, ...] = ()
    data = _CODE[statement.function]
    needs = bit
    for argument in statement.arguments:
        if argument.__class__ is str:
            kind, digest, mask = variables[argument]
            kinds += (kind,)
            data += digest
            needs |= mask
        else:
            kinds += (Kind.SCALAR,)
            data += _PACK(argument, b"constant")
    return (
        _KINDS[statement.function][kinds],
        blake2b(data, digest_size=16).digest(),
        needs,
    )


@dataclass(frozen=True)
class Analysis:
    """What abstract execution says of a valid program with n statements.

    values: the abstract value of each statement [n].
    outputs: the abstract values of update and of every state, after the last statement.
    """

    program: Program
    values: tuple[Abstract, ...]
    outputs: tuple[Abstract, ...]

    @cached_property
    def functional_hash(self) -> bytes:
        """16 bytes that say how the outputs are computed from the inputs (the paper's hash).

        Constants count by value, variables by what they hold: names and redundant statements do
        not matter. Stable across processes, machines and versions of Python.
        """
        data = b"".join(digest for _, digest, _ in self.outputs)
        return blake2b(data, digest_size=16, person=b"outputs").digest()

    @cached_property
    def kinds(self) -> tuple[Kind, ...]:
        """The kind of each statement's result [n]."""
        return tuple(kind for kind, _, _ in self.values)

    @cached_property
    def needs(self) -> int:
        mask = 0
        for _, _, needs in self.outputs:
            mask |= needs
        return mask

    @cached_property
    def live(self) -> tuple[int, ...]:
        """Indices of the statements on which an output depends; the others are redundant."""
        mask = self.needs >> _STATEMENT
        return tuple(i for i in range(len(self.values)) if mask >> i & 1)


def analyse(program: Program) -> Analysis:
    """Abstractly executes a program.

    Raises:
      InvalidProgram: it reads an undefined variable, applies a function to kinds it does not take,
        or returns something undefined or not a whole tree.
    """
    return finish(program, inputs_of(program), [])


def is_valid(program: Program) -> bool:
    """Whether `analyse` accepts a program."""
    try:
        analyse(program)
    except InvalidProgram:
        return False
    return True


def finish(program: Program, variables: dict[str, Abstract], values: list[Abstract]) -> Analysis:
    """Analyses the statements from number len(values) on; `variables` is all that came before."""
    statements = program.statements
    bit = 1 << (_STATEMENT + len(values))
    for i in range(len(values), len(statements)):
        statement = statements[i]
        try:
            value = statement_value(statement, variables, bit)
        except KeyError as error:
            raise _statement_fault(program, i, error.args[0]) from None
        variables[statement.target] = value
        values.append(value)
        bit <<= 1
    for name in program.outputs:
        if name not in variables or variables[name][0] is not Kind.TENSOR:
            raise _output_fault(program, name, variables.get(name))
    return Analysis(program, tuple(values), tuple(variables[name] for name in program.outputs))


def faults(
    program: Program, unreadable: Mapping[int, Iterable[str]] = MappingProxyType({})
) -> Iterator[InvalidProgram]:
    """Every fault of a program, except those that only follow from another.

    Args:
      unreadable: statements that could not be read and are passed over, by number, with the names
        that they seem to assign.
    """
    variables = inputs_of(program)
    unknown: set[str] = set()  # what is assigned, but for a fault
    for i, statement in enumerate(program.statements):
        if i in unreadable:
            unknown.update(unreadable[i])
            continue
        read = [a for a in statement.arguments if isinstance(a, str) and a not in unknown]
        undefined = next((name for name in read if name not in variables), None)
        unknown_before = not unknown.isdisjoint(statement.arguments)
        unknown.add(statement.target)
        if undefined is not None:
            yield _statement_fault(program, i, undefined)
        elif not unknown_before:
            try:
                variables[statement.target] = statement_value(statement, variables, 0)
                unknown.discard(statement.target)
            except KeyError as error:
                yield _statement_fault(program, i, error.args[0])
    for name in program.outputs:
        value = variables.get(name)
        if name not in unknown and (value is None or value[0] is not Kind.TENSOR):
            yield _output_fault(program, name, value)


def _statement_fault(program: Program, index: int, key: str | tuple[Kind, ...]) -> InvalidProgram:
    """What `statement_value` could not look up: a variable, or a function of these kinds."""
    if isinstance(key, str):
        return InvalidProgram(Fault.UNDEFINED, program, index=index, name=key)
    return InvalidProgram(
        Fault.KINDS, program, index=index, name=program.statements[index].function, detail=key
    )


def _output_fault(program: Program, name: str, value: Abstract | None) -> InvalidProgram:
    if value is None:
        return InvalidProgram(Fault.OUTPUT_UNDEFINED, program, index=None, name=name)
    return InvalidProgram(Fault.OUTPUT_KIND, program, index=None, name=name, detail=(value[0],))


def remove_redundant(
    program: Program, analysis: Analysis | None = None, *, keep_frozen: bool = False
) -> Program:
    """The program without the statements on which no output depends (the paper's step 1).

    keep_frozen: with those that are frozen all the same, and what they read.
    """
    analysis = analysis or analyse(program)
    mask = analysis.needs
    if keep_frozen:
        for statement, (_, _, needs) in zip(program.statements, analysis.values):
            mask |= needs if statement.frozen else 0
    mask >>= _STATEMENT
    kept = tuple(s for i, s in enumerate(program.statements) if mask >> i & 1)
    return replace(program, statements=kept)


def reaching(analysis: Analysis) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Which states and statements any update, now or later, depends on: two tuples of indices.

    The least fixed point: what the update needs counts, and so does what the next value of a state
    that counts needs. A state that only its own next value reads never reaches a weight.
    """
    needs, seen = analysis.outputs[0][2], -1
    while needs != seen:
        seen = needs
        for i, (_, _, mask) in enumerate(analysis.outputs[1:]):
            if seen >> (_STATE + i) & 1:
                needs |= mask
    states = range(len(analysis.program.states))
    return (
        tuple(i for i in states if needs >> (_STATE + i) & 1),
        tuple(i for i in range(len(analysis.values)) if needs >> (_STATEMENT + i) & 1),
    )


def live_across_steps(program: Program) -> Program:
    """Drops the states that no later update depends on, with all that only they needed."""
    states, statements = reaching(analyse(program))
    return Program(
        tuple(program.states[i] for i in states),
        tuple(program.statements[i] for i in statements),
    )
