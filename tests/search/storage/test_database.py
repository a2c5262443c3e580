"""What is refused, in one line and unchanged: other versions, other programs' files, links."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from toys import individual_row, program_row

from search.inspect import main as inspect
from search.storage.database import FILE, SIDE_FILES
from search.storage.errors import StoreError
from search.storage.files import write_file
from search.storage.lineage import ancestors
from search.storage.queries import history_digest
from search.storage.store import Reader, Store

BOTH = pytest.mark.parametrize("open_it", [Store, Reader])


def filled(run_dir: Path, count: int = 20) -> Path:
    """A run with some individuals."""
    with Store(run_dir) as store:
        store.add(program_row(1))
        for number in range(count):
            store.add(individual_row(number, parent=number - 1 if number else None))
    return run_dir


def contents(run_dir: Path) -> dict[str, str]:
    """All files, by name."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in run_dir.iterdir()}


def of_format_1(path: Path, journal: str = "wal") -> sqlite3.Connection:
    """As the version before this one made it; only the names of tables matter."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(f"PRAGMA journal_mode = {journal}")
    connection.executescript(
        "BEGIN; CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
        "CREATE TABLE individuals (\n    number INTEGER PRIMARY KEY);"
        "CREATE TABLE programs (\n    id INTEGER PRIMARY KEY); PRAGMA user_version = 1; COMMIT;"
    )
    return connection


@BOTH
def test_a_run_of_the_older_format_is_refused_by_name_with_what_to_do(tmp_path, open_it):
    of_format_1(tmp_path / FILE).close()
    with pytest.raises(StoreError) as refused:
        open_it(tmp_path)
    assert str(refused.value) == (
        f"{tmp_path / FILE}: written by an older version of this program (format 1; this version "
        "reads format 3): continue or inspect it with that version, or start a new run directory"
    )


def test_a_run_of_the_older_format_that_was_killed_is_refused_by_name(tmp_path):
    """All that it has may be in the log."""
    connection = of_format_1(tmp_path / FILE)
    header = (tmp_path / FILE).read_bytes()
    assert b"individuals" not in header
    with pytest.raises(StoreError, match="written by an older version"):
        Reader(tmp_path)
    connection.close()


@BOTH
def test_a_run_of_a_newer_format_is_refused_by_name_with_what_to_do(tmp_path, open_it):
    filled(tmp_path)
    with sqlite3.connect(tmp_path / FILE) as connection:
        connection.execute("PRAGMA user_version = 4")
    with pytest.raises(StoreError) as refused:
        open_it(tmp_path)
    assert str(refused.value) == (
        f"{tmp_path / FILE}: written by a newer version of this program (format 4; this version "
        "reads format 3): continue or inspect it with that version, or start a new run directory"
    )


@BOTH
@pytest.mark.parametrize("kind", ["empty", "text", "version 0", "version 1", "version 2", "wal"])
def test_a_file_of_another_program_is_refused_before_anything_is_changed(tmp_path, open_it, kind):
    path = tmp_path / FILE
    if kind in ("empty", "text"):
        path.write_bytes(b"" if kind == "empty" else b"not a database\n" * 100)
    else:
        connection = sqlite3.connect(path)
        connection.execute(f"PRAGMA journal_mode = {'wal' if kind == 'wal' else 'delete'}")
        connection.execute(f"PRAGMA user_version = {kind[-1] if kind != 'wal' else 2}")
        connection.execute("CREATE TABLE meta (key TEXT, value TEXT)")
        connection.close()
    before = contents(tmp_path)
    with pytest.raises(StoreError, match="not the file of a search"):
        open_it(tmp_path)
    assert contents(tmp_path) == before


@BOTH
def test_changed_tables_and_views_are_refused(tmp_path, open_it):
    filled(tmp_path)
    with sqlite3.connect(tmp_path / FILE) as connection:
        connection.execute("DROP VIEW history")
        endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x FROM n) SELECT x FROM n"
        connection.execute(f"CREATE VIEW history AS {endless}")
    with pytest.raises(StoreError, match="its tables were changed by another program"):
        open_it(tmp_path)


@BOTH
def test_changed_rows_are_refused(tmp_path, open_it):
    filled(tmp_path)
    with sqlite3.connect(tmp_path / FILE) as connection:
        connection.execute("UPDATE programs SET fitness = 0.75")
    with pytest.raises(StoreError, match=r"damaged .the table 'programs' is not as it was written"):
        open_it(tmp_path)


def test_an_ancestry_that_goes_round_ends(tmp_path):
    with Store(tmp_path) as store:
        store.add(individual_row(0, parent=1))
        store.add(individual_row(1, parent=0))
        store.commit()
        with pytest.raises(StoreError, match="individual 0 has a parent that was born later, 1"):
            ancestors(store, 1)


def test_a_lost_file_is_not_taken_for_a_new_directory(tmp_path):
    filled(tmp_path)
    (tmp_path / FILE).rename(tmp_path / f"{FILE}-wal")
    with pytest.raises(
        StoreError, match=r"search.db-wal: left by a search whose search.db is miss"
    ):
        Store(tmp_path)


@pytest.mark.parametrize("name", [FILE, "lock", *(FILE + suffix for suffix in SIDE_FILES)])
def test_nothing_is_written_through_a_link(tmp_path, name):
    run_dir, target = tmp_path / "run", tmp_path / "target"
    run_dir.mkdir()
    target.write_text("mine")
    (run_dir / name).symlink_to(target)
    with pytest.raises(StoreError, match=f"{name}: is a symbolic link"):
        Store(run_dir)
    assert target.read_text() == "mine" and os.listdir(run_dir) == [name]


def test_results_take_a_links_place(tmp_path):
    target, link = tmp_path / "target", tmp_path / "final.py"
    target.write_text("mine")
    for name in ("final.py", ".final.py.new"):
        (tmp_path / name).symlink_to(target)
    write_file(link, "result")
    assert link.read_text() == "result" and not link.is_symlink()
    assert target.read_text() == "mine" and sorted(os.listdir(tmp_path)) == ["final.py", "target"]
    with pytest.raises(FileNotFoundError):
        write_file(tmp_path / "no" / "final.py", "")


def test_what_is_printed_from_a_store_steers_no_terminal(tmp_path, capsys):
    evil = "\x1b]0;owned\x07\x1b[2Jx\r\x9b31m\x00 ü\ud800"
    with Store(tmp_path) as store:
        store.set_meta("config", "")
        store.add_event("worker", evil)
        store.add(program_row(1, text=evil))
        store.add(individual_row(0, mutation=evil, edit=evil))
    for what in ("events", "leaders", "lineage"):
        assert inspect([str(tmp_path), what]) == 0
        out = capsys.readouterr().out
        assert "]0;owned[2Jx31m ü" in out and all(c == "\n" or c.isprintable() for c in out)
    (tmp_path / "lock").write_bytes(evil.encode(errors="replace"))
    held = (
        "import fcntl, sys; f = open(sys.argv[1]); fcntl.flock(f, fcntl.LOCK_EX); print(flush=1);"
    )
    with subprocess.Popen(
        [sys.executable, "-c", f"{held} input()", str(tmp_path / "lock")], stdin=-1, stdout=-1
    ) as holder:
        holder.stdout.readline()
        with pytest.raises(StoreError) as refused:
            Store(tmp_path)
        holder.communicate(b"\n")
    assert "owned" in str(refused.value) and str(refused.value).isprintable()


def test_search_db_alone_is_a_whole_search_at_any_time(tmp_path):
    """Also before the log is long, and while the search goes on."""
    copy = tmp_path / "copy"
    copy.mkdir()
    with Store(tmp_path / "run") as store:
        store.set_meta("history", "{}")
        store.commit()
        store.add(program_row(1))
        store.add(individual_row(0))
        store.commit()
        (copy / FILE).write_bytes((tmp_path / "run" / FILE).read_bytes())
        with Reader(copy) as alone:
            assert history_digest(alone) == history_digest(store)
            assert alone.meta("history") == "{}"


READ = """
import os, sys
from search.storage.queries import history_digest
from search.storage.store import Reader
if os.getuid() == 0:  # whom no permission binds
    os.setuid(65534)
with Reader(sys.argv[1]) as store:
    print(history_digest(store))
"""


@pytest.mark.parametrize("left", [(), ("-wal", "-shm"), ("-wal",)], ids=str)
def test_a_read_only_directory_can_be_inspected(left):
    """Also with what a killed search left, of which the log's index may be missing."""
    with TemporaryDirectory() as folder, Store(filled(Path(folder) / "run")) as store:
        store.add(individual_row(20))
        store.commit()
        copy = Path(folder) / "copy"
        copy.mkdir()
        for suffix in ("", *left):
            name = FILE + suffix
            (copy / name).write_bytes((store.run_dir / name).read_bytes())
        Path(folder).chmod(0o755)
        copy.chmod(0o555)
        before = contents(copy)
        command = [sys.executable, "-c", READ, str(copy)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert (done.stdout.strip() == history_digest(store)) == bool(left)
        assert contents(copy) == before
