"""The best programs of a search: by fitness, by length, by the states that they need."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from programs import Program
from search.storage.conversion import program_from
from search.storage.errors import StoreError
from search.storage.identity import check_functions
from search.storage.store import Reader


@dataclass(frozen=True)
class Leader:
    """A distinct program of a search, with the fitness that the search gave it."""

    number: int  # of the first individual with this program
    live: int
    fitness: float
    text: str
    states: int = 0  # that it needs
    run: str = field(
        default="", compare=False, repr=False, kw_only=True
    )  # its directory, for messages

    @property
    def program(self) -> Program:
        """Raises StoreError if the run was damaged or written by another program, or it has a
        function of the user's own that is not there."""
        try:
            return program_from(self.text, f"{self.run}: individual {self.number}")
        except StoreError:
            with Reader(self.run, verified=False) as store:
                check_functions(store)
            raise


def leaders(
    store: Reader, count: int, before: int | None = None, *, states: int | None = None
) -> list[Leader]:
    """The fittest programs with different behaviour; of equal ones the shorter, then the older.
    Those that were trained once, as they are equal by algebra, have the same.

    before: only programs committed before this individual; states: only those that need so many.
    """
    by_behaviour: dict[bytes, Leader] = {}
    texts: set[str] = set()  # a program may have been drawn at several rates
    trained: set[int] = set()
    for behaviour, evaluated, *row in store.iterate(
        "SELECT coalesce(behavioural, functional), evaluated, first, live, fitness, text, states"
        " FROM distinct_programs WHERE fitness > -1e999 AND first < ?"
        " AND states = coalesce(?, states) ORDER BY fitness DESC, live, id",
        (math.inf if before is None else before, states),
    ):
        if len(by_behaviour) == count:
            break
        leader = Leader(*row, run=str(store.path.parent))
        if leader.text not in texts and evaluated not in trained:
            by_behaviour.setdefault(behaviour, leader)
            texts.add(leader.text)
            if evaluated is not None:  # by this run
                trained.add(evaluated)
    return list(by_behaviour.values())


def numbers_of_states(store: Reader) -> list[int]:
    """How many states the programs with a fitness need, each number once, rising."""
    rows = store.iterate(
        "SELECT DISTINCT states FROM distinct_programs WHERE fitness > -1e999 ORDER BY states"
    )
    return [states for (states,) in rows]


def front(store: Reader) -> list[Leader]:
    """The programs that are better than all that need no more states and no more live statements:
    by states, then by live statements."""
    return undominated(
        Leader(*row, run=str(store.path.parent))
        for row in store.iterate(
            "SELECT first, live, fitness, text, states FROM distinct_programs"
            " WHERE fitness > -1e999 ORDER BY states, live, fitness DESC, id"
        )
    )


def undominated(programs: Iterable[Leader]) -> list[Leader]:
    """programs: by states, then by live statements, then the best first."""
    kept: list[Leader] = []
    for one in programs:
        if all(other.live > one.live or other.fitness < one.fitness for other in kept):
            kept.append(one)
    return kept


def hall_of_fame(store: Reader) -> list[Leader]:
    """The fittest program of each live length, the shortest first; left out where a shorter one is
    as fit."""
    fame: list[Leader] = []
    for leader in store.iterate(
        "SELECT first, live, fitness, text, states FROM distinct_programs WHERE fitness > -1e999"
        " ORDER BY live, fitness DESC, id"
    ):
        entry = Leader(*leader, run=str(store.path.parent))
        if not fame or entry.fitness > fame[-1].fitness:
            fame.append(entry)
    return fame


def warm_start(store: Reader) -> Leader:
    """The best of the first round's warm starts."""
    [row] = store.rows(
        "SELECT number, programs.live, fitness, text, states FROM individuals JOIN programs"
        " ON programs.id = program WHERE child = -1 AND repeat = 0"
        " ORDER BY fitness DESC, number LIMIT 1"
    )
    return Leader(*row, run=str(store.path.parent))
