"""What Ray and workers are told by the environment, on one machine and on a cluster."""

import os
from pathlib import Path

import pytest

from search.config.machines import WorkerSettings
from search.workers import ray_environment
from search.workers.process import expanded

LOOPBACK = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"


@pytest.fixture
def told(monkeypatch, tmp_path):
    """The environment that a start of Ray leaves, from one with these variables."""

    def environment(address: str, **given: str) -> dict[str, str]:
        monkeypatch.setattr(os, "environ", {"HOME": str(tmp_path), **given})
        ray_environment.import_ray(WorkerSettings(address=address))
        return dict(os.environ)

    return environment


def test_ray_is_kept_on_loopback_on_one_machine_alone(told):
    """On a cluster the driver's address would be one that no other machine can reach."""
    assert told("local")[LOOPBACK] == told("127.0.0.1:6379")[LOOPBACK] == "0"
    assert told("localhost:6379")[LOOPBACK] == "0"
    assert LOOPBACK not in told("head:6379") and LOOPBACK not in told("auto")


def test_the_token_that_is_there_is_sent_to_a_cluster(told, tmp_path):
    assert "RAY_AUTH_MODE" not in told("head:6379")
    assert told("head:6379", RAY_AUTH_TOKEN="t")["RAY_AUTH_MODE"] == "token"
    assert (
        told("head:6379", RAY_AUTH_TOKEN="t", RAY_AUTH_MODE="disabled")["RAY_AUTH_MODE"]
        == "disabled"
    )
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray/auth_token").write_text("t")
    assert told("head:6379")["RAY_AUTH_MODE"] == "token"
    assert "RAY_AUTH_TOKEN" not in told("head:6379")


def test_a_local_ray_has_a_token_of_its_own(told, tmp_path):
    first, second = told("local"), told("local")
    assert first["RAY_AUTH_MODE"] == "token" and first["RAY_AUTH_TOKEN"] != second["RAY_AUTH_TOKEN"]
    assert "RAY_AUTH_TOKEN" not in told("local", RAY_AUTH_MODE="disabled")
    assert not list(tmp_path.iterdir())


def test_a_worker_keeps_what_it_compiles_in_its_own_machines_home(monkeypatch):
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    sent = ray_environment.environment_of(WorkerSettings())
    assert sent["JAX_COMPILATION_CACHE_DIR"].startswith("~/")
    kept = expanded(sent)["JAX_COMPILATION_CACHE_DIR"]
    assert Path(kept).is_absolute() and "~" not in kept
