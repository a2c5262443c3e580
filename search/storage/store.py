"""One SQLite file per run: the log, the checkpoint, the fitness cache and the lineage of a search.

Schema (PRAGMA user_version 1); `sqlite3 -readonly RUN/search.db` may read it during a search.

    meta         key, value        the resolved config, versions, data fingerprints
    individuals  number            order of birth and of telling, over all repeats
                 repeat, child     child = -1: a warm start
                 parent            number of an individual of the same repeat; NULL: none
                 mutation          start, insert, delete, modify, constant or random
                 attempts          draws until the child was valid
                 statements, live  length, and how many statements are not redundant
                 program           the row of programs with the same functional hash
                 reuse             the first hash that was known when it was born: functional,
                                   canonical, behavioural (counted, but trained), or new
                 edit              how it differs from its parent (see lineage.py); its text
    programs     id, functional    one row per functional hash, in order of telling
                 canonical         NULL where not computed
                 behavioural       NULL where not computed
                 evaluated         number of the individual whose evaluation counts, or NULL
                 live, text        live statements; the program without redundant statements
                 fitness, outcome  fitness -Inf: the outcome says why
    evaluations  individual, purpose, task, seed
                                   purpose: search, audit (statistics only) or rescore
                 fitness, outcome  as the task's training ended
                 steps             training steps that were run
                 checkpoints       JSON: fitness at the hurdles reached
                 compile_seconds, run_seconds
    known        key, score        taken over from earlier runs: cache key, JSON
    events       at, kind, text    starts, failures, retries; `at` in Unix seconds
    history      a view: individuals with their program's hash, fitness and outcome

Only one process writes: it holds a lock on the run directory until it ends, however it ends. Rows
are gathered and committed together; what is committed survives a kill at any moment.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import socket
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from search.config.settings import StoreSettings

VERSION = 1
FILE = "search.db"

_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE individuals (
    number INTEGER PRIMARY KEY, repeat INTEGER NOT NULL, child INTEGER NOT NULL, parent INTEGER,
    mutation TEXT NOT NULL, attempts INTEGER NOT NULL, statements INTEGER NOT NULL,
    live INTEGER NOT NULL, program INTEGER NOT NULL, reuse TEXT NOT NULL, edit TEXT NOT NULL);
CREATE TABLE programs (
    id INTEGER PRIMARY KEY, functional BLOB NOT NULL UNIQUE, canonical BLOB, behavioural BLOB,
    evaluated INTEGER, live INTEGER NOT NULL, fitness REAL NOT NULL, outcome TEXT NOT NULL,
    text TEXT NOT NULL);
CREATE TABLE evaluations (
    individual INTEGER NOT NULL, purpose TEXT NOT NULL, task TEXT NOT NULL, seed INTEGER NOT NULL,
    fitness REAL, outcome TEXT NOT NULL, steps INTEGER NOT NULL, checkpoints TEXT NOT NULL,
    compile_seconds REAL NOT NULL, run_seconds REAL NOT NULL,
    PRIMARY KEY (individual, purpose, task, seed)) WITHOUT ROWID;
CREATE TABLE known (key BLOB PRIMARY KEY, score TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE events (
    id INTEGER PRIMARY KEY, at REAL NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL);
CREATE VIEW history AS
    SELECT number, repeat, child, parent, mutation, attempts, statements, individuals.live, reuse,
           edit, hex(functional) AS functional, programs.id AS program, fitness, outcome
    FROM individuals JOIN programs ON programs.id = individuals.program;
"""

INDIVIDUAL = [
    "number",
    "repeat",
    "child",
    "parent",
    "mutation",
    "attempts",
    "statements",
    "live",
    "program",
    "reuse",
    "edit",
]
PROGRAM = [
    "id",
    "functional",
    "canonical",
    "behavioural",
    "evaluated",
    "live",
    "fitness",
    "outcome",
    "text",
]
EVALUATION = [
    "individual",
    "purpose",
    "task",
    "seed",
    "fitness",
    "outcome",
    "steps",
    "checkpoints",
    "compile_seconds",
    "run_seconds",
]


class StoreError(RuntimeError):
    """The run directory cannot be used, in one line."""


