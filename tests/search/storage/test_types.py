"""A cell of another type than its column's is damage, whatever the checksums say: SQLite lets any
column hold anything, and what reads a row would end in a traceback."""

import shutil
import sqlite3
from contextlib import closing

import pytest
import small_run

from search.storage.checksums import checksum
from search.storage.database import FILE
from search.storage.errors import StoreError
from search.storage.schema import CHECKSUMS, EVENTS, TABLES
from search.storage.store import Reader

OTHERS = {int: (b"\0", "text", 0.5), float: (b"\0", "text"), str: (b"\0",), bytes: ("text", 1)}
CELLS = [
    (table, name, value)
    for table in TABLES.values()
    for name, kind in zip(table.row._fields, table.types)
    for value in OTHERS[kind]
    if not (table.key == 1 and kind is int and name == table.key_columns[0])  # always a number
]


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    return small_run.make(tmp_path_factory.mktemp("runs") / "run")


def seal(connection: sqlite3.Connection, table) -> None:
    rows = connection.execute(f"SELECT {table.columns} FROM {table.name}").fetchall()
    update = f"UPDATE {CHECKSUMS.name} SET rows = ?, checksum = ? WHERE name = ?"
    connection.execute(update, (*checksum(table, rows), table.name))
    connection.commit()


def test_every_column_refuses_what_it_cannot_hold(run_dir, tmp_path):
    """All tables that have rows; NULL stays where it may be."""
    changed = set()
    for table, name, value in CELLS:
        copy = shutil.copytree(run_dir, tmp_path / "run", dirs_exist_ok=True)
        with closing(sqlite3.connect(copy / FILE)) as connection:
            keys = ", ".join(table.key_columns)
            if not (first := connection.execute(f"SELECT {keys} FROM {table.name}").fetchone()):
                continue
            where = " AND ".join(f"{key} IS ?" for key in table.key_columns)
            connection.execute(f"UPDATE {table.name} SET {name} = ? WHERE {where}", (value, *first))
            seal(connection, table)
        with pytest.raises(StoreError, match=f"the table '{table.name}' holds values of other"):
            Reader(copy)
        changed.add(table.name)
    assert {"meta", "individuals", "programs", "evaluations", "stage_entries"} <= changed


def test_what_was_written_passes(run_dir, tmp_path):
    copy = shutil.copytree(run_dir, tmp_path / "run")
    Reader(copy).close()
    with closing(sqlite3.connect(copy / FILE)) as connection:
        connection.execute(f"UPDATE {EVENTS.name} SET at = 5")  # REAL: SQLite makes 5.0 of it
        seal(connection, EVENTS)
    Reader(copy).close()
