"""The connection to Ray, with something else in Ray's place."""

import ctypes
import os
import signal

import pytest

from search.workers.ray_cluster import own_handlers, shut_down


class Ray:
    """Does to SIGTERM what Ray does when it ends, behind Python's back."""

    def shutdown(self) -> None:
        ctypes.CDLL(None).signal(int(signal.SIGTERM), None)


@pytest.fixture
def heard():
    numbers: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: numbers.append(number))
    yield numbers
    signal.signal(signal.SIGTERM, before)


def test_signals_are_heard_after_ray_has_ended(heard):
    shut_down(Ray())
    os.kill(os.getpid(), signal.SIGTERM)
    assert heard == [signal.SIGTERM]


def test_signals_are_heard_after_a_start_that_failed(heard):
    with pytest.raises(RuntimeError), own_handlers():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise RuntimeError
    os.kill(os.getpid(), signal.SIGTERM)
    assert heard == [signal.SIGTERM]