class Reader:
    """Read-only access to a run, also while a search writes it."""

    def __init__(self, run_dir: str | Path):
        path = Path(run_dir) / FILE
        if not path.is_file():
            raise StoreError(f"{run_dir}: no search here (there is no {FILE})")
        self._connection = _connect(f"{path.absolute().as_uri()}?mode=ro", path)
        _check_version(self._connection, path)

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[Any]:
        """All rows of a query."""
        return self._connection.execute(query, values).fetchall()

    def iterate(self, query: str, values: Sequence[Any] = ()) -> Iterator[Any]:
        """The rows of a query, one by one."""
        yield from self._connection.execute(query, values)

    def meta(self, key: str) -> str | None:
        rows = self.rows("SELECT value FROM meta WHERE key = ?", (key,))
        return rows[0][0] if rows else None

    def history_digest(self) -> str:
        """A hash of what the config decides: individuals, hashes, fitness, bit for bit."""
        digest = hashlib.blake2b(digest_size=16)
        for row in self.iterate("SELECT * FROM history ORDER BY number"):
            digest.update(repr(row).encode())
        for row in self.iterate("SELECT * FROM programs ORDER BY id"):
            digest.update(repr(row).encode())
        return digest.hexdigest()

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Store(Reader):
    """The one writer of a run. Added rows are on disk after the next commit."""

    def __init__(self, run_dir: str | Path, settings: StoreSettings | None = None):
        """Opens a run directory, or makes it.

        Raises:
          StoreError: another process searches there, the directory cannot be made, or the file is
            of another version or damaged.
        """
        settings = settings or StoreSettings()
        self.run_dir = Path(run_dir)
        try:
            self.run_dir.mkdir(parents=True, exist_ok=True)
            self._lock = _locked(self.run_dir)
        except OSError as error:
            raise StoreError(f"{run_dir}: no run directory: {error.strerror}") from None
        self._commit_s = settings.commit_s
        self._committed_at = time.monotonic()
        path = self.run_dir / FILE
        try:
            self._connection = _connect(path.absolute().as_uri(), path)
            with _as_store_error(path):
                self._connection.execute(f"PRAGMA journal_mode = {settings.journal}")
                self._connection.execute("PRAGMA synchronous = FULL")
                if not self.rows("SELECT 1 FROM sqlite_master LIMIT 1"):
                    script = f"BEGIN; {_SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;"
                    self._connection.executescript(script)
            _check_version(self._connection, path)
        except BaseException:  # whatever it was, the run directory is free again
            self._lock.close()
            raise
        self._individuals: list[tuple[Any, ...]] = []
        self._programs: list[tuple[Any, ...]] = []
        self._evaluations: list[tuple[Any, ...]] = []
        self._others: list[tuple[str, tuple[Any, ...]]] = []

    def add_individual(self, row: tuple[Any, ...]) -> None:
        """row: the columns of INDIVIDUAL; in order of number."""
        self._individuals.append(row)

    def add_program(self, row: tuple[Any, ...]) -> None:
        """row: the columns of PROGRAM."""
        self._programs.append(row)

    def add_evaluation(self, row: tuple[Any, ...]) -> None:
        """row: the columns of EVALUATION."""
        self._evaluations.append(row)

    def add_known(self, rows: Iterable[tuple[bytes, str]]) -> None:
        self._others.extend(("INSERT OR IGNORE INTO known VALUES (?, ?)", row) for row in rows)

    def add_event(self, kind: str, text: str) -> None:
        insert = "INSERT INTO events (at, kind, text) VALUES (?, ?, ?)"
        self._others.append((insert, (time.time(), kind, text)))

    def forget(self) -> None:
        """Clears what an attempt without results had taken over."""
        self._others.append(("DELETE FROM known", ()))
        self._others.append(("DELETE FROM meta WHERE key = 'taken_over'", ()))

    def set_meta(self, key: str, value: str) -> None:
        self._others.append(("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value)))

    def commit(self) -> None:
        """Writes all added rows in one transaction: all of them are on disk afterwards, or none."""
        with _as_store_error(self.run_dir / FILE), self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            self._insert("evaluations", EVALUATION, self._evaluations)
            self._insert("programs", PROGRAM, self._programs)
            self._insert("individuals", INDIVIDUAL, self._individuals)
            for statement, values in self._others:
                self._connection.execute(statement, values)
        for rows in (self._evaluations, self._programs, self._individuals, self._others):
            rows.clear()
        self._committed_at = time.monotonic()

    def commit_if_due(self) -> bool:
        """Commits if the last time is long enough ago; whether it did."""
        due = time.monotonic() - self._committed_at >= self._commit_s
        if due:
            self.commit()
        return due

    def _insert(self, table: str, columns: list[str], rows: list[tuple[Any, ...]]) -> None:
        if rows:
            places = ", ".join("?" * len(columns))
            names = ", ".join(columns)
            insert = f"INSERT INTO {table} ({names}) VALUES ({places})"
            self._connection.executemany(insert, rows)

    def close(self) -> None:
        """Frees the run directory; rows that were not committed are dropped."""
        self._connection.close()
        self._lock.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *raised: object) -> None:
        try:
            if not isinstance(raised[1], StoreError):
                self.commit()
        finally:
            self.close()


class _as_store_error:
    """Turns SQLite's errors (disk full, I/O, damaged file) into a StoreError."""

    def __init__(self, path: Path):
        self.path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        if isinstance(error, sqlite3.Error):
            raise StoreError(f"{self.path}: {error}; nothing committed before is lost") from error


def _connect(uri: str, path: Path) -> sqlite3.Connection:
    with _as_store_error(path):
        return sqlite3.connect(uri, uri=True, isolation_level=None, timeout=30)


def _check_version(connection: sqlite3.Connection, path: Path) -> None:
    with _as_store_error(path):
        version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version != VERSION:
        connection.close()
        raise StoreError(
            f"{path}: written in format {version}; this program reads format {VERSION}"
        )


def _locked(run_dir: Path) -> Any:
    """An open file with the run directory's lock; the kernel frees it when the process ends."""
    file = open(run_dir / "lock", "a+")  # noqa: SIM115 (held until the store is closed)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.seek(0)
        owner = file.read().strip() or "unknown"
        file.close()
        raise StoreError(f"{run_dir}: another process searches here ({owner})") from None
    file.truncate(0)
    file.write(f"process {os.getpid()} on {socket.gethostname()}")
    file.flush()
    return file
