"""A cell of another type than its column's is damage, whatever the checksums say: SQLite lets any
column hold anything, and what reads a row would end in a traceback."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import small_run
import toys

from search import api
from search.evaluation.source import Function
from search.run import main
from search.storage.checksums import checksum
from search.storage.database import FILE
from search.storage.errors import StoreError
from search.storage.schema import CHECKSUMS, EVENTS, META, TABLES
from search.storage.store import Reader

SMALL = {
    "evolution": {"children": 5, "population": 3, "repeats": 1, "rounds": 1},
    "evaluation": {"tasks": ["toy"]},
    "rescore": {"programs": 0},
    "workers": {"address": "in_process"},
    "funnel": None,
}
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


@pytest.mark.parametrize("key", ["history", "tasks", "functions", "versions"])
@pytest.mark.parametrize("value", ["[1]", "5", "nope", "[" * 5000, '{"evolution": 5}'])
def test_what_is_kept_as_json_may_be_anything(tmp_path, capsys, key, value):
    """One line, or a resume: never a traceback."""
    source, path = Function(toys.factory()), str(tmp_path / "run")
    api.search(SMALL, path, source=source)
    with closing(sqlite3.connect(Path(path) / FILE)) as connection:
        connection.execute(f"UPDATE {META.name} SET value = ? WHERE key = ?", (value, key))
        seal(connection, META)
    code = main(["--resume", path], source)
    assert code in (0, 2)
    said = capsys.readouterr().err
    assert code == 0 or (said.startswith("error: ") and said.count("\n") == 1)
