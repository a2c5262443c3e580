"""A program under obfuscation, statement by statement."""

from __future__ import annotations

import random
from dataclasses import replace

from programs import Program, Statement, analyse
from programs.functions import FUNCTIONS
from programs.kinds import Kind


class Draft:
    """A program being edited."""

    def __init__(self, program: Program):
        self.program = program
        self.count = 0

    @property
    def statements(self) -> tuple[Statement, ...]:
        return self.program.statements

    def fresh(self) -> str:
        self.count += 1
        return f"t_{self.count}"

    def put(self, place: int, *new: Statement) -> None:
        """Replaces the statement at a place."""
        statements = self.statements
        self.program = replace(
            self.program, statements=statements[:place] + new + statements[place + 1 :]
        )

    def insert(self, place: int, *new: Statement) -> None:
        statements = self.statements
        self.program = replace(
            self.program, statements=statements[:place] + new + statements[place:]
        )

    def kinds_before(self, place: int) -> dict[str, Kind]:
        """The kind of each variable that is defined before a statement."""
        kinds = {name: Kind.TENSOR for name in self.program.inputs} | {"lr": Kind.SCALAR}
        analysis = analyse(self.program)
        for statement, kind in zip(self.statements[:place], analysis.kinds):
            kinds[statement.target] = kind
        return kinds

    def places(self, *functions: str) -> list[int]:
        return [
            i
            for i, statement in enumerate(self.statements)
            if not functions or statement.function in functions
        ]

    def varying(self) -> list[int]:
        """The statements whose results are not constants."""
        names, found = set(self.program.inputs), []
        for i, statement in enumerate(self.statements):
            if names.isdisjoint(statement.arguments):
                names.discard(statement.target)
            else:
                names.add(statement.target)
                found.append(i)
        return found


def neat(number: float) -> float:
    return float(f"{number:.12g}")


def add_redundant(draft: Draft, rng: random.Random) -> None:
    place = rng.randint(0, len(draft.statements))
    kinds = draft.kinds_before(place)
    row = rng.choice(list(FUNCTIONS.values()))
    arguments: list[str | float] = []
    for slot in range(row.arity):
        names = [
            n for n, k in kinds.items() if k is Kind.SCALAR or slot not in row.scalar_arguments
        ]
        arguments.append(rng.choice([*names, neat(rng.gauss(0, 1))]))
    unread = sorted(kinds.keys() - read_from(draft, place))
    target = rng.choice(unread) if unread and rng.random() < 0.3 else draft.fresh()
    draft.insert(place, Statement(target, row.name, tuple(arguments)))


def read_from(draft: Draft, place: int) -> set[str]:
    """The variables whose values before a statement are still read, by it, a later one or no one
    but the training loop."""
    read = set(draft.program.outputs)
    for statement in reversed(draft.statements[place:]):
        read.discard(statement.target)
        read.update(a for a in statement.arguments if isinstance(a, str))
    return read
