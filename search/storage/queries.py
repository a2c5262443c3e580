"""What is asked of a run's store: each question a function that returns typed rows.

The best programs are in leaders.py.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

from search.evaluation.fitness import Evaluation, Outcome
from search.evaluation.jobs import Purpose
from search.storage.conversion import evaluation_of
from search.storage.schema import (
    EVALUATIONS,
    EVENTS,
    IMPORTED,
    INDIVIDUALS,
    PROGRAMS,
    STAGE_ENTRIES,
    STAGES,
    TABLES,
    TRAININGS,
    EvaluationRow,
    EventRow,
    ImportedRow,
    IndividualRow,
    ProgramRow,
    StageEntryRow,
    StageRow,
    Table,
    TrainingRow,
)
from search.storage.store import Reader


def _rows(
    store: Reader, table: Table, rest: str = "", values: tuple[str | float, ...] = ()
) -> Iterator[Any]:
    """The rows of a table; rest: WHERE and ORDER BY."""
    found = store.iterate(f"SELECT {table.columns} FROM {table.name} {rest}", values)
    return map(table.row._make, found)


def last_number(store: Reader) -> int:
    """Number of the last individual; -1: there is none."""
    number: int
    [(number,)] = store.rows("SELECT coalesce(max(number), -1) FROM individuals")
    return number


def individual_row(store: Reader, number: int) -> IndividualRow | None:
    return next(_rows(store, INDIVIDUALS, "WHERE number = ?", (number,)), None)


def programs(store: Reader) -> Iterator[ProgramRow]:
    """In order of their first individual."""
    return _rows(store, PROGRAMS, "ORDER BY id")


def imported(store: Reader) -> Iterator[ImportedRow]:
    return _rows(store, IMPORTED)


def trainings(store: Reader) -> Iterator[TrainingRow]:
    """In order of program, task, seed and split."""
    return _rows(store, TRAININGS, f"ORDER BY {', '.join(TRAININGS.key_columns)}")


def stages(store: Reader) -> list[StageRow]:
    """The stages of the latest funnel, in order."""
    return list(_rows(store, STAGES, "ORDER BY stage"))


def stage_entries(store: Reader, stage: int) -> list[StageEntryRow]:
    """The programs of one stage, in order of place."""
    return list(_rows(store, STAGE_ENTRIES, "WHERE stage = ? ORDER BY place", (stage,)))


def events(store: Reader) -> Iterator[EventRow]:
    return _rows(store, EVENTS, "ORDER BY id")


def table(store: Reader, name: str) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """The columns and all rows of a table; raises KeyError if there is none with this name."""
    known = {table.name: table for table in TABLES.values()}
    if name not in known:
        raise KeyError(f"no table {name!r}; there are: {', '.join(known)}")
    return known[name].row._fields, list(_rows(store, known[name], "ORDER BY 1"))


def table_sizes(store: Reader) -> dict[str, int]:
    """The number of rows of every table, by name."""
    return {
        table.name: store.rows(f"SELECT count(*) FROM {table.name}")[0][0]
        for table in TABLES.values()
    }


# Evaluations.

Evaluations = dict[int, tuple[Evaluation, ...]]
"""By number of the individual."""


def evaluations(
    store: Reader, purpose: Purpose, *, first: float = 0, last: float = math.inf
) -> Evaluations:
    """What is stored of a purpose; first, last: of these individuals alone."""
    where = "WHERE purpose = ? AND individual BETWEEN ? AND ?"
    found: dict[int, list[Evaluation]] = {}
    row: EvaluationRow
    for row in _rows(store, EVALUATIONS, where, (purpose.value, first, last)):
        found.setdefault(row.individual, []).append(evaluation_of(row))
    return {number: tuple(its) for number, its in found.items()}


def evaluated(store: Reader, purpose: Purpose, *, outcome: Outcome | None = None) -> set[int]:
    """Individuals with evaluations of a purpose, or with some of that outcome."""
    query = (
        "SELECT DISTINCT individual FROM evaluations WHERE purpose = ?"
        " AND outcome = coalesce(?, outcome)"
    )
    named = None if outcome is None else outcome.name
    return {number for (number,) in store.rows(query, (purpose.value, named))}


def has_results(store: Reader) -> bool:
    """Whether anything was evaluated."""
    query = "SELECT EXISTS (SELECT 1 FROM individuals) OR EXISTS (SELECT 1 FROM evaluations)"
    return store.rows(query) == [(1,)]


def training_counts(store: Reader) -> Iterator[tuple[int, int]]:
    """Number and trainings in the search of each individual that was trained, in order of birth."""
    query = (
        "SELECT individual, count(*) FROM evaluations WHERE purpose = ? AND individual <="
        " (SELECT max(number) FROM individuals) GROUP BY individual ORDER BY individual"
    )
    return store.iterate(query, (Purpose.SEARCH.value,))


# Individuals with their programs.


class Birth(NamedTuple):
    """An individual with the fitness of its program."""

    number: int
    repeat: int
    child: int
    parent: int | None
    mutation: str
    edit: str
    reuse: str
    statements: int
    live: int
    functional: bytes
    states: int  # that the program needs
    fitness: float
    text: str  # of the program


def births(
    store: Reader, *, after: int = -1, repeats: range | None = None, with_text: bool = False
) -> Iterator[Birth]:
    """Individuals in order of birth, from the one after a number on.

    repeats: of these alone; with_text: else `text` is empty.
    """
    text = "text" if with_text else "''"
    where, values = "number > ?", [after]
    if repeats is not None:
        where += " AND repeat BETWEEN ? AND ?"
        values += [repeats[0], repeats[-1]]
    found = store.iterate(
        "SELECT number, repeat, child, parent, mutation, edit, reuse, statements, individuals.live,"
        f" functional, states, fitness, {text} FROM individuals"
        f" JOIN programs ON programs.id = program WHERE {where} ORDER BY number",
        values,
    )
    return map(Birth._make, found)


def fitness_of(store: Reader, number: int) -> float:
    """The fitness of an individual's program."""
    fitness: float
    [(fitness,)] = store.rows("SELECT fitness FROM history WHERE number = ?", (number,))
    return fitness


