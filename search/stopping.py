"""How Ctrl-C, SIGTERM and SIGHUP stop a command that keeps what it has done.

This file imports nothing heavy, so that a command can catch signals before its imports, which take
seconds. Two more places deal with signals, each because of other code: the process that looks at
the tasks has a process group of its own, since Ctrl-C goes to every process of the terminal's
(search/evaluation/inspection.py), and handlers that Ray replaces are put back (search/workers/
ray_cluster.py). Commands that keep nothing until they are done end at once, even from within XLA
(`proxy_tasks.console`).
"""

from __future__ import annotations

import os
import signal
import threading
from enum import Enum

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(BaseException):
    """The search was asked to stop, by this signal; all that was told is in the store.

    As KeyboardInterrupt, it is no Exception, so that nobody takes it for a failure.
    """

    args: tuple[int]


class Stage(Enum):
    """What a signal does."""

    IMPORTING = "end the process at once: nothing was run"
    PREPARING = "raise Stopped where it arrives, so that what is open is closed"
    RUNNING = "be kept for the loop, which asks between two steps; the second one ends the process"


class Stopping:
    """The signal that has asked to stop, if any; `stopping()` asks.

    Signals that were ignored before stay so: a shell's background job does not hear Ctrl-C. Outside
    the main thread, where Python allows no handlers, signals are left alone.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self.stage = Stage.IMPORTING
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    signal.signal(number, self._receive)

    def __call__(self) -> int | None:
        return self.received

    @property
    def is_running(self) -> bool:
        return self.stage is Stage.RUNNING

    def prepare(self) -> None:
        """From now on a signal raises Stopped."""
        self.stage = Stage.PREPARING

    def defer(self) -> None:
        """From now on the loop asks."""
        self.stage = Stage.RUNNING

    def _receive(self, number: int, _: object) -> None:
        if self.stage is Stage.IMPORTING:
            os.write(2, b"Stopped; nothing was run.\n")
            os._exit(128 + number)
        if self.stage is Stage.PREPARING:
            raise Stopped(number)
        if self.received is not None:
            raise SystemExit(128 + number)
        self.received = number
