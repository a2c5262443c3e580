"""Real searches of the shipped configs: one history whatever runs them, and after kills.

In test_run.py the same holds of toy trainings, quickly. Here workers train, with fitness that depends
on each bit; pytest's `-s` shows the digests.
"""

import contextlib
import functools
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from in_process import digest

from search.storage.errors import StoreError
from search.storage.store import Reader

CONFIGS = Path(__file__).parents[2] / "configs"
SEARCHES = {"quickstart": 1_500, "laptop": 20_000, "discover": 2_000}  # children


def _start(name: str, run_dir: Path, workers: int, *options: str) -> subprocess.Popen:
    """The search alone; workers: 0 for this process's own."""
    sets = [f"evolution.children={SEARCHES[name]}", "funnel=null", "meta_validation.every=0"]
    sets.append(f"workers.count={workers}" if workers else "workers.address=in_process")
    command = [sys.executable, "-m", "search.run", "--run-dir", str(run_dir), "--view", "plain"]
    command += ["--config", str(CONFIGS / f"{name}.yaml"), *options]
    for override in sets:
        command += ["--set", override]
    return subprocess.Popen(command, stdout=-1, stderr=-2, text=True, start_new_session=True)


def _history(name: str, run_dir: Path, workers: int, *options: str) -> str:
    process = _start(name, run_dir, workers, *options)
    output, _ = process.communicate()
    assert process.returncode == 0, output
    return digest(run_dir)


def _individuals(run_dir: Path) -> int:
    with contextlib.suppress(StoreError), Reader(run_dir) as store:
        return store.rows("SELECT count(*) FROM individuals")[0][0]
    return 0  # the file is being made


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The digest of a search in one process, made once."""
    folder = tmp_path_factory.mktemp("in_process")

    @functools.cache
    def made(name: str) -> str:
        found = _history(name, folder / name, 0)
        print(f"{name}: {found}")
        return found

    return made


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "workers"),
    [("quickstart", 2), ("quickstart", 5), ("laptop", 2), ("discover", 2), ("discover", 5)],
)
def test_workers_change_nothing(alone, tmp_path, name, workers):
    assert _history(name, tmp_path / "run", workers) == alone(name)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "workers"), [("quickstart", 0), ("quickstart", 2), ("discover", 2)]
)
def test_three_kills_change_nothing(alone, tmp_path, name, workers):
    """At random moments, with what the driver started."""
    run_dir, rng = tmp_path / "run", random.Random(workers)
    for part in range(3):
        process = _start(name, run_dir, workers, *(["--resume"] if part else []))
        wanted = (part + rng.random()) / 3 * SEARCHES[name]
        while _individuals(run_dir) < wanted:
            assert process.poll() is None
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        assert _individuals(run_dir) < SEARCHES[name]
    assert _history(name, run_dir, workers, "--resume") == alone(name)
