"""The connection to Ray, with something else in Ray's place."""

import ctypes
import os
import signal
import subprocess
import sys
import threading

import pytest

from search.config.settings import WorkerSettings
from search.workers import ray_cluster
from search.workers.ray_cluster import WorkerError, connect, is_stuck, shut_down


class Ray:
    """Does to SIGTERM what Ray does when it ends, behind Python's back."""

    def __init__(self, during=lambda: None):
        """during: what happens while it starts or ends."""
        self.during, self.ended = during, False

    def is_initialized(self) -> bool:
        return False

    def _meddle(self) -> None:
        ctypes.CDLL(None).signal(int(signal.SIGTERM), None)

    def init(self, **_: object) -> None:
        self._meddle()
        self.during()

    def shutdown(self) -> None:
        self._meddle()
        self.during()
        self.ended = True


class Heard(BaseException):
    pass


@pytest.fixture
def heard():
    numbers: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: numbers.append(number))
    yield numbers
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def raised():
    def handler(number, _):
        raise Heard(number)

    before = signal.signal(signal.SIGTERM, handler)
    yield
    signal.signal(signal.SIGTERM, before)


def term() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def put_back(event: threading.Event) -> None:
    """Waits until our handlers are there again."""
    event.wait(20 * ray_cluster.TICK_S)


def test_signals_are_heard_after_ray_has_ended(heard):
    shut_down(Ray())
    term()
    assert heard == [signal.SIGTERM]


def test_signals_are_heard_while_ray_starts_and_ends(heard):
    def during():
        put_back(threading.Event())
        term()

    ray = Ray(during)
    assert connect(ray, WorkerSettings())
    shut_down(ray)
    assert heard == [signal.SIGTERM] * 2


def test_signals_are_heard_after_a_start_that_failed(heard, monkeypatch):
    monkeypatch.setattr(ray_cluster.time, "sleep", lambda _: None)

    def during():
        raise RuntimeError("no room")

    class Failing(Ray):
        def shutdown(self):
            self._meddle()

    with pytest.raises(WorkerError, match="Ray did not start at 'local': RuntimeError: no room"):
        connect(Failing(during), WorkerSettings())
    term()
    assert heard == [signal.SIGTERM]


def test_a_signal_does_not_end_rays_end_half_way(raised):
    def during():
        put_back(threading.Event())
        term()
        put_back(threading.Event())

    ray = Ray(during)
    with pytest.raises(Heard):
        shut_down(ray)
    assert ray.ended


def test_a_start_that_waits_for_ever_is_given_up_with_all_that_it_started(raised, monkeypatch):
    monkeypatch.setattr(ray_cluster, "STARTING_S", 0.1)
    go_on, started = threading.Event(), []
    before = subprocess.Popen(["sleep", "600"])

    def during():
        started.append(subprocess.Popen(["sleep", "600"]))
        put_back(threading.Event())
        term()
        go_on.wait()

    with pytest.raises(Heard):
        connect(Ray(during), WorkerSettings())
    assert started[0].wait() == -signal.SIGKILL and before.poll() is None and is_stuck()
    before.kill()
    go_on.set()
    before.wait()


@pytest.mark.parametrize("name, shown", [("ray_listen_error_messages", 0), ("mine", 1)])
def test_the_end_of_a_thread_of_rays_shows_no_traceback(name, shown):
    code = f"""
import threading
from search.workers import ray_cluster
ray_cluster._hide_ends_of_threads()
thread = threading.Thread(target=lambda: 1 / 0, name={name!r})
thread.start()
thread.join()
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 0 and ended.stderr.count("Traceback") == shown
