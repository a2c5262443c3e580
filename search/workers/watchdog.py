"""Ends what a local Ray leaves behind, however the process that started it ends.

Ray's agents outlive a killed driver by more than a minute. So before Ray starts, a process is
started that waits for the end of its standard input, which the kernel closes with the driver; then
it kills every process that was started with its mark in the environment, whoever the parent is now.

As a program this file needs Python alone: it is run without site-packages, in some 10 MB.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

MARK = "UPDATE_RULE_SEARCH_RAY"  # in the environment of all that Ray starts, and of nothing else
END_S = 1.5  # longest wait for the watchdog's own end
TRIES, PAUSE_S = 50, 0.1  # looks for processes; two without one end it

_running: subprocess.Popen[bytes] | None = None


@contextlib.contextmanager
def watched() -> Iterator[None]:
    """What is started meanwhile ends with this process, or when `end` is called."""
    global _running
    end()
    mark = secrets.token_hex(16)
    with contextlib.suppress(OSError):  # without one Ray's agents end a minute later
        _running = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, f"{MARK}={mark}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C does not reach it
        )
    os.environ[MARK] = mark
    try:
        yield
    finally:
        os.environ.pop(MARK, None)


def end() -> None:
    """Ends what is left of what was watched, if there is anything."""
    global _running
    watchdog, _running = _running, None
    if watchdog is not None:
        assert watchdog.stdin is not None
        watchdog.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            watchdog.wait(END_S)


def _marked(mark: bytes) -> list[int]:
    found = []
    for name in filter(str.isdecimal, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{name}/environ", "rb") as environment:
            if mark in environment.read().split(b"\0"):
                found.append(int(name))
    return found


def main(mark: str) -> None:
    """Waits for the driver's end."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # it ends with the driver, not before
    sys.stdin.buffer.read()
    without = 0
    for _ in range(TRIES):
        there = _marked(mark.encode())
        without = 0 if there else without + 1
        if without == 2:
            break
        for process in there:
            with contextlib.suppress(OSError):
                os.kill(process, signal.SIGKILL)
        time.sleep(PAUSE_S)


if __name__ == "__main__":
    main(sys.argv[1])
