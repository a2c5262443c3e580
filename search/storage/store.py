"""A run's store: read by anyone at any time, written by one process.

The writer holds a lock on the run directory until it ends, however it ends. Rows are gathered and
committed together; what is committed survives a kill at any moment. The tables are in schema.py.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from search.config.machines import StoreSettings
from search.evaluation.jobs import TooManyFailures
from search.stopping import Stopped
from search.storage.checksums import Checksum, as_stored, checksum
from search.storage.database import (
    FILE,
    SIDE_FILES,
    check_header,
    create,
    open_to_read,
    open_to_write,
    sqlite_errors,
    verify,
)
from search.storage.errors import StoreError, printable
from search.storage.files import locked, refuse_links
from search.storage.schema import (
    CHECKSUMS,
    INDIVIDUALS,
    META,
    TABLES,
    EventRow,
    MetaKey,
    MetaRow,
    Row,
    Table,
)

CHECKPOINT_S = 5.0
"""Between two moves of the write-ahead log into search.db, which alone is then a whole search."""


class Reader:
    """Read-only access to a run, also while a search writes it."""

    def __init__(self, run_dir: str | Path, *, verified: bool = True):
        """verified: whether all rows are checked first (some microseconds each).

        Raises:
          StoreError: there is no search, or it is of another version or damaged.
        """
        self.path = Path(run_dir) / FILE
        if not self.path.is_file():
            raise StoreError(f"{run_dir}: no search here (there is no {FILE})")
        check_header(self.path)
        with ExitStack() as resources, sqlite_errors(self.path, "it cannot be read"):
            self._connection = open_to_read(self.path, resources)
            resources.callback(self._connection.close)
            if verified:
                self.verify()
            self._connection.text_factory = printable
            self._resources = resources.pop_all()

    def verify(self) -> None:
        """Raises StoreError unless all rows are as they were written."""
        with self.as_written():
            verify(self._connection, self.path)

    @contextmanager
    def as_written(self) -> Iterator[None]:
        """Text is read as it is in the file, which is faster; it is not to be shown, for a
        stranger's may hold control characters."""
        factory, self._connection.text_factory = self._connection.text_factory, str
        try:
            yield
        finally:
            self._connection.text_factory = factory

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """All that is read meanwhile is of one moment, whatever a search commits."""
        with sqlite_errors(self.path, "it cannot be read"):
            self._connection.execute("BEGIN")
        try:
            yield
        finally:
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[Any]:
        """All rows of a query."""
        return list(self.iterate(query, values))

    def iterate(self, query: str, values: Sequence[Any] = ()) -> Iterator[Any]:
        """The rows of a query, one by one."""
        with sqlite_errors(self.path, "it cannot be read"):
            for row in self._connection.execute(query, values):  # noqa: UP028 (`yield from` would close the cursor)
                yield row

    def meta(self, key: MetaKey) -> str | None:
        rows = self.rows(f"SELECT value FROM {META.name} WHERE key = ?", (key,))
        return rows[0][0] if rows else None

    def close(self) -> None:
        self._resources.close()

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


SMALL = 8 * 2**20
"""Bytes of a search.db that is always checked whole, which takes less than half a second."""


@contextmanager
def opened(run_dir: str | Path, *, whole: bool = False) -> Iterator[Reader]:
    """A run to be read as it is at one moment.

    A large one is checked first only if it is read as a `whole`; else damage is reported where
    reading fails.

    Raises:
      StoreError: see Reader.
    """
    with Reader(run_dir, verified=False) as store:
        if whole or store.path.stat().st_size <= SMALL:
            store.verify()
        try:
            with store.snapshot():
                yield store
        except (ValueError, TypeError, KeyError, IndexError, AttributeError):
            store.verify()  # damage is the likely cause
            raise


@dataclass
class _Pending:
    """What the next commit does to a table."""

    cleared: bool = False  # before rows are added
    rows: list[Any] = field(default_factory=list)


