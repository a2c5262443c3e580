"""Machines of a cluster that are lost, frozen, cut off, or join in the middle of a search: real
raylets. One is cut off where Linux lets this process make a network (root).

Figures: scripts/test -m slow -s tests/search/test_lost_machines.py
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
import pytest
import ray_head

from search.storage.errors import StoreError
from search.storage.queries import history_digest
from search.storage.store import Reader

pytestmark = pytest.mark.slow  # three minutes each

TOY = [sys.executable, str(Path(__file__).parent / "toys.py")]
CONFIG = """\
evolution: {children: 700, population: 40, repeats: 2, rounds: 1, window: 40}
evaluation: {tasks: toy}
rescore: {programs: 2, seeds: 2}
workers: {address: in_process, batch_s: 0.5}
store: {commit_s: 0.2}
funnel: null
"""
SLEEP_S = 0.7  # of an evaluation
SHARE = 0.9  # of the evaluations a second that there were before
LIMIT_S = 300.0  # what takes longer hangs
HEALTH = {  # a machine that does not answer five times is lost, see docs/cluster.md
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "4000",
    "RAY_health_check_failure_threshold": "5",
}


class Network:
    """A namespace with a cable to this machine."""

    INSIDE, OUTSIDE = "10.77.31.2", "10.77.31.1"

    def __init__(self) -> None:
        """Raises OSError where it cannot be made."""
        self.name = f"cut{os.getpid()}"
        self._ends = f"{self.name}a", f"{self.name}b"
        self._ip("netns", "add", self.name)
        try:
            here, there = self._ends
            self._ip("link", "add", here, "type", "veth", "peer", "name", there)
            self._ip("link", "set", there, "netns", self.name)
            for end, address, where in (
                (here, self.OUTSIDE, ()),
                (there, self.INSIDE, ("-n", self.name)),
            ):
                self._ip(*where, "address", "add", f"{address}/24", "dev", end)
                self._ip(*where, "link", "set", end, "up")
            self._ip("-n", self.name, "link", "set", "lo", "up")
            self._ip("-n", self.name, "route", "add", "default", "via", self.OUTSIDE)
        except OSError:
            self.end()
            raise

    def cut(self) -> None:
        """From now on nothing comes through."""
        self._ip("-n", self.name, "link", "set", self._ends[1], "down")

    def end(self) -> None:
        self._ip("netns", "delete", self.name)  # and the cable with it

    @staticmethod
    def _ip(*words: str) -> None:
        done = subprocess.run(["ip", *words], capture_output=True, text=True)
        if done.returncode:
            raise OSError(f"ip {' '.join(words)}: {done.stderr.strip()}")


class Machine:
    """A raylet with a CPU, and its workers."""

    def __init__(self, head: ray_head.Head, network: Network | None = None):
        """Waits until it has joined; network: that it is in, else this machine's."""
        mark = f"machine-{secrets.token_hex(4)}"
        names = ["dashboard-agent-listen-port", "dashboard-agent-grpc-port",
                 "runtime-env-agent-port", "metrics-export-port"]  # fmt: skip
        ports = [f"--{n}={port}" for n, port in zip(names, ray_head.free_ports(len(names)))]
        inside = ["ip", "netns", "exec", network.name] if network else []
        address = [f"--node-ip-address={network.INSIDE}"] if network else []
        self._process = subprocess.Popen(
            [*inside, ray_head.RAY, "start", "--block", f"--address={head.address}", *address,
             "--num-cpus=1",
             f'--resources={{"{mark}": 1}}',
             "--disable-usage-stats",
             "--min-worker-port=0", "--max-worker-port=0", *ports],
            env=head.environment | {"RAY_AUTH_MODE": "token"},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            until(lambda: self._has_joined(head, mark), 60)
        except BaseException:
            self.end()
            raise

    def _has_joined(self, head: ray_head.Head, mark: str) -> bool:
        assert self._process.poll() is None, "it ended"
        answer = head.ray("list", "nodes", "--format", "json")
        return answer.returncode == 0 and mark in answer.stdout

    def signal(self, number: int) -> None:
        """To all of its processes, the youngest first."""
        parent = psutil.Process(self._process.pid)
        for process in [*reversed(parent.children(recursive=True)), parent]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)

    def end(self) -> None:
        with contextlib.suppress(psutil.NoSuchProcess):
            self.signal(signal.SIGKILL)
        self._process.wait(30)


