"""Whole searches as processes: one history whatever happens to workers and driver."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import toys

from search.inspect import main as inspect
from search.jobs import InProcess
from search.statistics import Statistics
from search.store import Reader, StoreError
from search.view import View

TOY = [sys.executable, str(Path(__file__).parent / "toys.py")]
CONFIG = """\
evolution: {children: 250, population: 40, repeats: 2, rounds: 1, window: 40}
evaluation: {tasks: toy, hurdles: {audit_share: 0.2}}
rescore: {programs: 2, seeds: 2}
workers: {address: in_process, batch_s: 0.02, retries: 30}
store: {commit_s: 0.02}
funnel: null
"""


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "toy.yaml"
    path.write_text(CONFIG)
    return path


@pytest.fixture(scope="module")
def reference(run_dir):
    """The digest of the search, run in one process without disturbance."""
    return digest(run_dir)


def start(config, run_dir, *options, **environment) -> subprocess.Popen:
    command = [*TOY, "--config", str(config), "--run-dir", str(run_dir), "--view", "json", *options]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, **environment},
    )


def finished(process: subprocess.Popen, timeout_s: float = 120) -> subprocess.CompletedProcess:
    out, err = process.communicate(timeout=timeout_s)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def digest(run_dir) -> str:
    with Reader(run_dir) as store:
        paid = store.rows("SELECT count(*), count(DISTINCT individual) FROM evaluations"
                          " WHERE purpose = 'search'")  # fmt: skip
        assert paid[0][0] == paid[0][1]
        return store.history_digest()


def told(run_dir) -> int:
    with contextlib.suppress(StoreError), Reader(run_dir) as store:
        return store.rows("SELECT count(*) FROM individuals")[0][0]
    return 0  # the file is being made


def wait_for(condition, limit_s=60.0):
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.02)


def ray_workers(count: int) -> list[str]:
    return ["--set", "workers.address=local", "--set", f"workers.count={count}"]


@pytest.fixture(scope="module")
def run_dir(config, tmp_path_factory):
    """A finished run."""
    run_dir = tmp_path_factory.mktemp("finished") / "run"
    done = finished(start(config, run_dir))
    assert done.returncode == 0, done.stderr
    return run_dir


@pytest.mark.parametrize("workers, hostile", [(1, "0"), (2, "0.03"), (5, "0")])
def test_one_history_with_any_number_of_workers_and_with_workers_killed(
    config, reference, tmp_path, workers, hostile
):
    process = start(config, tmp_path / "run", *ray_workers(workers), TOY_HOSTILE=hostile)
    done = finished(process)
    assert done.returncode == 0, done.stderr
    assert digest(tmp_path / "run") == reference
    with Reader(tmp_path / "run") as store:
        [(lost,)] = store.rows("SELECT count(*) FROM events WHERE kind = 'worker'")
        assert (lost > 0) == (hostile != "0")


def kill_and_resume(config, run_dir, kills, rng, options=()):
    """Runs a search to its end with the driver killed on the way; returns its output."""
    resume: list[str] = []
    while True:
        process = start(config, run_dir, *options, *resume)
        if not kills:
            return finished(process)
        before = told(run_dir) if resume else 0
        ended = lambda process=process: process.poll() is not None
        wait_for(lambda ended=ended: ended() or run_dir.exists())
        if rng.random() < 0.7:
            wait_for(lambda ended=ended, before=before: ended() or told(run_dir) > before)
        time.sleep(rng.uniform(0, 0.15))
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            kills -= 1
        done = finished(process)
        if done.returncode == 0:
            return done
        assert done.returncode == -signal.SIGKILL, done.stderr
        resume = ["--resume"]


def test_one_history_with_the_driver_killed_and_resumed(config, reference, tmp_path):
    done = kill_and_resume(config, tmp_path / "run", 5, random.Random(1))
    assert done.returncode == 0, done.stderr
    assert digest(tmp_path / "run") == reference


@pytest.mark.slow
def test_one_history_with_20_kills_of_driver_and_workers(config, reference, tmp_path, monkeypatch):
    monkeypatch.setenv("TOY_HOSTILE", "0.01")
    monkeypatch.setenv("TOY_SLEEP_S", "0.02")
    run = tmp_path / "run"
    done = kill_and_resume(config, run, 20, random.Random(2), ray_workers(2))
    assert done.returncode == 0, done.stderr
    assert digest(run) == reference


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_cleanly_and_the_last_line_resumes(config, reference, tmp_path, number):
    run_dir = tmp_path / "run"
    options = ray_workers(1) if number == signal.SIGTERM else ()
    process = start(config, run_dir, *options, TOY_SLEEP_S="0.06")
    wait_for(lambda: told(run_dir) > 20)
    refused = finished(start(config, run_dir, "--resume"))
    assert refused.returncode == 2 and f"(process {process.pid} on " in refused.stderr
    family = psutil.Process(process.pid).children(recursive=True)
    begin = time.monotonic()
    process.send_signal(number)
    done = finished(process)
    assert time.monotonic() - begin < 10
    assert done.returncode == 128 + number, done.stderr
    assert "Traceback" not in done.stderr
    assert not psutil.wait_procs(family, timeout=5)[1]
    command = shlex.split(done.stdout.splitlines()[-1])
    assert command[:3] == ["python", "-m", "search.run"] and command[-1] == "--resume"
    again = [part.replace("address=local", "address=in_process") for part in command[3:]]
    assert finished(subprocess.Popen([*TOY, *again], stdout=-1, stderr=-1)).returncode == 0
    assert digest(run_dir) == reference


@pytest.mark.slow
def test_the_death_of_ray_ends_with_the_resume_command(config, reference, tmp_path):
    process = start(config, tmp_path / "run", *ray_workers(1), TOY_SLEEP_S="0.2")
    wait_for(lambda: told(tmp_path / "run") > 5)
    family = psutil.Process(process.pid).children(recursive=True)
    [gcs] = [child for child in family if "gcs_server" in child.name()]
    gcs.kill()
    done = finished(process, 30)
    assert done.returncode == 75 and done.stderr.splitlines()[-1].endswith("--resume")
    assert not psutil.wait_procs(family, timeout=15)[1]
    options = "--resume", "--set", "workers.address=in_process"
    assert finished(start(config, tmp_path / "run", *options)).returncode == 0
    assert digest(tmp_path / "run") == reference


def test_another_search_is_refused_with_the_difference(config, run_dir):
    again = finished(start(config, run_dir))
    assert again.returncode == 2 and "already holds a search" in again.stderr
    other = finished(start(config, run_dir, "--resume", "--set", "evolution.population=41"))
    assert other.returncode == 2
    assert "evolution.population was 40, now 41" in other.stderr


def test_earlier_runs_spare_trainings_and_change_nothing_else(config, run_dir, tmp_path):
    reuse = ["--set", f"cache.runs={run_dir}"]
    done = finished(start(config, tmp_path / "two", *reuse))
    assert done.returncode == 0, done.stderr
    query = "SELECT number, child, parent, mutation, functional, fitness FROM history ORDER BY 1"
    with Reader(run_dir) as one, Reader(tmp_path / "two") as two:
        assert one.rows(query) == two.rows(query)
        assert two.rows("SELECT count(*) FROM evaluations WHERE purpose = 'search'") == [(0,)]
    done = finished(start(config, tmp_path / "three", *reuse, "--set", "evaluation.seeds=2"))
    assert done.returncode == 2 and "differs in evaluation.seeds" in done.stderr


def test_mistakes_are_printed_before_anything_starts(config, tmp_path):
    options = ["--set", "evolution.warm_start=library:adamv", "--set", "workers.cuont=3"]
    done = finished(start(config, tmp_path / "run", *options))
    assert done.returncode == 2 and not (tmp_path / "run").exists()
    assert "workers.cuont: unknown key; did you mean 'count'?" in done.stderr
    done = finished(start(config, tmp_path / "run", *options[:2]))
    assert done.returncode == 2 and not (tmp_path / "run").exists()
    assert "adamw" in done.stderr and "Traceback" not in done.stderr


def test_views_and_the_summary_say_what_happened(config, tmp_path):
    done = finished(start(config, tmp_path / "run"))
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert lines[-1]["told"] == lines[-1]["target"] == 502
    assert 0 < lines[-1]["functional_hits"] <= lines[-1]["canonical_hits"] < 1
    for words in ("502 individuals", "cache hits", "redundant statements", "Leading programs",
                  "Hall of fame", "rejected by the fingerprint"):  # fmt: skip
        assert words in done.stdout


@pytest.mark.parametrize("kind, words", [("plain", "8/10 told"), ("rich", "8 of 10 told")])
def test_views_for_people_draw_what_is_known(kind, words):
    file = io.StringIO()
    statistics = Statistics(target=10, told=8, best=-0.5, best_text="def train(w, g, lr):")
    with View(kind, statistics, InProcess(toys.factory()), file) as view:
        view.show()
    assert words in file.getvalue() and "-0.5" in file.getvalue()


@pytest.mark.parametrize(
    "what, words",
    [
        ((), "502 individuals, "),
        (("leaders", "--count", "2"), "def train(w, g, m, v, lr):"),
        (("show", "400"), "  # redundant"),
        (("lineage", "400"), "0  start  fitness 6"),
        (("curve",), "502,"),
        (("events",), "start: {"),
    ],
)
def test_a_run_can_be_looked_into(run_dir, capsys, what, words):
    assert inspect([str(run_dir), *what]) == 0
    assert words in capsys.readouterr().out


def test_looking_for_what_is_not_there_is_one_line(run_dir, capsys, tmp_path):
    assert inspect([str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"error: {tmp_path}: no search here (there is no search.db)\n"
    assert inspect([str(run_dir), "show", "9999"]) == 2
    assert capsys.readouterr().err == "error: there is no individual 9999\n"
