"""A search from Python is stopped by exceptions, wherever they arrive, and goes on to the same end."""

from __future__ import annotations

import random
import signal
import threading

import pytest
import toys
from in_process import digest

from search import api
from search.evaluation.source import Function
from search.stopping import Stopped
from search.storage.store import Reader, StoreError

CONFIG = {
    "evolution": {"children": 200, "population": 20, "repeats": 1, "rounds": 1, "window": 8},
    "evaluation": {"tasks": ["toy", "other"], "rates": [1.0, 0.5]},
    "rescore": {"programs": 2, "seeds": 2},
    "workers": {"address": "in_process", "batch_s": 1e-3},
    "store": {"commit_s": 0},
    "funnel": None,
}
TOY = Function(toys.stepper_factory)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "run"
    api.search(CONFIG, path, source=TOY)
    return digest(path)


@pytest.fixture
def alarm():
    """Sets a moment at which KeyboardInterrupt is raised, wherever the main thread is."""
    armed = []

    def interrupt(*_):
        if armed:
            armed.clear()
            raise KeyboardInterrupt

    def arm(seconds: float) -> None:
        armed.append(True)
        signal.setitimer(signal.ITIMER_REAL, seconds)

    before = signal.signal(signal.SIGALRM, interrupt)
    arm.off = armed.clear
    yield arm
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def has_begun(path) -> bool:
    try:
        with Reader(path, verified=False) as store:
            return store.meta("history") is not None
    except StoreError:
        return False


def test_interrupted_anywhere_it_goes_on_to_the_same_history(tmp_path, whole, alarm):
    """Also between two rows that belong together: the one alone would give another history."""
    path, rng, interrupted = tmp_path / "run", random.Random(1), 0
    for _ in range(60):
        try:
            alarm(rng.uniform(1e-4, 0.06))
            api.search(CONFIG, path, source=TOY, resume=has_begun(path))
            alarm.off()
            if interrupted > 5:
                break
        except KeyboardInterrupt:
            interrupted += 1
    alarm.off()
    api.search(CONFIG, path, source=TOY, resume=True)
    assert interrupted > 5 and digest(path) == whole


def test_ctrl_c_is_keyboard_interrupt_and_leaves_the_handlers_alone(tmp_path, whole):
    found = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    asked = []

    def pressed():
        asked.append(None)
        if len(asked) >= 4:  # again, if a callback of the garbage collector swallowed it
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        api.search(CONFIG, tmp_path / "run", source=TOY, stopping=pressed)
    api.search(None, tmp_path / "run", source=TOY, resume=True)
    assert digest(tmp_path / "run") == whole
    assert {number: signal.getsignal(number) for number in before} == before
    signal.signal(signal.SIGINT, found)


def test_another_thread_stops_one_in_a_thread(tmp_path, whole):
    stop, raised = threading.Event(), []

    def run():
        try:
            api.search(CONFIG, tmp_path / "run", source=TOY, stopping=asked)
        except Stopped as stopped:
            raised.append(stopped.args)

    def asked():
        stop.set()  # as soon as it runs
        return signal.SIGTERM if stop.is_set() else None

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert raised == [(signal.SIGTERM,)]
    api.search(None, tmp_path / "run", source=TOY, resume=True)
    assert digest(tmp_path / "run") == whole