class Store(Reader):
    """The one writer of a run. Added rows are on disk after the next commit."""

    def __init__(self, run_dir: str | Path, settings: StoreSettings | None = None):
        """Opens a run directory, or makes it.

        Raises:
          StoreError: another process searches there, the directory cannot be made, or the file is
            another program's, of another version or damaged; then nothing was changed.
        """
        settings = settings or StoreSettings()
        self.run_dir = Path(run_dir)
        self.path = self.run_dir / FILE
        with ExitStack() as resources:
            self._open(settings, resources)
            self._resources = resources.pop_all()
        self._commit_s = settings.commit_s
        self._committed_at = self._checkpointed_at = time.monotonic()
        self._pending = {row: _Pending() for row in TABLES}

    def _open(self, settings: StoreSettings, resources: ExitStack) -> None:
        side_files = [self.path.with_name(self.path.name + suffix) for suffix in SIDE_FILES]
        refuse_links(self.path, *side_files)
        if self.path.exists():
            check_header(self.path)
        try:
            self.run_dir.mkdir(parents=True, exist_ok=True)
            resources.callback(locked(self.run_dir).close)
            if not self.path.exists():
                if left := [file for file in side_files if file.exists()]:
                    raise StoreError(f"{left[0]}: left by a search whose {FILE} is missing")
                create(self.path)
        except OSError as error:
            raise StoreError(f"{self.run_dir}: no run directory: {error.strerror}") from None
        check_header(self.path)  # the process that had the lock may have made it
        with sqlite_errors(self.path, "nothing committed before is lost"):
            self._connection = open_to_write(self.path)
            resources.callback(self._connection.close)
            self._checksums = verify(self._connection, self.path)
            self._connection.execute(f"PRAGMA journal_mode = {settings.journal}")
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.text_factory = printable

    def add(self, row: Row) -> None:
        """Adds a row to its table; individuals and programs in order."""
        self._pending[type(row)].rows.append(row)

    def clear(self, *tables: Table) -> None:
        """Removes all rows of tables; those added afterwards stay."""
        for table in tables:
            self._pending[table.row] = _Pending(cleared=True)

    def add_event(self, kind: str, text: str) -> None:
        number = self._checksums["events"].rows + len(self._pending[EventRow].rows) + 1
        self.add(EventRow(number, time.time(), kind, text))

    def set_meta(self, key: MetaKey, value: str) -> None:
        self.add(MetaRow(key, value))

    def commit(self) -> None:
        """Writes all added rows in one transaction: all of them are on disk afterwards, or none."""
        checksums = dict(self._checksums)
        # Whatever interrupts this, no row is written twice.
        added, self._pending = self._pending, {row: _Pending() for row in TABLES}
        with sqlite_errors(self.path, "nothing committed before is lost"), self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            for row, pending in added.items():
                if pending.cleared or pending.rows:
                    self._write(TABLES[row], pending, checksums)
        first = not self._checksums[INDIVIDUALS.name].rows  # before this commit
        self._checksums = checksums
        self._committed_at = time.monotonic()
        if first or self._committed_at - self._checkpointed_at >= CHECKPOINT_S:
            self._checkpoint()

    def commit_if_due(self) -> bool:
        """Commits if the last time is long enough ago; whether it did."""
        due = time.monotonic() - self._committed_at >= self._commit_s
        if due:
            self.commit()
        return due

    def _write(self, table: Table, pending: _Pending, checksums: dict[str, Checksum]) -> None:
        execute = self._connection.execute
        known = checksums[table.name]
        if pending.cleared:
            execute(f"DELETE FROM {table.name}")
            known = Checksum()
        rows = as_stored(table, pending.rows)
        placeholders = ", ".join("?" * len(table.types))
        values = f"INTO {table.name} ({table.columns}) VALUES ({placeholders})"
        if table.replace:
            where = " AND ".join(f"{column} = ?" for column in table.key_columns)
            find = f"SELECT {table.columns} FROM {table.name} WHERE {where}"
            for row in rows:
                known = known.minus(checksum(table, execute(find, row[: table.key]).fetchall()))
                execute(f"INSERT OR REPLACE {values}", row)
                known = known.plus(checksum(table, [row]))
        else:
            self._connection.executemany(f"INSERT {values}", rows)
            known = known.plus(checksum(table, rows))
        checksums[table.name] = known
        update = f"UPDATE {CHECKSUMS.name} SET rows = ?, checksum = ? WHERE name = ?"
        execute(update, (known.rows, known.total, table.name))

    def _checkpoint(self) -> None:
        """Moves the log into search.db, as far as no reader needs it."""
        with sqlite_errors(self.path, "nothing committed before is lost"):
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        self._checkpointed_at = time.monotonic()

    def close(self) -> None:
        """Frees the run directory; rows that were not committed are dropped."""
        with suppress(sqlite3.Error):  # readers keep the log, and so does a full disk
            self._connection.execute("PRAGMA busy_timeout = 0")
            self._connection.execute("PRAGMA journal_mode = DELETE")  # one file, to read anywhere
        self._resources.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *raised: object) -> None:
        """After an interruption, which may have come between two rows that belong together, or when
        everything fails, what was not committed is dropped."""
        try:
            if not isinstance(raised[1], (StoreError, Stopped, TooManyFailures, KeyboardInterrupt)):
                self.commit()
        finally:
            self.close()
