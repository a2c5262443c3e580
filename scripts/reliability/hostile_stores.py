"""Stores with hostile cells or damaged bytes, and what must become of them."""

from __future__ import annotations

import contextlib
import io
import random
import shutil
import sqlite3
from pathlib import Path
from typing import Any

from reliability.texts import PIECES
from search.evaluation.source import Function
from search.inspect import main as inspect
from search.reports.verbs.table import VERBS
from search.run import main as run
from search.storage.checksums import checksum
from search.storage.database import FILE
from search.storage.queries import history_digest
from search.storage.schema import CHECKSUMS, TABLES
from search.storage.store import Reader
from tests.search import small_run, toys
from tests.search.whole_runs import AUDITED

NUMBERS = (0, 1, -1, 2**31, 2**63 - 1, -(2**63), 0.0, -1.5, float("inf"), float("-inf"), 1e308)


class Wrong(AssertionError):
    """What was promised does not hold."""


def called(main: Any, words: list[str], *rest: Any) -> int:
    """A command's exit code, which must come with a message unless it is 0."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = int(main(words, *rest))
        except SystemExit as error:
            code = int(error.code or 0)
    said = err.getvalue()
    if "\x1b" in out.getvalue() + said:
        raise Wrong("control characters are printed")
    if code not in (0, 1, 2) or (code and not said.startswith("error: ")):
        raise Wrong(f"exit code {code}: {said[:200]}")
    return code


class Stores:
    """Makes runs and changes copies of them."""

    def __init__(self, folder: Path):
        self.folder, self.config = folder, folder / "toy.yaml"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self.config.write_text(AUDITED)
        small_run.make(folder / "small")
        self._search(folder / "finished")
        self._killed()
        with Reader(folder / "finished") as store:
            self.digest = history_digest(store)

    def _search(self, run_dir: Path, *options: str, spy: Any = None) -> int:
        words = ["--config", str(self.config), "--run-dir", str(run_dir), "--view", "plain"]
        source = Function(lambda: spy or toys.evaluate)
        return called(run, [*words, *options], source)

    def _killed(self) -> None:
        """File and log as they are in the middle of a search."""

        def spy(job: Any) -> Any:
            if job.number == 150 and not (self.folder / "killed").exists():
                shutil.copytree(self.folder / "whole", self.folder / "killed")
            return toys.evaluate(job)

        self._search(self.folder / "whole", spy=spy)

    def _copy(self, name: str) -> Path:
        run_dir = self.folder / "copy"
        shutil.rmtree(run_dir, ignore_errors=True)
        return shutil.copytree(self.folder / name, run_dir)

    def cells(self, rng: random.Random) -> bool:
        """A few cells hold something else, with checksums that say it must be so; whether it can
        still be inspected, or resumed."""
        resumes = rng.random() < 0.3
        run_dir = self._copy("finished" if resumes else "small")
        with contextlib.closing(sqlite3.connect(run_dir / FILE)) as connection:
            for _ in range(rng.randrange(1, 4)):
                _change_cell(connection, rng)
            _seal(connection)
            connection.commit()
        if resumes:
            return self._search(run_dir, "--resume") == 0
        verb = rng.choice([name for name, verb in VERBS.items() if not verb.names])
        options = ["--json"] if rng.random() < 0.3 else []
        code = called(inspect, [str(run_dir), verb, *options])
        return code == 0

    def flipped(self, rng: random.Random) -> bool:
        """One byte differs, of the file or of the log; whether it can be resumed, and then to the
        same history."""
        name, suffix = rng.choice([("finished", ""), ("killed", ""), ("killed", "-wal")])
        run_dir = self._copy(name)
        path = run_dir / (FILE + suffix)
        data = bytearray(path.read_bytes())
        at = rng.randrange(len(data))
        data[at] ^= rng.randrange(1, 256)
        path.write_bytes(data)
        code = self._search(run_dir, "--resume")
        if code == 0:
            with Reader(run_dir) as store:
                if history_digest(store) != self.digest:
                    raise Wrong(f"another history: {name}{suffix} at {at}")
        return code == 0


def _change_cell(connection: sqlite3.Connection, rng: random.Random) -> None:
    table = rng.choice([t for t in TABLES.values() if _count(connection, t.name)])
    column = rng.choice(table.row._fields)
    row = rng.randrange(_count(connection, table.name))
    value: Any = rng.choice(
        [
            rng.choice(NUMBERS),
            "".join(rng.choices(PIECES, k=rng.randrange(5))),
            rng.randbytes(rng.randrange(20)),
            rng.choice(('["a"]', "[[[", '{"a": 1}', "[NaN]", "[1e999]", "[" * 3000, "null", "")),
        ]
    )
    if isinstance(value, str):
        value = value.replace("\0", " ")
    keys = ", ".join(table.key_columns)
    find = f"SELECT {keys} FROM {table.name} LIMIT 1 OFFSET {row}"
    where = " AND ".join(f"{key} IS ?" for key in table.key_columns)
    with contextlib.suppress(sqlite3.IntegrityError, OverflowError, sqlite3.DataError):
        [key] = connection.execute(find).fetchall()
        connection.execute(f"UPDATE {table.name} SET {column} = ? WHERE {where}", (value, *key))


def _count(connection: sqlite3.Connection, table: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def _seal(connection: sqlite3.Connection) -> None:
    """Checksums of what is there, as somebody would make them who wants to deceive."""
    for table in TABLES.values():
        rows = connection.execute(f"SELECT {table.columns} FROM {table.name}").fetchall()
        with contextlib.suppress(TypeError, UnicodeError):  # of no type that is ever written
            found = checksum(table, rows)
            update = f"UPDATE {CHECKSUMS.name} SET rows = ?, checksum = ? WHERE name = ?"
            connection.execute(update, (found.rows, found.total, table.name))
