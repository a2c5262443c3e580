"""Individuals as edits of their parents: small to store, readable, and exact to rebuild.

An edit is a text of lines: `POSITION REMOVED`, then the statements put in place of the removed
ones.
The edit of a warm start or of a random program is made from the empty program.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping

from programs import Program, parse

Lines = tuple[str, ...]


def edit_between(parent: Program | None, child: Program) -> str:
    """The shortest single edit that turns the parent's statements into the child's."""
    old = parent.statements if parent else ()
    new = child.statements
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


def edited(lines: Lines, edit: str) -> Lines:
    """The child's statements, from the parent's."""
    head, *inserted = edit.split("\n")
    start, removed = map(int, head.split())
    return (*lines[:start], *inserted, *lines[start + removed :])


def program_of(states: Iterable[str], lines: Lines) -> Program:
    """The program with these states and statements, as text."""
    states = tuple(states)
    inputs, outputs = ", ".join(["w", "g", *states, "lr"]), ", ".join(["update", *states])
    body = "".join(f"    {line}\n" for line in lines)
    return parse(f"def train({inputs}):\n{body}    return {outputs}\n")


class Rebuilt:
    """Statements of individuals, rebuilt in order of number; keeps those that can still be
    parents."""

    def __init__(self, keep: int):
        """keep: how many of the latest individuals of a repeat to keep, besides its warm starts."""
        self._keep = keep
        self._lines: dict[int, Lines] = {}
        self._recent: dict[int, deque[int]] = {}

    def add(self, number: int, repeat: int, child: int, parent: int | None, edit: str) -> None:
        self._lines[number] = edited(() if parent is None else self._lines[parent], edit)
        if child >= 0:
            recent = self._recent.setdefault(repeat, deque())
            recent.append(number)
            if len(recent) > self._keep:
                del self._lines[recent.popleft()]

    @property
    def lines(self) -> Mapping[int, Lines]:
        """Statements by the number of the individual."""
        return self._lines