def first_as_fit(store: Reader, fitness: float) -> int | None:
    """Number of the first individual with this fitness or a better one."""
    query = "SELECT min(first) FROM distinct_programs WHERE fitness >= ?"
    number: int | None
    [(number,)] = store.rows(query, (fitness,))
    return number


def outcomes_of(store: Reader, purpose: Purpose) -> list[tuple[int, str]]:
    """Individuals with evaluations of a purpose, and their programs' outcomes in the search."""
    query = (
        "SELECT number, outcome FROM history WHERE number IN"
        " (SELECT individual FROM evaluations WHERE purpose = ?)"
    )
    return store.rows(query, (purpose.value,))


class FirstOfProgram(NamedTuple):
    """A program and the number of its first individual."""

    first: int
    functional: bytes
    canonical: bytes
    outcome: str
    text: str
    rate: float  # that the text has; the first that was tried


def rejected_programs(store: Reader) -> list[FirstOfProgram]:
    """Programs that were not trained to their end, in order."""
    query = (
        "SELECT first, functional, canonical, outcome, text, rate FROM distinct_programs"
        " WHERE outcome NOT IN ('COMPLETED', 'DIVERGED', 'FAILED') ORDER BY id"
    )
    return list(map(FirstOfProgram._make, store.iterate(query)))


class Descent(NamedTuple):
    """A program as its first individual has it, and its parent's."""

    outcome: str
    text: str
    rate: float  # that the text has, of the program as it was drawn
    parent: str


def descents(store: Reader) -> list[Descent]:
    """Of the programs that were trained, in order; the warm starts aside."""
    query = (
        "SELECT distinct_programs.outcome, distinct_programs.text, distinct_programs.rate,"
        " programs.text FROM distinct_programs"
        " JOIN individuals AS born ON born.number = first"
        " JOIN individuals AS parents ON parents.number = born.parent"
        " JOIN programs ON programs.id = parents.program"
        " WHERE distinct_programs.outcome IN ('COMPLETED', 'HURDLE', 'DIVERGED')"
        " ORDER BY distinct_programs.id"
    )
    return list(map(Descent._make, store.iterate(query)))


