"""Individuals as edits of their parents: small to store, readable, and exact to rebuild.

An edit is a text of lines: `POSITION REMOVED`, then the statements put in place of the removed
ones.
The edit of an individual without a parent is its whole text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from programs import Program
from search.storage.conversion import program_from
from search.storage.errors import StoreError
from search.storage.identity import check_functions
from search.storage.queries import Birth, individual_row
from search.storage.schema import IndividualRow
from search.storage.store import Reader


def edit_between(parent: Program | None, child: Program) -> str:
    """The shortest single edit that turns the parent's statements into the child's."""
    if parent is None:
        return str(child)
    old, new = parent.statements, child.statements
    shortest = min(len(old), len(new))
    start = 0
    while start < shortest and (old[start] is new[start] or old[start] == new[start]):
        start += 1
    shortest -= start
    end = 0
    while end < shortest and (old[-1 - end] is new[-1 - end] or old[-1 - end] == new[-1 - end]):
        end += 1
    inserted = new[start : len(new) - end]
    return "\n".join([f"{start} {len(old) - end - start}", *map(str, inserted)])


@dataclass(frozen=True, slots=True)
class ProgramText:
    """A program as text, statement by statement."""

    states: tuple[str, ...]
    lines: tuple[str, ...]

    def edited(self, edit: str) -> ProgramText:
        """The child, from its parent."""
        head, *inserted = edit.split("\n")
        start, removed = map(int, head.split())
        lines = (*self.lines[:start], *inserted, *self.lines[start + removed :])
        return ProgramText(self.states, lines)

    def __str__(self) -> str:
        inputs, outputs = ", ".join(["w", "g", *self.states, "lr"]), ["update", *self.states]
        body = "".join(f"    {line}\n" for line in self.lines)
        return f"def train({inputs}):\n{body}    return {', '.join(outputs)}\n"

    def program(self, what: str = "this") -> Program:
        """what: it is, with its run. Raises StoreError if it is none."""
        return program_from(str(self), what)


def apply_edit(parent: ProgramText | None, edit: str) -> ProgramText:
    """The individual that an edit makes from its parent."""
    if parent is not None:
        return parent.edited(edit)
    head, *lines = edit.rstrip().split("\n")
    states = tuple(head[head.index("(") + 1 : head.index(")")].split(", ")[2:-1])  # w, g, ..., lr
    return ProgramText(states, tuple(line.strip() for line in lines[:-1]))


def ancestors(store: Reader, number: int) -> list[IndividualRow]:
    """An individual and those before it, the oldest first.

    Raises:
      StoreError: one of them does not exist, or was born after its child.
    """
    line: list[IndividualRow] = []
    here: int | None = number
    while here is not None:
        row = individual_row(store, here)
        if row is None:
            raise StoreError(f"there is no individual {here}")
        if row.parent is not None and row.parent >= here:
            raise StoreError(f"individual {here} has a parent that was born later, {row.parent}")
        line.append(row)
        here = row.parent
    return line[::-1]


def line(store: Reader, number: int) -> list[tuple[IndividualRow, Program]]:
    """An individual and those before it, the oldest first, with their whole programs.

    Raises:
      StoreError: see `ancestors`; or one of them is not a program.
    """
    return [(row, program_of(store, row.number, text)) for row, text in _texts(store, number)]


def individual(store: Reader, number: int) -> Program:
    """The whole program of an individual, redundant statements included.

    Only the last of its line is parsed, which after 100,000s of children has 1,000 others.
    """
    return program_of(store, number, _texts(store, number)[-1][1])


def _texts(store: Reader, number: int) -> list[tuple[IndividualRow, ProgramText]]:
    texts: dict[int, ProgramText] = {}
    for row in (rows := ancestors(store, number)):
        texts[row.number] = program_text_of(texts, row)
    return [(row, texts[row.number]) for row in rows]


def program_of(store: Reader, number: int, text: ProgramText) -> Program:
    """An individual's program. Raises StoreError if it is none, or has a function of the user's own
    that is not there."""
    try:
        return text.program(f"{store.path.parent}: individual {number}")
    except StoreError:
        check_functions(store)
        raise


def program_text_of(texts: Mapping[int, ProgramText], row: IndividualRow | Birth) -> ProgramText:
    """An individual from its parent.

    texts: by number. Raises StoreError if the parent is not there or the edit is not one of it.
    """
    try:
        return apply_edit(None if row.parent is None else texts[row.parent], row.edit)
    except (KeyError, ValueError):
        raise StoreError(f"individual {row.number} is not an edit of its parent") from None
