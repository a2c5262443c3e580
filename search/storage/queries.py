"""What is read from a run's store."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

from programs import Program, parse
from search.evaluation.fitness import Evaluation, evaluation_of
from search.storage.store import Reader

Evaluations = dict[int, tuple[Evaluation, ...]]  # by number of the individual


def evaluations(store: Reader, purpose: str, condition: str = "TRUE") -> Evaluations:
    """What is stored of a purpose, by individual."""
    found: dict[int, list[Evaluation]] = {}
    for number, *row in store.iterate(
        "SELECT individual, task, seed, fitness, outcome, steps, checkpoints, compile_seconds,"
        f" run_seconds FROM evaluations WHERE purpose = ? AND {condition}",
        (purpose,),
    ):
        found.setdefault(number, []).append(evaluation_of(row))
    return {number: tuple(own) for number, own in found.items()}


@dataclass(frozen=True)
class Leader:
    """A distinct program of a search, with the fitness that the search gave it."""

    number: int  # of the first individual with this program
    live: int
    fitness: float
    text: str

    @property
    def program(self) -> Program:
        return parse(self.text)


def leaders(store: Reader, count: int, before: int | None = None) -> list[Leader]:
    """The fittest programs with different behaviour; of equal ones the shorter, then the older.

    before: only programs that were told before this individual.
    """
    bound = math.inf if before is None else before
    found: dict[bytes, Leader] = {}
    for number, behaviour, live, fitness, text in store.iterate(
        "SELECT first, coalesce(behavioural, functional), live, fitness, text FROM programs"
        " JOIN (SELECT program, min(number) AS first FROM individuals GROUP BY program)"
        " ON program = programs.id WHERE fitness > -1e999 AND first < ?"
        " ORDER BY fitness DESC, live, programs.id",
        (bound,),
    ):
        if len(found) == count:
            break
        found.setdefault(behaviour, Leader(number, live, fitness, text))
    return list(found.values())


def hall_of_fame(store: Reader) -> list[Leader]:
    """The fittest program of each live length that occurs, the shortest first."""
    best = store.rows(
        "SELECT min(number), programs.live, fitness, text FROM programs JOIN individuals"
        " ON program = programs.id WHERE fitness > -1e999 GROUP BY programs.id"
        " ORDER BY programs.live, fitness DESC, programs.id"
    )
    fame: list[Leader] = []
    for row in best:
        if not fame or row[1] > fame[-1].live:
            fame.append(Leader(*row))
    return fame


def warm_start(store: Reader) -> Leader:
    """The best of the first round's warm starts."""
    [row] = store.rows(
        "SELECT number, programs.live, fitness, text FROM individuals JOIN programs"
        " ON programs.id = program WHERE child = -1 AND repeat = 0"
        " ORDER BY fitness DESC, number LIMIT 1"
    )
    return Leader(*row)


TABLES = ("individuals", "programs", "evaluations", "events")


def table(store: Reader, name: str) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """The columns and all rows of one of TABLES; raises KeyError for another name."""
    if name not in TABLES:
        raise KeyError(f"no table {name!r}; there are: {', '.join(TABLES)}")
    columns = tuple(c for (c,) in store.rows("SELECT name FROM pragma_table_info(?)", (name,)))
    return columns, store.rows(f"SELECT {', '.join(columns)} FROM {name} ORDER BY 1")


class Birth(NamedTuple):
    """An individual as it was born."""

    number: int
    parent: int | None
    mutation: str
    reuse: str  # the first hash by which its program was known, or new
    fitness: float


def history(store: Reader) -> list[Birth]:
    """All individuals in order of birth."""
    query = "SELECT number, parent, mutation, reuse, fitness FROM history ORDER BY number"
    return [Birth(*row) for row in store.rows(query)]