# Counts.


class Totals(NamedTuple):
    """Sums over all individuals."""

    individuals: int
    attempts: int
    statements: int
    live: int


def totals(store: Reader) -> Totals:
    query = "SELECT count(*), sum(attempts), sum(statements), sum(live) FROM individuals"
    [row] = store.rows(query)
    return Totals(*(value or 0 for value in row))


def reuse_counts(store: Reader) -> dict[str, int]:
    """Individuals by the first hash that was known."""
    return dict(store.rows("SELECT reuse, count(*) FROM individuals GROUP BY reuse"))


def outcome_counts(store: Reader) -> dict[str, int]:
    """Programs by outcome."""
    return dict(store.rows("SELECT outcome, count(*) FROM programs GROUP BY outcome"))


class Seconds(NamedTuple):
    """Time that a search spent on the programs of one outcome."""

    outcome: str
    programs: int  # that were evaluated
    training: float
    compilation: float


def seconds_by_outcome(store: Reader) -> list[Seconds]:
    """By the outcome of the program; of one whose individual is not committed, by whether it has
    completed at some rate."""
    by_rate = (
        "SELECT individual, sum(run_seconds) AS training, sum(compile_seconds) AS compilation,"
        " coalesce(max(nullif(outcome, 'COMPLETED')), 'COMPLETED') AS outcome"
        " FROM evaluations WHERE purpose = 'search' GROUP BY individual, rate"
    )
    by_individual = (
        "SELECT individual, sum(training) AS training, sum(compilation) AS compilation, CASE WHEN"
        " max(outcome = 'COMPLETED') THEN 'COMPLETED' ELSE max(outcome) END AS outcome"
        f" FROM ({by_rate}) GROUP BY individual"
    )
    committed = "SELECT DISTINCT evaluated, outcome FROM programs WHERE evaluated IS NOT NULL"
    query = (
        "SELECT coalesce(committed.outcome, trained.outcome) AS of_program, count(*),"
        f" sum(training), sum(compilation) FROM ({by_individual}) AS trained"
        f" LEFT JOIN ({committed}) AS committed ON evaluated = individual GROUP BY of_program"
    )
    return list(map(Seconds._make, store.iterate(query)))


def best_program(store: Reader) -> tuple[float, str] | None:
    """Fitness and text; the oldest of equal ones."""
    query = "SELECT fitness, text FROM programs ORDER BY fitness DESC, id LIMIT 1"
    return next(store.iterate(query), None)


def start_fitness(store: Reader, repeat: int | None = None) -> float:
    """The best fitness of the warm starts, of all repeats or of one; NaN if there is none yet.

    What a later round begins with is no warm start: it is born after a child.
    """
    query = (
        "SELECT max(fitness) FROM history WHERE child = -1 AND repeat = coalesce(?, repeat) AND"
        " number < (SELECT coalesce(min(number), 1e18) FROM individuals WHERE child >= 0)"
    )
    [(fitness,)] = store.rows(query, (repeat,))
    return math.nan if fitness is None else fitness


def completed_fitness(store: Reader) -> list[float]:
    """Of all programs that have a fitness."""
    query = "SELECT fitness FROM programs WHERE outcome = 'COMPLETED'"
    return [fitness for (fitness,) in store.iterate(query)]


# The history as a whole.


def history_digest(store: Reader) -> str:
    """A hash of what the config decides: individuals, hashes, fitness, bit for bit.

    The columns are named so that digests stay comparable over versions of the schema.
    """
    digest = hashlib.blake2b(digest_size=16)
    for query in (
        "SELECT number, repeat, child, parent, mutation, attempts, statements, live, reuse, edit,"
        " functional, program, fitness, outcome FROM history ORDER BY number",
        "SELECT id, functional, canonical, behavioural, evaluated, live, fitness, outcome, text"
        " FROM programs ORDER BY id",
    ):
        with store.as_written():
            rows = store.iterate(query)
            while some := "".join(map(repr, islice(rows, 1000))):
                digest.update(some.encode())
    return digest.hexdigest()
