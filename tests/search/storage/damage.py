"""Damages the store of a small search, and says what is wrong with how that is noticed."""

from __future__ import annotations

import contextlib
import io
import random
import shutil
import sqlite3
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import toys
from in_process import digest
from whole_runs import AUDITED

from search.evaluation.source import Function
from search.inspect import main as inspect
from search.run import main as run
from search.storage.database import FILE

PAGE = 4096
KILLED_AT = 150  # the job at which the second search is copied


def searched(config: Path, run_dir: Path, *options: str, source: Function | None = None) -> int:
    command = ["--config", str(config), "--run-dir", str(run_dir), "--view", "plain", *options]
    return run(command, source or Function(toys.factory()))


class Searches(NamedTuple):
    """What is damaged: a finished search's file, and file and log of one as a kill leaves it, with
    the log long since checkpointed in part."""

    config: Path
    finished: Path
    killed: Path

    @classmethod
    def made(cls, folder: Path) -> Searches:
        its = cls(folder / "toy.yaml", folder / "finished", folder / "killed")
        its.config.write_text(AUDITED)
        assert _quiet(lambda: searched(its.config, its.finished))[0] == 0

        def spy(job):
            if job.number == KILLED_AT and not its.killed.exists():
                shutil.copytree(folder / "run", its.killed)
            return toys.evaluate(job)

        source = Function(lambda: spy)
        assert _quiet(lambda: searched(its.config, folder / "run", source=source))[0] == 0
        assert (its.killed / f"{FILE}-wal").stat().st_size > 10 * PAGE
        return its


def damage(path: Path, rng: random.Random) -> str:
    """Changes a file; returns how."""
    data = bytearray(path.read_bytes())
    kind = rng.choice(["byte", "bit", "bytes", "page", "zeros", "swap", "cut"])
    at = rng.randrange(len(data))
    page = at // PAGE * PAGE
    if kind == "byte":
        data[at] = rng.randrange(256)
    elif kind == "bit":
        data[at] ^= 1 << rng.randrange(8)
    elif kind == "bytes":
        for _ in range(20):
            data[rng.randrange(len(data))] = rng.randrange(256)
    elif kind == "page":
        data[page : page + PAGE] = rng.randbytes(PAGE)
    elif kind == "zeros":
        data[page : page + PAGE] = bytes(PAGE)
    elif kind == "swap":
        other = rng.randrange(len(data)) // PAGE * PAGE
        data[page : page + PAGE], data[other : other + PAGE] = (
            data[other : other + PAGE],
            data[page : page + PAGE],
        )
    else:
        del data[at:]
    path.write_bytes(data)
    return f"{kind} at {at}"


def replace_by_foreign(path: Path, rng: random.Random) -> str:
    """Puts another program's file in the store's place, or one made by hand; returns what."""
    kind = rng.choice(["text", "empty", "folder", "database", "database", "database"])
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    if kind == "text":
        path.write_bytes(rng.randbytes(5000))
    elif kind == "empty":
        path.touch()
    elif kind == "folder":
        path.mkdir()
    else:
        table = rng.choice(["individuals", "runs", "programs", "x"])
        version = rng.choice([0, 1, 2, 3, 99])
        with contextlib.closing(sqlite3.connect(path)) as database, database:
            database.execute(f"CREATE TABLE {table} (a, b)")
            database.execute(f"PRAGMA user_version = {version}")
        kind += f" of version {version} with a table {table}"
    return kind


CASES = (("finished", ""), ("killed", ""), ("killed", "-wal"), ("finished", "foreign"))


class Tried(NamedTuple):
    """One damaged store, inspected and resumed."""

    how: str
    refused: bool
    complaints: list[str]


def tried(searches: Searches, case: tuple[str, str], rng: random.Random, run_dir: Path) -> Tried:
    """Damages a copy of a search in `run_dir`; looks what `inspect` and `--resume` make of it."""
    state, what = case
    shutil.copytree(getattr(searches, state), run_dir)
    if what == "foreign":
        how = replace_by_foreign(run_dir / FILE, rng)
    else:
        how = damage(run_dir / (FILE + what), rng)
    inspected, _, words = _quiet(lambda: inspect([str(run_dir)]))
    found = []
    if inspected and not (inspected == 2 and words.count("\n") == 1):
        found.append(f"inspect ends with {inspected}: {words}")
    resumed, _, words = _quiet(lambda: searched(searches.config, run_dir, "--resume"))
    if resumed != inspected:
        found.append(f"inspect ends with {inspected}, --resume with {resumed}: {words}")
    if resumed and not (words.startswith("error: ") and words.count("\n") == 1):
        found.append(f"--resume says: {words}")
    if not resumed and digest(run_dir) != digest(searches.finished):
        found.append("another history")
    return Tried(how, bool(resumed), found)


def _quiet(command: Callable[[], int]) -> tuple[int, str, str]:
    """Exit code (-1: a traceback), standard output and error."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = command()
        except Exception:
            code = -1
            traceback.print_exc()
    return code, out.getvalue(), err.getvalue()
