"""What is stored of single individuals, and sums over the children of a kind."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from search.evaluation.fitness import Evaluation
from search.evaluation.jobs import Purpose
from search.storage.conversion import evaluation_of
from search.storage.errors import StoreError
from search.storage.schema import EVALUATIONS, TRAININGS, EvaluationRow, TrainingRow
from search.storage.store import Reader


class Facts(NamedTuple):
    """An individual and its program."""

    number: int
    repeat: int
    child: int  # -1: a warm start
    parent: int | None
    mutation: str
    attempts: int  # draws until it was valid
    statements: int
    live: int
    reuse: str
    program: int  # id
    evaluated: int | None  # the individual whose evaluation counts; None: it was not trained
    functional: bytes
    states: int  # that the program needs
    rate: float
    fitness: float
    outcome: str
    text: str  # of the program, without redundant statements


def facts(store: Reader, number: int) -> Facts:
    """Raises StoreError if there is no such individual."""
    rows = store.rows(
        "SELECT number, repeat, child, parent, mutation, attempts, statements, individuals.live,"
        " reuse, programs.id, evaluated, functional, states, rate, fitness, outcome, text"
        " FROM individuals JOIN programs ON programs.id = program WHERE number = ?",
        (number,),
    )
    if not rows:
        raise StoreError(f"there is no individual {number}")
    return Facts(*rows[0])


def first_with_program(store: Reader, program: int) -> int:
    """Number of the first individual with a program."""
    [(number,)] = store.rows("SELECT min(number) FROM individuals WHERE program = ?", (program,))
    return int(number)


def last_child(store: Reader) -> dict[int, int]:
    """The last child of each repeat."""
    return dict(store.rows("SELECT repeat, max(child) FROM individuals GROUP BY repeat"))


def evaluations_of(store: Reader, number: int) -> list[tuple[Purpose, Evaluation]]:
    """All that an individual was trained for in the search, by purpose, task and seed."""
    query = f"SELECT {EVALUATIONS.columns} FROM {EVALUATIONS.name} WHERE individual = ? ORDER BY"
    rows = map(EvaluationRow._make, store.iterate(f"{query} 2, 3, 4, 5", (number,)))
    return [(_purpose(row.purpose), evaluation_of(row)) for row in rows]


def best_rate(store: Reader, evaluated: int) -> float:
    """Of those that an individual was tried at the one that its program has."""
    query = "SELECT rate FROM programs WHERE evaluated = ? ORDER BY id LIMIT 1"
    return next((float(rate) for (rate,) in store.iterate(query, (evaluated,))), 1.0)


def _purpose(text: str) -> Purpose:
    try:
        return Purpose(text)
    except ValueError:
        raise StoreError(f"a stored purpose is '{text[:40]}', which does not exist") from None


class KnownProgram(NamedTuple):
    """A program of the search that was looked for by its functional hash."""

    functional: bytes
    evaluated: int | None
    fitness: float
    outcome: str
    rate: float  # at which it was trained, as a factor of its update


def with_hashes(store: Reader, functional: Iterable[bytes]) -> dict[bytes, KnownProgram]:
    """The programs of the search with these functional hashes."""
    wanted = list(functional)
    marks = ", ".join("?" * len(wanted))
    query = "SELECT functional, evaluated, fitness, outcome, rate FROM programs WHERE functional IN"
    rows = map(KnownProgram._make, store.iterate(f"{query} ({marks})", wanted))
    return {row.functional: row for row in rows}


def trainings_of(store: Reader, functional: bytes) -> list[TrainingRow]:
    """What a program was trained for after the search."""
    query = f"SELECT {TRAININGS.columns} FROM {TRAININGS.name} WHERE program = ?"
    return list(map(TrainingRow._make, store.iterate(query, (functional.hex(),))))


class MutationCount(NamedTuple):
    """The children of one kind of mutation."""

    mutation: str
    children: int
    changed: int  # whose function is not their parent's
    completed: int  # of those, with a fitness
    better: int  # of those, fitter than their parent


def mutation_counts(store: Reader) -> list[MutationCount]:
    query = (
        "SELECT i.mutation, count(*), sum(i.program != p.program),"
        " sum(i.program != p.program AND a.outcome = 'COMPLETED'),"
        " sum(i.program != p.program AND a.fitness > b.fitness)"
        " FROM individuals i JOIN individuals p ON p.number = i.parent"
        " JOIN programs a ON a.id = i.program JOIN programs b ON b.id = p.program"
        " GROUP BY i.mutation ORDER BY i.mutation"
    )
    return list(map(MutationCount._make, store.iterate(query)))
