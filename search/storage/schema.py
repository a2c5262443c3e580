"""The schema of a run's `search.db`: each table is a NamedTuple, each column one of its fields.

`search.db` is the log, checkpoint, fitness cache and lineage of a search, and the record of all
that follows it. `sqlite3 -readonly RUN/search.db` may read it at any time.

Fitness is higher-is-better; -Inf means that there is none, and `outcome` says why (the names of
search.evaluation.fitness.Outcome). JSON columns hold arrays.
"""

from __future__ import annotations

import types
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple, TypeAlias, get_args, get_type_hints

VERSION = 3  # PRAGMA user_version; version 2 had no `unit` in `stages`, 1 kept them in `meta`
APPLICATION_ID = int.from_bytes(b"UpRS", "big")  # PRAGMA application_id: a file of this program

MetaKey = Literal[
    "config",  # the resolved config, YAML
    "history",  # the settings that decide the history, JSON
    "tasks",  # fingerprints of tasks, settings and data by name, JSON
    "functions",  # fingerprints of the functions of a user's own by name, JSON; none: {}
    "programs",  # texts of the program files that the config names, by name, JSON
    "versions",  # of the packages that a fitness depends on, JSON
    "imported_runs",  # run directories whose scores are in `imported`, JSON
    "searched_s",  # seconds of the search over all its processes
    "cut",  # where time was up: the hours, and the number from which on nothing is born, JSON
]


class MetaRow(NamedTuple):
    """What the run is."""

    key: str  # one of MetaKey
    value: str


class IndividualRow(NamedTuple):
    """One individual: a warm start or a child."""

    number: int  # order of birth over all repeats
    repeat: int
    child: int  # order of birth in its repeat; -1: a warm start
    parent: int | None  # number of an individual of the same round; NULL: none
    mutation: str  # start, insert, delete, modify, constant or random
    attempts: int  # draws until the child was valid
    statements: int
    live: int  # statements that are not redundant
    program: int  # id of the program with the same functional hash
    reuse: str
    """The first hash that was known at its birth: functional, canonical or behavioural (which is
    counted, but trained), or new."""
    edit: str  # the difference from its parent, see lineage.py; without a parent the whole text


class ProgramRow(NamedTuple):
    """One distinct program: all individuals with the same functional hash."""

    id: int  # 1, 2, ... in order of its first individual
    functional: bytes  # the three hashes
    canonical: bytes
    behavioural: bytes | None  # NULL: not computed
    evaluated: int | None  # number of the individual whose evaluation counts; NULL: none
    live: int  # statements that are not redundant
    states: int  # that any later update depends on
    rate: float
    """Factor of the update, relative to the program as it was drawn, that its fitness was reached
    with; it is in the text and in the individuals, and not in the hashes."""
    fitness: float
    outcome: str
    text: str  # without redundant statements


class EvaluationRow(NamedTuple):
    """One training of an individual in a search: one task, one seed."""

    individual: int
    purpose: str  # see search.evaluation.jobs.Purpose
    task: str
    """Name, with its scale; empty: a worker failed, and this row stands for all tasks and seeds."""
    seed: int
    rate: float  # factor of the update that it was trained with
    fitness: float | None  # NULL: not a number
    outcome: str
    steps: int  # training steps that were run
    checkpoints: str  # fitness at the hurdles that were reached, JSON
    compile_seconds: float
    run_seconds: float


class TrainingRow(NamedTuple):
    """One training after a search: for the funnel, tuning, ablation or validation."""

    program: str  # functional hash, hexadecimal; of a hand-designed optimizer its description
    fingerprint: str  # of the task, its data and engine
    seed: int
    split: str  # of the examples that the fitness is measured on
    task: str  # name, with its scale
    fitness: float
    outcome: str
    steps: int
    seconds: float  # compilation and training
    cause: str  # why a worker failed; else empty


class StageRow(NamedTuple):
    """One stage of the latest funnel."""

    stage: int  # 0, 1, ...
    name: str
    tasks: str  # JSON
    level: float  # one-sided significance level of its comparisons
    beat: int  # 1: only what beats every baseline is promoted
    weights: str  # of the tasks, JSON; null: all equal
    unit: str  # what is compared in pairs: `seeds`, or `tunings` with their means over seeds


class StageEntryRow(NamedTuple):
    """One program in one stage, a candidate or a baseline."""

    stage: int
    place: int  # 0, 1, ...: candidates before baselines, the best first
    name: str
    program: str  # text, with the constants of this stage's tuning
    fitness: str  # [pairs], mean over tasks, JSON; null: not finite
    promoted: int  # 1: it went on to the next stage
    baseline: str | None  # that it compares worst with; NULL, with all that follows: is a baseline
    difference: float | None  # mean fitness minus that baseline's, over the pairs
    low: float | None  # its confidence interval
    high: float | None
    margin: float | None  # that the difference must exceed; below 0: not much worse is enough
    p: float | None  # one-sided, of "not above the margin"; in the finals adjusted for their number