@contextlib.contextmanager
def searching(
    run_dir: Path, config: Path, *options: str, **environment: str
) -> Iterator[subprocess.Popen]:
    """A search, which is not left behind; its output is in run_dir.out."""
    with run_dir.with_suffix(".out").open("w") as out:
        process = subprocess.Popen(
            [*TOY, "--config", str(config), "--run-dir", str(run_dir), "--view", "plain", *options],
            cwd=ray_head.ROOT, env={**os.environ, **environment},
            stdout=out, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def evaluations(run_dir: Path) -> int:
    with contextlib.suppress(StoreError), Reader(run_dir) as store:
        return store.rows("SELECT count(*) FROM evaluations")[0][0]
    return 0


def rate(run_dir: Path, seconds: float) -> float:
    """Evaluations that end in a second, from now on."""
    before = evaluations(run_dir)
    time.sleep(seconds)
    return (evaluations(run_dir) - before) / seconds


def until(condition, limit_s: float) -> float:
    """The seconds that it took."""
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() < begun + limit_s, "it took too long"
        time.sleep(0.2)
    return time.monotonic() - begun


@contextlib.contextmanager
def networks(count: int) -> Iterator[list[Network]]:
    """Skips the test where there are none."""
    try:
        made = [Network() for _ in range(count)]
    except OSError as error:
        pytest.skip(f"no network of a test's own: {error}")
    try:
        yield made
    finally:
        for network in made:
            network.end()


@contextlib.contextmanager
def machines(
    head: ray_head.Head, count: int, inside: Sequence[Network] = ()
) -> Iterator[list[Machine]]:
    """A list of them, those in networks of their own first, to which more may be added; all end."""
    running: list[Machine] = []
    try:
        running += (Machine(head, network) for network in inside)
        running += (Machine(head) for _ in range(count - len(inside)))
        yield running
    finally:
        for machine in running:
            machine.end()


@pytest.mark.parametrize("fault", ["lost", "frozen", "cut off"])
def test_a_search_goes_on_without_a_machine_and_with_another(tmp_path, fault):
    config = tmp_path / "toy.yaml"
    config.write_text(CONFIG)
    with searching(tmp_path / "alone", config) as alone:
        assert alone.wait(LIMIT_S) == 0, (tmp_path / "alone.out").read_text()

    run_dir = tmp_path / "run"
    with (
        networks(int(fault == "cut off")) as inside,
        ray_head.started(authentication=True, cpus=0, joined=True, **HEALTH) as head,
        machines(head, 3, inside) as running,
        searching(
            run_dir, config,
            *("--set", f"workers.address={head.address}", "--set", "workers.count=3"),
            TOY_SLEEP_S=str(SLEEP_S), **head.environment,
        ) as process,
    ):  # fmt: skip
        until(lambda: evaluations(run_dir) > 30, LIMIT_S)
        before, begun = rate(run_dir, 15), time.monotonic()
        if fault == "cut off":
            inside[0].cut()
        else:
            running[0].signal(signal.SIGKILL if fault == "lost" else signal.SIGSTOP)
        running.append(Machine(head))
        now = 0.0
        while now < SHARE * before:
            now, passed = rate(run_dir, 5), time.monotonic() - begun
            print(f"after {passed:3.0f} s {now:.2f} evaluations a second, before {before:.2f}")
            assert process.poll() is None and passed < LIMIT_S, "it stands still"
        assert process.wait(LIMIT_S) == 0, run_dir.with_suffix(".out").read_text()
    with Reader(tmp_path / "alone") as one, Reader(run_dir) as other:
        assert history_digest(one) == history_digest(other)
        [(paid, different)] = other.rows(
            "SELECT count(*), count(DISTINCT individual) FROM evaluations WHERE purpose = 'search'"
        )
        assert paid == different
        print(*other.rows("SELECT kind, text FROM events"), sep="\n")
