"""Individuals as edits of their parents: small to store, readable, and exact to rebuild.

An edit is a text of lines: `POSITION REMOVED`, then the statements put in place of the removed
ones.
The edit of an individual without a parent is its whole text.
"""

from __future__ import annotations

from dataclasses import dataclass

from programs import Program, parse
from search.storage.store import Reader, StoreError


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
class Written:
    """A program as text, statement by statement."""

    states: tuple[str, ...]
    lines: tuple[str, ...]

    def edited(self, edit: str) -> Written:
        """The child, from its parent."""
        head, *inserted = edit.split("\n")
        start, removed = map(int, head.split())
        lines = (*self.lines[:start], *inserted, *self.lines[start + removed :])
        return Written(self.states, lines)

    def program(self) -> Program:
        inputs, outputs = ", ".join(["w", "g", *self.states, "lr"]), ["update", *self.states]
        body = "".join(f"    {line}\n" for line in self.lines)
        return parse(f"def train({inputs}):\n{body}    return {', '.join(outputs)}\n")


def rebuilt(parent: Written | None, edit: str) -> Written:
    """The individual that an edit makes from its parent."""
    if parent is not None:
        return parent.edited(edit)
    head, *lines = edit.rstrip().split("\n")
    states = tuple(head[head.index("(") + 1 : head.index(")")].split(", ")[2:-1])  # w, g, ..., lr
    return Written(states, tuple(line.strip() for line in lines[:-1]))


def ancestors(store: Reader, number: int) -> list[tuple[int, str, str]]:
    """Number, mutation and edit of an individual and of those before it, the oldest first."""
    query = "SELECT parent, mutation, edit FROM individuals WHERE number = ?"
    line: list[tuple[int, str, str]] = []
    here: int | None = number
    while here is not None:
        rows = store.rows(query, (here,))
        if not rows:
            raise StoreError(f"there is no individual {here}")
        [(parent, mutation, edit)] = rows
        line.append((here, mutation, edit))
        here = parent
    return line[::-1]


def individual(store: Reader, number: int) -> Program:
    """The whole program of an individual, redundant statements included."""
    here: Written | None = None
    for _, _, edit in ancestors(store, number):
        here = rebuilt(here, edit)
    assert here is not None
    return here.program()