class ImportedRow(NamedTuple):
    """The score of a program in an earlier run (`cache.runs`)."""

    key: bytes  # functional or canonical hash, as `cache.key` says
    fitness: float
    outcome: str
    by_task: str  # [tasks], JSON; empty unless completed
    checkpoints: str  # [tasks, hurdles], JSON
    rate: float  # see ProgramRow


class EventRow(NamedTuple):
    """A start, a resume, a lost worker, a retry."""

    id: int
    at: float  # Unix seconds
    kind: str
    text: str


class ChecksumRow(NamedTuple):
    """What a table holds, so that damage is noticed (see checksums.py)."""

    name: str
    rows: int
    checksum: int


Row: TypeAlias = (
    MetaRow
    | IndividualRow
    | ProgramRow
    | EvaluationRow
    | TrainingRow
    | StageRow
    | StageEntryRow
    | ImportedRow
    | EventRow
)


@dataclass(frozen=True)
class Table:
    """A table by its row type; the first `key` columns are the primary key."""

    name: str
    row: Any  # a NamedTuple class
    key: int = 1
    replace: bool = False  # whether a new row may take the place of one with the same key

    @property
    def columns(self) -> str:
        return ", ".join(self.row._fields)

    @property
    def key_columns(self) -> tuple[str, ...]:
        names: tuple[str, ...] = self.row._fields[: self.key]
        return names

    @property
    def create(self) -> str:
        """The SQL that makes it."""
        hints = get_type_hints(self.row)
        lines = [f"{name} {_sql_type(hints[name])}" for name in self.row._fields]
        lines.append(f"PRIMARY KEY ({', '.join(self.key_columns)})")
        is_rowid = self.key == 1 and hints[self.key_columns[0]] is int
        end = "" if is_rowid else " WITHOUT ROWID"
        return f"CREATE TABLE {self.name} ({', '.join(lines)}){end}"

    @cached_property
    def wrong_types(self) -> str:
        """The SQL condition of rows that hold a value that no row of this type could."""
        hints = get_type_hints(self.row)
        return " OR ".join(
            f"typeof({name}) NOT IN ({_sql_names(hints[name])})" for name in self.row._fields
        )

    @cached_property
    def types(self) -> tuple[type, ...]:
        """[columns] int, float, str or bytes."""
        hints = get_type_hints(self.row)
        return tuple(_python_type(hints[name]) for name in self.row._fields)


_SQL_TYPES = {int: "INTEGER", float: "REAL", str: "TEXT", bytes: "BLOB"}


def _python_type(hint: Any) -> type:
    python_type: type = get_args(hint)[0] if isinstance(hint, types.UnionType) else hint
    return python_type


def _sql_names(hint: Any) -> str:
    """What SQLite's typeof says of such values."""
    null = ", 'null'" if isinstance(hint, types.UnionType) else ""
    return f"'{_SQL_TYPES[_python_type(hint)].lower()}'{null}"


def _sql_type(hint: Any) -> str:
    null = "" if isinstance(hint, types.UnionType) else " NOT NULL"
    return _SQL_TYPES[_python_type(hint)] + null


META = Table("meta", MetaRow, replace=True)
INDIVIDUALS = Table("individuals", IndividualRow)
PROGRAMS = Table("programs", ProgramRow)
EVALUATIONS = Table("evaluations", EvaluationRow, key=5)
TRAININGS = Table("trainings", TrainingRow, key=4, replace=True)
STAGES = Table("stages", StageRow)
STAGE_ENTRIES = Table("stage_entries", StageEntryRow, key=2)
IMPORTED = Table("imported", ImportedRow)
EVENTS = Table("events", EventRow)
CHECKSUMS = Table("checksums", ChecksumRow)

TABLES = {
    table.row: table
    for table in (
        META,
        INDIVIDUALS,
        PROGRAMS,
        EVALUATIONS,
        TRAININGS,
        STAGES,
        STAGE_ENTRIES,
        IMPORTED,
        EVENTS,
    )
}  # by row type; CHECKSUMS is about these

HISTORY = (
    "CREATE VIEW history AS SELECT number, repeat, child, parent, mutation, attempts, statements,"
    " individuals.live, reuse, edit, hex(functional) AS functional, programs.id AS program,"
    " fitness, outcome FROM individuals JOIN programs ON programs.id = individuals.program"
)
"""Individuals with their program's hash, fitness and outcome."""

DISTINCT = (
    "CREATE VIEW distinct_programs AS SELECT programs.*, first FROM programs JOIN"
    " (SELECT program, min(number) AS first FROM individuals GROUP BY program)"
    " ON program = programs.id"
)
"""Programs with the number of their first individual."""

SCHEMA = (*(table.create for table in (*TABLES.values(), CHECKSUMS)), HISTORY, DISTINCT)
