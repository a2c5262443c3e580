"""Register allocation: a program as instructions over two small files of registers.

    tensors  [T, P]  whole parameter trees, flattened: w, g, the states, then room for results
    scalars  [S, A]  one number per array of the tree: lr, the constants, then room for results; a
                     scalar is a row of equal numbers, read at column 0

Row 0 of each is scratch: an instruction writes to both files, and the other result goes there.

A row is used again as soon as nothing later reads its value, so that T stays small and the values
stay in cache. A state's row is never lent: its new value is computed into it, or moved there at the
end where the old value is still needed when the new one is computed.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np

from programs.abstract import analyse, live_across_steps
from programs.functions import BUILT_IN, FUNCTIONS
from programs.kinds import Kind
from programs.program import OUTPUT, Program

# Row 0 of both files is for what nobody reads.
W, G, STATES = 1, 2, 3  # rows of `tensors`
LR, CONSTANTS = 1, 2  # rows of `scalars`

Form = tuple[str, tuple[Kind, ...]]  # a function, and the kinds under which its code reads operands

COPY = "copy"  # the one instruction that is not a function of the language: moves a state home
COPY_FORM: Form = (COPY, (Kind.TENSOR,))


def form_of(function: str, kinds: tuple[Kind, ...]) -> Form:
    """The code that computes `function` on these kinds.

    Without a whole tree among its arguments an elementwise function is the same code for scalars as
    for per-array values; one of the language's that reduces has its arguments cast to one kind.
    """
    row = FUNCTIONS[function]
    if Kind.TENSOR in kinds or (row.whole_tree and function not in BUILT_IN):
        return function, kinds
    kind = max(kinds) if row.whole_tree else Kind.PER_ARRAY
    fixed = row.scalar_arguments if row.whole_tree else ()
    return function, tuple(Kind.SCALAR if i in fixed else kind for i in range(len(kinds)))


@dataclass(frozen=True, slots=True)
class Instruction:
    """target = form(operands): rows, each of the file that its kind says.

    kind: of the result; what is per-array and what is scalar both are rows of `scalars`.
    """

    form: Form
    kind: Kind
    target: int
    operands: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Allocation:
    """A program as instructions.

    constants: the values of the rows of `scalars` from CONSTANTS on.
    update: the row of `tensors` that holds the update after the last instruction.
    tensors, scalars: rows needed of each file (T, S).
    states: how many of the rows of `tensors` from STATES on are states.
    """

    instructions: tuple[Instruction, ...]
    constants: tuple[float, ...]
    update: int
    tensors: int
    scalars: int
    states: int


class _Rows:
    """The rows of one file: which are free, and how many were ever needed."""

    def __init__(self, taken: int):
        self.count = taken
        self._free: list[int] = []

    def take(self) -> int:
        """The lowest free row."""
        if self._free:
            return heapq.heappop(self._free)
        self.count += 1
        return self.count - 1

    def free(self, row: int) -> None:
        heapq.heappush(self._free, row)


def allocate(program: Program) -> Allocation:
    """Allocates registers for what of a program reaches an update in this step or a later one.

    Raises:
      InvalidProgram: see `programs.analyse`.
    """
    program = live_across_steps(program)
    analysis = analyse(program)
    uses = _last_uses(program)
    homes = {name: STATES + i for i, name in enumerate(program.states)}
    constants, constant_rows = _constants(program)
    tensors, scalars = _Rows(STATES + len(homes)), _Rows(CONSTANTS + len(constants))
    lent = {
        Kind.TENSOR: (tensors, {*homes.values()}),
        Kind.SCALAR: (scalars, set(range(scalars.count))),
    }
    lent[Kind.PER_ARRAY] = lent[Kind.SCALAR]

    location: dict[str, tuple[Kind, int]] = {"w": (Kind.TENSOR, W), "g": (Kind.TENSOR, G)}
    location |= {"lr": (Kind.SCALAR, LR), **{name: (Kind.TENSOR, homes[name]) for name in homes}}
    version = {name: 0 for name in location}  # names are assigned again: each time another value
    ended = {row for name, row in homes.items() if (name, 0) not in uses}  # homes free to overwrite

    def release(name: str) -> None:
        kind, row = location[name]
        rows, kept = lent[kind]
        if row not in kept:
            rows.free(row)
        elif kind is Kind.TENSOR:
            ended.add(row)

    for name in ("w", "g"):
        if (name, 0) not in uses:
            release(name)
    instructions = []
    for i, (statement, kind) in enumerate(zip(program.statements, analysis.kinds)):
        target = statement.target
        read = [
            location[a] if isinstance(a, str) else (Kind.SCALAR, constant_rows[float(a).hex()])
            for a in statement.arguments
        ]
        for name in {a for a in statement.arguments if isinstance(a, str)}:
            if uses[name, version[name]] == i:
                release(name)
        version[target] = version.get(target, -1) + 1
        if not FUNCTIONS[statement.function].arity:
            location[target] = Kind.SCALAR, constant_rows[_number(statement.function).hex()]
            continue
        final = uses[target, version[target]] == len(program)
        row = homes[target] if final and homes.get(target) in ended else lent[kind][0].take()
        location[target] = kind, row
        kinds, operands = zip(*read)
        instructions.append(Instruction(form_of(statement.function, kinds), kind, row, operands))
    for name, home in homes.items():
        if location[name][1] != home:
            instructions.append(Instruction(COPY_FORM, Kind.TENSOR, home, (location[name][1],)))
    update = location[OUTPUT][1]
    return Allocation(
        tuple(instructions), constants, update, tensors.count, scalars.count, len(homes)
    )


def _last_uses(program: Program) -> dict[tuple[str, int], int]:
    """For each value that is read, as (name, times assigned): the last statement that reads it.

    What the program returns is read by statement number len(program).
    """
    version = {name: 0 for name in program.inputs}
    uses = {}
    for i, statement in enumerate(program.statements):
        for argument in statement.arguments:
            if isinstance(argument, str):
                uses[argument, version[argument]] = i
        version[statement.target] = version.get(statement.target, -1) + 1
    for name in program.outputs:
        uses[name, version[name]] = len(program)
    return uses


def _constants(program: Program) -> tuple[tuple[float, ...], dict[str, int]]:
    """The distinct constants, and the row of each by its `float.hex` (-0.0 is not 0.0)."""
    rows: dict[str, int] = {}
    for statement in program.statements:
        numbers = [a for a in statement.arguments if not isinstance(a, str)]
        if not FUNCTIONS[statement.function].arity:
            numbers = [_number(statement.function)]
        for number in numbers:
            rows.setdefault(float(number).hex(), CONSTANTS + len(rows))
    return tuple(map(float.fromhex, rows)), rows


def _number(function: str) -> float:
    """The value of a function without arguments."""
    return float(FUNCTIONS[function].meaning(np))
