"""A search as a job of a Ray cluster, and joined by its address: the history of one process."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import ray_head

from search.storage.errors import StoreError
from search.storage.queries import history_digest
from search.storage.store import Reader

pytestmark = pytest.mark.slow  # a head takes 15 s, a job 20

SMALL = [  # of configs/cluster.yaml, whose other settings stay
    "evolution.children=300", "evolution.population=50", "evolution.repeats=2",
    "evolution.window=50",
    "evaluation.tasks=[vision_mlp]", "evaluation.settings={vision_mlp: {steps: 20}}",
    "rescore={programs: 2, seeds: 2}", "funnel=null", "workers.count=1",
]  # fmt: skip


def command(run_dir, *options, **overrides) -> list[str]:
    sets = [*SMALL, f"store.run_dir={run_dir}", *(f"{k}={v}" for k, v in overrides.items())]
    sets = [part for override in sets for part in ("--set", override)]
    return ["-m", "search.run", "--config", "configs/cluster.yaml", *sets, *options]


def digest(run_dir) -> str:
    with Reader(run_dir) as store:
        return history_digest(store)


def told(run_dir) -> int:
    with contextlib.suppress(StoreError), Reader(run_dir) as store:
        return store.rows("SELECT count(*) FROM individuals")[0][0]
    return 0


@pytest.fixture(scope="module")
def reference(tmp_path_factory) -> str:
    """The digest of the search in one process, without Ray."""
    run_dir = tmp_path_factory.mktemp("reference") / "run"
    python = [sys.executable, *command(run_dir, **{"workers.address": "in_process"})]
    cache = {"JAX_COMPILATION_CACHE_DIR": str(Path("~/.cache/update-rule-search/xla").expanduser())}
    environment = {**os.environ, **cache}  # as workers have it
    done = subprocess.run(
        python, cwd=ray_head.ROOT, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return digest(run_dir)


@pytest.fixture(scope="module")
def head():
    with ray_head.started(authentication=True) as started:
        yield started


def submit(head, name, *arguments, wait=True):
    options = ["--submission-id", name, "--working-dir", "."] + ["--no-wait"] * (not wait)
    python = ["--", sys.executable, *arguments]
    return head.ray("job", "submit", *options, *python, cwd=ray_head.ROOT)


def status(head, name) -> str:
    answer = head.ray("job", "status", name)
    return (answer.stderr + answer.stdout).upper()


def test_a_job_succeeds_with_the_history_of_the_local_run(head, reference, tmp_path):
    done = submit(head, "whole", *command(tmp_path / "run"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCEEDED" in status(head, "whole")
    assert digest(tmp_path / "run") == reference


def test_a_job_that_is_stopped_resumes_to_the_same_history(head, reference, tmp_path):
    run_dir = tmp_path / "run"
    submit(head, "stopped", *command(run_dir), wait=False)
    end = time.monotonic() + 200
    while told(run_dir) < 100:
        assert time.monotonic() < end, head.ray("job", "logs", "stopped").stdout
        time.sleep(0.2)
    head.ray("job", "stop", "stopped")
    assert "STOPPED" in status(head, "stopped")
    assert told(run_dir) < 602
    logs = head.ray("job", "logs", "stopped").stdout
    assert "Stopped; nothing that was evaluated is lost." in logs and "Traceback" not in logs
    again = submit(head, "resumed", "-m", "search.run", "--resume", str(run_dir))
    assert again.returncode == 0, again.stdout + again.stderr
    assert digest(run_dir) == reference


def join(head, run_dir, **authentication) -> subprocess.CompletedProcess:
    """authentication: Ray's environment, in place of the head's."""
    python = [sys.executable, *command(run_dir, **{"workers.address": head.address})]
    environment = {k: v for k, v in head.environment.items() if "RAY_AUTH_" not in k}
    return subprocess.run(
        python,
        cwd=ray_head.ROOT,
        env=environment | authentication,
        capture_output=True,
        text=True,
        timeout=240,
    )


def test_a_cluster_is_joined_by_its_address_with_the_token_that_is_there(head, reference, tmp_path):
    token = {"RAY_AUTH_TOKEN_PATH": head.environment["RAY_AUTH_TOKEN_PATH"]}
    done = join(head, tmp_path / "run", **token)
    assert done.returncode == 0, done.stderr
    assert digest(tmp_path / "run") == reference


def test_without_the_token_the_message_names_it(head, tmp_path):
    done = join(head, tmp_path / "run", RAY_AUTH_MODE="disabled")
    assert done.returncode == 1
    assert "RAY_AUTH_MODE" in done.stderr, done.stderr


def test_a_cluster_without_authentication_takes_jobs_and_is_joined(reference, tmp_path):
    with ray_head.started(authentication=False) as head:
        done = submit(head, "open", *command(tmp_path / "job"))
        assert done.returncode == 0, done.stdout + done.stderr
        assert digest(tmp_path / "job") == reference
        done = join(head, tmp_path / "joined", RAY_AUTH_TOKEN="0" * 64)
        assert done.returncode == 0, done.stderr
        assert digest(tmp_path / "joined") == reference
