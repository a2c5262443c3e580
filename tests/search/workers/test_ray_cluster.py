"""The connection to Ray, with something else in Ray's place."""

import ctypes
import os
import signal
import subprocess
import sys
import threading

import pytest

from search.config.machines import WorkerSettings
from search.workers import ray_cluster
from search.workers.ray_cluster import WorkerError, connect, is_stuck, shut_down


class Ray:
    """Does to SIGTERM what Ray does when it ends, behind Python's back."""

    def __init__(self, during=lambda: None):
        """during: what happens while it starts or ends."""
        self.during, self.ended, self.begun, self.ready = during, False, False, False

    def is_initialized(self) -> bool:
        """As Ray has it: before it can be used."""
        return self.begun and not self.ended

    def _meddle(self) -> None:
        ctypes.CDLL(None).signal(int(signal.SIGTERM), None)

    def init(self, **_: object) -> None:
        self._meddle()
        self.begun = True
        self.during()
        self.ready = True

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
    connect(ray, WorkerSettings()).close(lost=False)
    assert ray.ended
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


def test_ray_ends_with_the_last_of_its_users():
    ray = Ray()
    first, second = connect(ray, WorkerSettings()), connect(ray, WorkerSettings())
    first.close(lost=False)
    first.close(lost=False)
    assert not ray.ended
    second.close(lost=False)
    assert ray.ended


def test_a_ray_that_was_there_before_is_left_alone():
    ray = Ray()
    ray.init()
    connect(ray, WorkerSettings()).close(lost=False)
    connect(ray, WorkerSettings(address="127.0.0.1:1")).close(lost=True)
    assert not ray.ended


def test_a_ray_that_was_lost_is_killed_once_nobody_uses_it(monkeypatch):
    killed = []
    monkeypatch.setattr(ray_cluster, "kill_descendants", lambda: killed.append(None))
    ray = Ray()
    first, second = connect(ray, WorkerSettings()), connect(ray, WorkerSettings())
    first.close(lost=True)
    assert not killed
    second.close(lost=False)
    assert killed and not ray.ended


def test_two_threads_start_one_ray_and_both_wait_until_it_can_be_used():
    starting, go_on, used, starts = threading.Event(), threading.Event(), [], []

    def during():
        starts.append(None)
        starting.set()
        go_on.wait()

    def use():
        connect(ray, WorkerSettings())
        used.append(ray.ready)

    ray, threads = Ray(during), [threading.Thread(target=use) for _ in range(2)]
    threads[0].start()
    starting.wait()
    threads[1].start()
    threads[1].join(10 * ray_cluster.TICK_S)
    go_on.set()
    for thread in threads:
        thread.join()
    assert used == [True, True] and len(starts) == 1


def test_a_process_is_connected_to_one_address():
    ray = Ray()
    connection = connect(ray, WorkerSettings())
    connect(ray, WorkerSettings(address="auto")).close(lost=False)
    with pytest.raises(WorkerError, match=r"'127\.0\.0\.1:1': another .* connected to 'local'"):
        connect(ray, WorkerSettings(address="127.0.0.1:1"))
    connection.close(lost=False)


def test_a_cluster_that_does_not_answer_is_given_up(monkeypatch):
    monkeypatch.setattr(ray_cluster, "STARTING_S", 0.1)
    monkeypatch.setattr(ray_cluster, "CONNECTING_S", 0.1)
    go_on = threading.Event()
    with pytest.raises(WorkerError, match=r"Ray did not start at 'auto': TimeoutError: no answer"):
        connect(Ray(go_on.wait), WorkerSettings(address="auto"))
    assert is_stuck()
    go_on.set()


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
