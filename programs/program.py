"""Statements and programs: the data of the language, and its text form.

    program   := def train(w, g, <0 to 8 states>, lr): statement* return update, <states>
    statement := variable = function(argument, ...)
               | variable = argument operator argument      operator: + - * /
               | variable = -variable
    argument  := variable | number

A statement that ends in the comment `# keep` is frozen: mutation leaves it as it is.

A program computes one training step's update from the weight `w`, the gradient `g`, its states
(zero before the first step) and the schedule value `lr`; the training loop then does w = w - update
(Chen et al. 2023, section 2.1). Everything here is frozen and hashable.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from programs.functions import ALIASES, FUNCTIONS

Argument = str | float  # a variable's name, or a finite constant

MAX_STATES = 8
MAX_STATEMENTS = 1_000
# Programs compute in float32, which makes constants of at least this magnitude infinite, and those
# of at most this magnitude 0.
INFINITE_FROM, ZERO_UP_TO = (2 - 2**-24) * 2.0**127, 2.0**-150
OUTPUT = "update"
KEEP = "# keep"  # ends the text of a frozen statement


def printable(text: str) -> str:
    """Text from elsewhere as one line that a terminal only prints."""
    return "".join(c if c.isprintable() else " " for c in text)


class ProgramError(ValueError):
    """A program that cannot be: one line that says where, what, and what would be right.

    others: further mistakes of the same text, in the order of its lines.
    """

    others: tuple[ProgramError, ...] = ()

    def __init__(self, message: str, file: str = "", line: int = 0, column: int = 0):
        # Quoted text may hold anything; a message is one printable line.
        message = printable(message)
        self.message, self.file, self.line, self.column = message, file, line, column
        where = ":".join(str(part) for part in (printable(file), line, column) if part)
        super().__init__(f"{where}: {message}" if where else message)


@dataclass(frozen=True, slots=True)
class Statement:
    """One assignment: target = function(*arguments).

    frozen: mutation does not change it. It says nothing of what is computed.
    """

    target: str
    function: str  # a key of FUNCTIONS
    arguments: tuple[Argument, ...]
    frozen: bool = False

    def __str__(self) -> str:
        return f"{self._assignment()}  {KEEP}" if self.frozen else self._assignment()

    def _assignment(self) -> str:
        row = FUNCTIONS[self.function]
        shown = [a if isinstance(a, str) else repr(a) for a in self.arguments]
        if row.symbol:
            return f"{self.target} = {shown[0]} {row.symbol} {shown[1]}"
        if row.name == "negative" and isinstance(self.arguments[0], str):
            return f"{self.target} = -{shown[0]}"
        return f"{self.target} = {row.name}({', '.join(shown)})"

    def with_argument(self, index: int, argument: Argument) -> Statement:
        """The same with another argument number `index`."""
        arguments = self.arguments
        return replace(self, arguments=(*arguments[:index], argument, *arguments[index + 1 :]))


def state_names() -> Iterator[str]:
    """What states are called that nobody named: m, v, s3, s4, ..."""
    yield from ("m", "v")
    yield from (f"s{i}" for i in itertools.count(3))


class Constant(NamedTuple):
    """A constant of a program, and where it stands: numbers of the statement and argument."""

    statement: int
    argument: int
    value: float


@dataclass(frozen=True, slots=True)
class Program:
    """A straight line of statements between fixed inputs and outputs.

    Inputs: w, g, *states, lr. Outputs: update, *states (the states' new values).
    A Program made by hand is not checked; `programs.analyse` says whether it is valid.
    """

    states: tuple[str, ...]
    statements: tuple[Statement, ...]

    @property
    def inputs(self) -> tuple[str, ...]:
        return ("w", "g", *self.states, "lr")

    @property
    def outputs(self) -> tuple[str, ...]:
        return (OUTPUT, *self.states)

    def constants(self) -> tuple[Constant, ...]:
        """All its constants, in the order in which they stand."""
        return tuple(
            Constant(i, j, argument)
            for i, statement in enumerate(self.statements)
            for j, argument in enumerate(statement.arguments)
            if not isinstance(argument, str)
        )

    @property
    def frozen(self) -> tuple[Statement, ...]:
        """Its frozen statements, in order."""
        return tuple(statement for statement in self.statements if statement.frozen)

    def free_constants(self) -> tuple[Constant, ...]:
        """Those of its constants that do not stand in a frozen statement."""
        return tuple(c for c in self.constants() if not self.statements[c.statement].frozen)

    def unfrozen(self) -> Program:
        """The same without frozen statements: each may be changed."""
        if not self.frozen:
            return self
        return replace(self, statements=tuple(replace(s, frozen=False) for s in self.statements))

    def with_states(self, count: int) -> Program:
        """The same with as many further states as make it `count`: each is 0 for ever, until
        a statement assigns it."""
        states = list(self.states)
        taken = {*self.inputs, *(s.target for s in self.statements), *ALIASES}
        names = (name for name in state_names() if name not in taken)
        states += itertools.islice(names, max(0, count - len(states)))
        return replace(self, states=tuple(states))

    def with_constant(self, constant: Constant, value: float) -> Program:
        """The same with another value of one of `constants()`."""
        i, statements = constant.statement, self.statements
        changed = statements[i].with_argument(constant.argument, value)
        return replace(self, statements=(*statements[:i], changed, *statements[i + 1 :]))

    def with_constants(self, values: Sequence[float]) -> Program:
        """The same with these values in place of its constants, in the order of `constants()`."""
        statements = list(self.statements)
        for (i, j, _), value in zip(self.constants(), values, strict=True):
            statements[i] = statements[i].with_argument(j, value)
        return replace(self, statements=tuple(statements))

    def __len__(self) -> int:
        return len(self.statements)

    def __iter__(self) -> Iterator[Statement]:
        return iter(self.statements)

    def __str__(self) -> str:
        lines = [f"def train({', '.join(self.inputs)}):"]
        lines += [f"    {statement}" for statement in self.statements]
        lines += [f"    return {', '.join(self.outputs)}", ""]
        return "\n".join(lines)
