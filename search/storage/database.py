"""The file `search.db`: made whole, refused unread if it is another's, checked before it is used.

The first 100 bytes say whose file it is: they are written once, with the tables, before SQLite's
write-ahead log is turned on, so they can be trusted without opening the file.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from search.storage.checksums import Checksum, checksum
from search.storage.errors import StoreError, printable
from search.storage.files import write_file
from search.storage.schema import APPLICATION_ID, CHECKSUMS, SCHEMA, TABLES, VERSION, ChecksumRow

FILE = "search.db"
SIDE_FILES = ("-wal", "-shm", "-journal")  # that SQLite puts beside it

MAX_ROW = 2**24  # bytes; a stranger's file may hold larger ones, a search's rows are thousandths
_WAIT_S = 30  # for another process's lock on the file
_ADVICE = "with that version, or start a new run directory"


@contextmanager
def sqlite_errors(path: Path, advice: str) -> Iterator[None]:
    """Turns SQLite's errors (disk full, I/O, a damaged file) into a StoreError."""
    try:
        yield
    except (sqlite3.Error, UnicodeDecodeError) as error:  # the latter from damaged names
        what = printable(str(error).partition("\n")[0].encode(errors="replace"))[:100]
        raise StoreError(f"{path}: {what}; {advice}") from error


def check_header(path: Path) -> None:
    """Raises StoreError unless a file is a search's, of this version; only reads, no SQLite."""
    try:
        with path.open("rb") as file:
            page = file.read(4096)
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error.strerror}") from None
    version, application = (int.from_bytes(page[at : at + 4], "big") for at in (60, 68))
    if not page.startswith(b"SQLite format 3\0"):
        raise StoreError(f"{path}: not the file of a search, or damaged; nothing was changed")
    if application == APPLICATION_ID and version == VERSION:
        return
    if application == APPLICATION_ID or _is_older(path, page):
        known = application == APPLICATION_ID
        age = "a newer" if known and version > VERSION else "an older"
        theirs = version if known else 1
        raise StoreError(
            f"{path}: written by {age} version of this program (format {theirs}; this version "
            f"reads format {VERSION}): continue or inspect it {_ADVICE}"
        )
    raise StoreError(f"{path}: not the file of a search; nothing was changed")


def _is_older(path: Path, page: bytes) -> bool:
    """Whether it has the tables of format 1, which had no application id."""
    log = path.with_name(f"{path.name}-wal")
    start = page
    if log.is_file():
        with log.open("rb") as file:
            start += file.read(2**16)
    return all(f"CREATE TABLE {name} ".encode() in start for name in ("individuals", "programs"))


def create(path: Path) -> None:
    """Makes an empty store, whole or not at all."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {VERSION}")
    for statement in SCHEMA:
        connection.execute(statement)
    insert = f"INSERT INTO {CHECKSUMS.name} VALUES (?, ?, ?)"
    empty = (ChecksumRow(table.name, *Checksum()) for table in TABLES.values())
    connection.executemany(insert, empty)
    content = connection.serialize()
    connection.close()
    write_file(path, content)


def open_to_write(path: Path) -> sqlite3.Connection:
    """A connection without transactions of its own."""
    return _connect(path.absolute().as_uri())


def open_to_read(path: Path, resources: ExitStack) -> sqlite3.Connection:
    """A read-only connection.

    Where the directory cannot be written, SQLite may not read a log that a killed search left; then
    a copy is opened, which `resources` removes.
    """
    read_only = f"{path.absolute().as_uri()}?mode=ro"
    connection = _connect(read_only)
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        return connection
    except sqlite3.OperationalError as error:
        connection.close()
        if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
            raise
    folder = Path(resources.enter_context(TemporaryDirectory(prefix="search-")))
    for suffix in ("", "-wal"):
        if (part := path.with_name(path.name + suffix)).exists():
            shutil.copyfile(part, folder / part.name)
    return _connect((folder / path.name).as_uri())


def _connect(uri: str) -> sqlite3.Connection:
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=_WAIT_S)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_ROW)
    return connection


def verify(connection: sqlite3.Connection, path: Path) -> dict[str, Checksum]:
    """The checksums of all tables by name, if they hold what was written.

    Raises:
      StoreError: they do not.
    """
    with sqlite_errors(path, "it is damaged: use a copy, or start a new run directory"):
        connection.execute("BEGIN")  # a search may be writing
        try:
            problem = _problem(connection)
            stored = _stored_checksums(connection) if problem is None else {}
        finally:
            connection.execute("ROLLBACK")
    if problem is not None:
        raise StoreError(f"{path}: {problem}: use a copy, or start a new run directory")
    return stored


def _problem(connection: sqlite3.Connection) -> str | None:
    query = "SELECT sql FROM sqlite_master WHERE name NOT GLOB 'sqlite_*'"
    if {sql for (sql,) in connection.execute(query)} != set(SCHEMA):
        return "its tables were changed by another program"
    [(found,)] = connection.execute("PRAGMA integrity_check(1)").fetchall()
    if found != "ok":
        return f"it is damaged ({found.splitlines()[-1]})"
    stored = _stored_checksums(connection)
    for table in TABLES.values():
        rows = connection.execute(f"SELECT {table.columns} FROM {table.name}")
        if stored.get(table.name) != checksum(table, rows):
            return f"it is damaged (the table '{table.name}' is not as it was written)"
        wrong = f"SELECT 1 FROM {table.name} WHERE {table.wrong_types} LIMIT 1"
        if connection.execute(wrong).fetchone():  # SQLite lets any column hold anything
            return f"it is damaged (the table '{table.name}' holds values of other types)"
    return None


def _stored_checksums(connection: sqlite3.Connection) -> dict[str, Checksum]:
    rows = connection.execute(f"SELECT {CHECKSUMS.columns} FROM {CHECKSUMS.name}")
    return {name: Checksum(count, total) for name, count, total in rows}
