"""Whole searches: one history whatever happens to workers and driver, as processes; and what is said
of mistakes."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import random
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import toys
from in_process import exit_code

from search.evaluation.source import Function
from search.inspect import main as inspect
from search.run import main
from search.storage.errors import StoreError
from search.storage.queries import history_digest
from search.storage.store import Reader, Store

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


@pytest.fixture
def run(capsys):
    """(config, run_dir, *options) -> how a search in this process ended."""

    def run(config, run_dir, *options) -> subprocess.CompletedProcess:
        words = ["--config", str(config), "--run-dir", str(run_dir), "--view", "json", *options]
        code = exit_code(functools.partial(main, source=Function(toys.factory())), words)
        return subprocess.CompletedProcess(words, code, *capsys.readouterr())

    return run


def digest(run_dir) -> str:
    with Reader(run_dir) as store:
        paid = store.rows("SELECT count(*), count(DISTINCT individual) FROM evaluations"
                          " WHERE purpose = 'search'")  # fmt: skip
        assert paid[0][0] == paid[0][1]
        return history_digest(store)


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
    assert time.monotonic() - begin < 30
    assert done.returncode == 128 + number, done.stderr
    assert "Traceback" not in done.stderr
    assert not psutil.wait_procs(family, timeout=5)[1]
    command = shlex.split(json.loads(done.stdout.splitlines()[-1])["resume"])
    assert Path(command[0]).samefile(sys.executable)
    assert command[1:] == ["-m", "search.run", "--resume", str(run_dir)]
    again = [*command[3:], "--set", "workers.address=in_process"]
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
    assert done.returncode == 75 and done.stderr.splitlines()[-1].endswith(
        f"--resume {tmp_path / 'run'}"
    )
    assert not psutil.wait_procs(family, timeout=15)[1]
    options = "--resume", "--set", "workers.address=in_process"
    assert finished(start(config, tmp_path / "run", *options)).returncode == 0
    assert digest(tmp_path / "run") == reference


def test_another_search_is_refused_with_the_difference(run, config, run_dir):
    again = run(config, run_dir)
    assert again.returncode == 2 and "already holds a search" in again.stderr
    other = run(config, run_dir, "--resume", "--set", "evolution.population=41")
    assert other.returncode == 2
    assert "evolution.population was 40, now 41" in other.stderr


def test_earlier_runs_spare_trainings_and_change_nothing_else(run, config, run_dir, tmp_path):
    reuse = ["--set", f"cache.runs={run_dir}"]
    done = run(config, tmp_path / "two", *reuse)
    assert done.returncode == 0, done.stderr
    query = "SELECT number, child, parent, mutation, functional, fitness FROM history ORDER BY 1"
    with Reader(run_dir) as one, Reader(tmp_path / "two") as two:
        assert one.rows(query) == two.rows(query)
        assert two.rows("SELECT count(*) FROM evaluations WHERE purpose = 'search'") == [(0,)]
    done = run(config, tmp_path / "three", *reuse, "--set", "evaluation.seeds=2")
    assert done.returncode == 2 and "differs in evaluation.seeds" in done.stderr
    done = run(config, tmp_path / "four", *reuse, "--set", "evaluation.rates=[1.0, 0.5]")
    assert done.returncode == 2 and "differs in evaluation.rates" in done.stderr
    done = run(config, tmp_path / "five", *reuse, "--set", "evaluation.race=0.5")
    assert done.returncode == 2 and "cache.runs: with evaluation.race" in done.stderr


def test_scores_from_another_machine_are_taken_over_with_a_warning(run, config, run_dir, tmp_path):
    shutil.copytree(run_dir, tmp_path / "one")
    with Store(tmp_path / "one") as store:
        versions = json.loads(store.meta("versions")) | {"processor": "another"}
        store.set_meta("versions", json.dumps(versions))
    options = ["--set", f"cache.runs={tmp_path / 'one'}", "--set", "evolution.children=20"]
    done = run(config, tmp_path / "two", *options)
    assert done.returncode == 0, done.stderr
    warning = json.loads(done.stdout.splitlines()[0])["warning"]
    assert 'fitness may differ in its last bits: processor was "another", now ' in warning


def test_mistakes_are_printed_before_anything_starts(run, config, tmp_path):
    options = ["--set", "evolution.warm_start=library:adamv", "--set", "workers.cuont=3"]
    done = run(config, tmp_path / "run", *options)
    assert done.returncode == 2 and not (tmp_path / "run").exists()
    assert "workers.cuont: unknown key; did you mean 'count'?" in done.stderr
    assert "no library program 'adamv'" in done.stderr and "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1] == "2 errors; nothing was run."


@pytest.mark.parametrize("moment", ["importing", "checking"])
def test_ctrl_c_before_anything_runs_is_one_line(config, tmp_path, moment):
    """The terminal sends it to the whole group of processes."""
    options = ["--config", str(config), "--run-dir", str(tmp_path / "run")]
    tasks = "evaluation.tasks=vision_mlp"
    process = subprocess.Popen([sys.executable, "-m", "search.run", *options, "--set", tasks],
                               stdout=-1, stderr=-1, text=True, start_new_session=True)  # fmt: skip
    here = psutil.Process(process.pid)
    maps = Path(f"/proc/{process.pid}/maps")
    if moment == "importing":
        wait_for(lambda: "numpy" in maps.read_text())
    else:
        wait_for(lambda: any("inspection" in word for word in _words_of_children(here)))
    os.killpg(process.pid, signal.SIGINT)
    done = finished(process, 10)
    assert done.returncode == 130 and not (tmp_path / "run").exists()
    assert done.stdout + done.stderr == "Stopped; nothing was run.\n"


def _words_of_children(process: psutil.Process) -> list[str]:
    """Of their command lines; a child may be about to start or to end."""
    words: list[str] = []
    for child in process.children():
        with contextlib.suppress(psutil.Error):
            words += child.cmdline()
    return words


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_wait_for_a_ray_that_does_not_answer(config, tmp_path, number):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"workers.address=127.0.0.1:{silent.getsockname()[1]}"
        process = start(config, tmp_path / "run", "--set", address)
        silent.settimeout(60)
        connection, _ = silent.accept()  # the knock
        connection.close()
        connection, _ = silent.accept()  # Ray
        process.send_signal(number)
        begin = time.monotonic()
        done = finished(process)
        connection.close()
    assert time.monotonic() - begin < 30
    assert done.returncode == 128 + number and done.stderr.count("Traceback") == 0
    assert json.loads(done.stdout.splitlines()[-1])["resume"].endswith(f"--resume {tmp_path}/run")


def test_what_keeps_a_search_from_starting_leaves_the_directory_free(run, config, tmp_path):
    """A mistake is corrected and the same command works."""
    bad = "--set", "workers.address=127.0.0.1:9"
    refused = finished(start(config, tmp_path / "run", *bad))
    assert refused.returncode == 1 and refused.stderr.count("Traceback") == 0
    assert "no Ray cluster answers at workers.address '127.0.0.1:9'" in refused.stderr
    assert refused.stderr.splitlines()[-1].endswith(f" --resume {tmp_path / 'run'}")
    options = "--set", "evolution.children=20"
    assert run(config, tmp_path / "run", *options).returncode == 0
    refused = run(config, tmp_path / "two", "--set", f"cache.runs={tmp_path / 'no'}")
    assert refused.returncode == 2 and not (tmp_path / "two").exists()
    assert f"cache.runs[0]: {tmp_path / 'no'}: no search here" in refused.stderr


def test_directories_that_cannot_hold_a_search_are_one_line(run, config, tmp_path):
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        done = run(config, place)
        assert done.returncode == 2, done.stderr
        assert done.stderr.startswith(f"error: {place}: no run directory: ")
        assert done.stderr.count("\n") == 1
    done = run(config, tmp_path / "new", "--resume")
    assert done.returncode == 2 and not (tmp_path / "new").exists()
    assert done.stderr == f"error: {tmp_path / 'new'}: no search here (there is no search.db)\n"


def test_views_and_the_summary_say_what_happened(run, config, tmp_path):
    done = run(config, tmp_path / "run")
    *_, last, summary, conclusion = map(json.loads, done.stdout.splitlines())
    assert [*summary, *conclusion] == ["summary", "conclusion"]
    assert last["individuals"] == last["target"] == 502
    assert 0 < last["functional_hits"] <= last["canonical_hits"] < 1
    for words in ("502 individuals", "cache hits", "redundant statements", "Leading programs",
                  "Hall of fame", "rejected by the fingerprint"):  # fmt: skip
        assert words in summary["summary"]


def test_the_target_follows_repeats_that_end_early_and_several_starts(run, config, tmp_path):
    starts = "evolution.warm_start=[library:adamw, library:lion]"
    options = [
        "--set",
        "evolution.flat_children=60",
        "--set",
        "evolution.rounds=2",
        "--set",
        starts,
    ]
    done = run(config, tmp_path / "run", *options)
    assert done.returncode == 0, done.stderr
    last = [json.loads(line) for line in done.stdout.splitlines()][-3]
    assert last["individuals"] == last["target"] < 2 * (2 * 250 + 3) and last["left_s"] == 0
    assert last["best_program"].startswith("def train(")


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
