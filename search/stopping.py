"""How Ctrl-C, SIGTERM and SIGHUP stop a command that keeps what it has done.

This file imports nothing heavy, so that a command can catch signals before its imports, which take
seconds. Two more places deal with signals, each because of other code: the process that looks at
the tasks has a process group of its own, since Ctrl-C goes to every process of the terminal's
(search/evaluation/inspection.py), and handlers that Ray replaces are put back (search/workers/
ray_cluster.py). Commands that keep nothing until they are done end at once, even from within XLA
(`proxy_tasks.console`).
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from enum import Enum

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SAME_S = 1.0  # signals so near to the first are the same: `timeout` sends two
AGAIN_S = 0.02  # after which Stopped is raised again, where Python has dropped it


class Stopped(BaseException):
    """The search was asked to stop, by this signal; all that was committed is in the store.

    As KeyboardInterrupt, it is no Exception, so that nobody takes it for a failure.
    """

    args: tuple[int]


class Stage(Enum):
    """What a signal does."""

    IMPORTING = "end the process at once: nothing was run"
    AT_ONCE = "raise Stopped where it arrives, so that what is open is closed"
    DEFERRED = "be kept for the loop, which asks between two steps"


class Stopping:
    """The signal that has asked to stop, if any; `stopping()` asks. A second one ends the process.

    Signals that were ignored before stay so: a shell's background job does not hear Ctrl-C. Outside
    the main thread, where Python allows no handlers, signals are left alone.
    """

    def __init__(self, signals: Iterable[signal.Signals] = SIGNALS) -> None:
        """signals: those to catch from now on; none of them: the caller's handlers stay."""
        self.received: int | None = None
        self._received_at = 0.0
        self.stage = Stage.IMPORTING
        self._is_running = self._was_dropped = False
        if threading.current_thread() is threading.main_thread():
            heard = [n for n in signals if signal.getsignal(n) is not signal.SIG_IGN]
            for number in heard:
                signal.signal(number, self._receive)
            if heard:
                self._others_hook, sys.unraisablehook = sys.unraisablehook, self._dropped

    def __call__(self) -> int | None:
        return self.received

    @property
    def is_running(self) -> bool:
        """Whether the loop has begun, so that the user's mistakes are behind it."""
        return self._is_running

    def prepare(self) -> None:
        """From now on a signal raises Stopped."""
        self.stage = Stage.AT_ONCE

    def defer(self) -> None:
        """From now on the loop asks."""
        self.stage, self._is_running = Stage.DEFERRED, True

    def end(self) -> None:
        """From now on signals are ignored: all is done, and while Python ends they would kill it
        with another exit code."""
        for number in SIGNALS:
            if signal.getsignal(number) == self._receive:
                signal.signal(number, signal.SIG_IGN)

    @contextlib.contextmanager
    def staged(self, stage: Stage) -> Iterator[None]:
        """What a signal does meanwhile; one that came before raises Stopped where it now may."""
        before, self.stage = self.stage, stage
        try:
            if self.received is not None and stage is Stage.AT_ONCE:
                raise Stopped(self.received)
            yield
        finally:
            self.stage = before

    def _receive(self, number: int, _: object) -> None:
        if self.stage is Stage.IMPORTING:
            os.write(2, b"Stopped; nothing was run.\n")
            os._exit(128 + number)
        if self.received is not None and not self._was_dropped:
            if time.monotonic() - self._received_at > SAME_S:
                raise SystemExit(128 + number)
            return
        self._was_dropped = False
        self.received, self._received_at = number, time.monotonic()
        if self.stage is Stage.AT_ONCE:
            raise Stopped(number)

    def _dropped(self, what: sys.UnraisableHookArgs) -> None:
        """Python drops what is raised within a destructor or a callback of the garbage collector,
        such as JAX's: the signal comes again."""
        if not isinstance(what.exc_value, Stopped):
            self._others_hook(what)
            return
        self._was_dropped = True
        [number] = what.exc_value.args
        again = threading.Timer(AGAIN_S, os.kill, (os.getpid(), number))
        again.daemon = True
        again.start()


Asked = Callable[[], int | None]
"""The signal that asks to stop, if any: a Stopping, or a function of the caller's."""


def at_once(stopping: Asked) -> contextlib.AbstractContextManager[None]:
    """For what takes its time and writes nothing: a signal raises Stopped where it arrives.

    Raises:
      Stopped: one has come already.
    """
    if isinstance(stopping, Stopping):
        return stopping.staged(Stage.AT_ONCE)
    if number := stopping():
        raise Stopped(number)
    return contextlib.nullcontext()


def deferred(stopping: Asked) -> contextlib.AbstractContextManager[None]:
    """For a loop that asks, inside of what is stopped at once."""
    if isinstance(stopping, Stopping):
        return stopping.staged(Stage.DEFERRED)
    return contextlib.nullcontext()
