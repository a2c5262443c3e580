"""A damaged store is one clear line, or nothing is lost: never a traceback, never another history.

Bytes, pages and lengths of a finished search's file are changed at random places, and of the file
and log that a killed search leaves; then the run is inspected and resumed.
"""

from __future__ import annotations

import random
import shutil
import signal
from pathlib import Path

import pytest
import toys
from in_process import digest

from search.evaluation.source import Function
from search.inspect import main as inspect
from search.run import main as run
from search.storage.database import FILE

CONFIG = """\
evolution: {children: 120, population: 20, repeats: 2, rounds: 1, window: 20}
evaluation: {tasks: toy, hurdles: {audit_share: 0.2}}
rescore: {programs: 2, seeds: 2}
workers: {address: in_process}
store: {commit_s: 0}
funnel: null
"""
PAGE = 4096


@pytest.fixture(autouse=True)
def _signals():
    """A search sets handlers of its own."""
    before = [(number, signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM)]
    yield
    for number, handler in before:
        signal.signal(number, handler)


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("config") / "toy.yaml"
    path.write_text(CONFIG)
    return path


def searched(config: Path, run_dir: Path, *options: str) -> int:
    command = ["--config", str(config), "--run-dir", str(run_dir), "--view", "plain", *options]
    return run(command, Function(toys.factory()))


@pytest.fixture(scope="module")
def finished(config, tmp_path_factory) -> Path:
    run_dir = tmp_path_factory.mktemp("finished") / "run"
    assert searched(config, run_dir) == 0
    return run_dir


@pytest.fixture(scope="module")
def killed(config, finished, tmp_path_factory) -> Path:
    """File and log as they were in the middle of the search, with the log long since checkpointed
    in part."""
    folder = tmp_path_factory.mktemp("killed")
    copy = folder / "copy"

    def spy(job):
        if job.number == 150 and not copy.exists():
            shutil.copytree(folder / "run", copy)
        return toys.evaluate(job)

    command = ["--config", str(config), "--run-dir", str(folder / "run"), "--view", "plain"]
    assert run(command, Function(lambda: spy)) == 0
    assert (copy / f"{FILE}-wal").stat().st_size > 10 * PAGE
    return copy


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


@pytest.mark.parametrize("part", range(4))
@pytest.mark.parametrize("state, suffix", [("finished", ""), ("killed", ""), ("killed", "-wal")])
def test_a_damaged_store_is_one_line_or_the_same_history(
    finished, killed, config, tmp_path, capsys, state, suffix, part
):
    rng = random.Random(f"{state}{suffix}{part}")
    source = finished if state == "finished" else killed
    refused = 0
    for number in range(6):
        run_dir = shutil.copytree(source, tmp_path / str(number))
        how = damage(run_dir / (FILE + suffix), rng)
        capsys.readouterr()
        inspected = inspect([str(run_dir)])
        err = capsys.readouterr().err
        assert inspected == 0 or (inspected == 2 and err.count("\n") == 1), (how, err)
        code = searched(config, run_dir, "--resume")
        err = capsys.readouterr().err
        assert code == inspected, (how, err)
        if code:
            assert err.startswith("error: ") and err.count("\n") == 1, (how, err)
            refused += 1
        else:
            assert digest(run_dir) == digest(finished), how
    # A damaged log ends where the damage is, and a log may hold newer copies of the file's pages.
    assert refused or state == "killed"
