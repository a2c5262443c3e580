"""What callers from Python give, checked before anything is done with it; a mistake is one line."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

from programs import Program, ProgramError, load, parse
from proxy_tasks.errors import short_repr

Value = TypeVar("Value")


def check_choice(name: str, value: object, choices: Iterable[str]) -> None:
    """Raises ValueError unless the value is one of the choices."""
    if value not in (known := list(choices)):
        raise ValueError(f"{name}: expected one of {', '.join(known)}, got {short_repr(value)}")


def listed(name: str, values: Iterable[Value]) -> tuple[Value, ...]:
    """All of a list. Raises ValueError for one text or program, which would be read in pieces."""
    if isinstance(values, (str, bytes, Program)) or not isinstance(values, Iterable):
        raise ValueError(f"{name}: expected a list, got {short_repr(values)}")
    return tuple(values)


def some_listed(name: str, values: Iterable[Value]) -> tuple[Value, ...]:
    """The same where there must be one at least."""
    if not (found := listed(name, values)):
        raise ValueError(f"{name}: expected a list that is not empty, got {values!r}")
    return found


def check_count(name: str, value: object) -> None:
    """Raises ValueError unless the value is a whole number, numpy's too, from 1 on."""
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = 0
    if number < 1:
        raise ValueError(f"{name}: expected a whole number >= 1, got {short_repr(value)}")


def program_of(program: Program | str | Path) -> Program:
    """A program, or what its text, file or library name says. Raises ProgramError."""
    if isinstance(program, Program):
        return program
    if not isinstance(program, (str, Path)):
        raise ProgramError(
            f"expected a Program, its text, a file or library:NAME, got {short_repr(program)}"
        )
    program = str(program)
    return parse(program) if "\n" in program else load(program)


def name_of(program: Program | str | Path, number: int) -> str:
    """What it is called in tables; number: that of a program without a file."""
    is_name = isinstance(program, (str, Path)) and "\n" not in str(program)
    return str(program) if is_name else f"program {number}"
