"""Which cluster `workers.address: auto` stands for, or why there is none."""

import socket
import subprocess
import sys

import pytest

from search.config.machines import WorkerSettings
from search.workers import ray_address
from search.workers.ray_address import resolved, running
from search.workers.ray_cluster import WorkerError

AUTO = WorkerSettings(address="auto")


@pytest.fixture
def file(tmp_path, monkeypatch):
    """The file in which `ray start` leaves the address."""
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.delitem(sys.modules, "ray", raising=False)
    (tmp_path / "ray").mkdir()
    return tmp_path / "ray" / "ray_current_cluster"


@pytest.fixture
def listening():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def ended():
    with socket.socket() as bound:  # which does not listen
        bound.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{bound.getsockname()[1]}"


def test_the_one_that_was_started_last_counts_if_it_is_there(file, listening, monkeypatch):
    file.write_text(f"{listening}\n")
    monkeypatch.setattr(ray_address, "running", lambda: {"b:2", "a:1"})
    assert resolved(AUTO) == WorkerSettings(address=listening)


@pytest.mark.parametrize(
    ("others", "said"),
    [
        (set(), "no Ray cluster runs here{lost}; start or join one (ray start --address=HOST:PORT "
         "--num-cpus=0), or give local"),
        ({"b:2", "a:1"}, "several Ray clusters run here, a:1 and b:2{lost}; give one of them"),
    ],
)  # fmt: skip
def test_without_it_there_is_one_or_a_reason(file, ended, monkeypatch, others, said):
    monkeypatch.setattr(ray_address, "running", lambda: others)
    with pytest.raises(WorkerError) as raised:
        resolved(AUTO)
    assert str(raised.value) == f"workers.address 'auto': {said.format(lost='')}"
    file.write_text(ended)
    with pytest.raises(WorkerError) as raised:
        resolved(AUTO)
    named = f"; {ended}, of which {file} says that it is one, does not answer: "
    assert named in str(raised.value) and "\n" not in str(raised.value)
    monkeypatch.setattr(ray_address, "running", lambda: {"a:1"})
    assert resolved(AUTO).address == "a:1"


def test_what_is_known_is_not_looked_for(file, monkeypatch):
    monkeypatch.setattr(ray_address, "running", set)
    assert resolved(WorkerSettings()) == WorkerSettings()
    monkeypatch.setenv("RAY_ADDRESS", "a:1")
    assert resolved(AUTO) is AUTO


def test_a_raylet_says_which_cluster_it_is_of():
    code = "import sys; print(flush=True); sys.stdin.read()"
    words = [sys.executable, "-c", code, "--gcs-address=no.such.host:7"]
    raylet = subprocess.Popen(
        ["raylet", *words[1:]], executable=words[0], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with raylet:
        raylet.stdout.readline()
        assert "no.such.host:7" in running()
        raylet.stdin.close()
