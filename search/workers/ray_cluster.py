"""The connection to Ray: made, watched, and given up in one line (Ray itself is imported by
search/workers/ray_pool.py alone)."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from search.config.settings import WorkerSettings
from search.stopping import SIGNALS, Stopped


class WorkerError(RuntimeError):
    """No worker can run; one line that says what to do."""


class ClusterLost(WorkerError):
    """Ray itself has died or cannot be reached."""


def connect(ray: Any, settings: WorkerSettings) -> bool:
    """Connects Ray's module; whether it was not before.

    A local Ray listens on loopback only and has no dashboard.

    Raises:
      WorkerError: it does not start, or nobody answers. Stopped: a signal came meanwhile.
    """
    if ray.is_initialized():
        return False
    address = settings.address
    options: dict[str, Any] = {
        "address": address,
        "log_to_driver": False,
        "logging_level": logging.ERROR,
    }
    if address != "local":
        _look_for(address)
        _try(lambda: _interruptible(ray.init, options), ray, address, 1)
        return True
    options |= {"include_dashboard": False, "_node_ip_address": "127.0.0.1"}
    wanted = math.ceil((settings.count or 0) * settings.cpus)
    options["num_cpus"] = max(wanted, len(os.sched_getaffinity(0)))
    _try(lambda: ray.init(**options), ray, address, 3)
    return True


def _try(start: Callable[[], Any], ray: Any, address: str, attempts: int) -> None:
    """Ray's start has fixed waits that a very busy machine exceeds, so more than once."""
    for left in reversed(range(attempts)):
        try:
            with own_handlers():
                start()
            return
        except BaseException as error:
            shut_down(ray)
            if isinstance(error, SystemExit):  # what Ray makes of SIGTERM
                raise Stopped(signal.SIGTERM) from None
            if not isinstance(error, Exception):
                raise
            if not left:
                raise WorkerError(
                    f"Ray did not start at '{address}': {cause(error)}; "
                    "is the address right, and is there memory and /tmp space left?"
                ) from error
            time.sleep(2.0)


def shut_down(ray: Any) -> None:
    """Ends Ray's connection and, if it was started here, Ray."""
    with own_handlers():
        ray.shutdown()


@contextlib.contextmanager
def own_handlers() -> Iterator[None]:
    """Ray takes SIGTERM for itself when it starts, and gives it back to the kernel when it ends:
    afterwards our handlers are put back."""
    in_main = threading.current_thread() is threading.main_thread()  # the only one with handlers
    handlers = {number: signal.getsignal(number) for number in SIGNALS} if in_main else {}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            if handler is not None:  # of C code
                signal.signal(number, handler)


def _look_for(address: str) -> None:
    """Says at once when nobody listens, for Ray would wait for minutes."""
    if ":" in address:
        try:
            knock(address.rpartition("/")[2])
        except (OSError, ValueError) as error:
            raise WorkerError(
                f"no Ray cluster answers at workers.address '{address}': {error}"
            ) from None


def knock(address: str) -> None:
    """Raises OSError when nobody listens there, ValueError when it is no HOST:PORT."""
    host, _, port = address.rpartition(":")
    socket.create_connection((host.strip("[]"), int(port)), timeout=5.0).close()


def _interruptible(call: Callable[..., Any], options: dict[str, Any]) -> Any:
    """A call that may wait in C++, where no signal is heard: so in a thread of its own."""
    coming: Future[Any] = Future()

    def run() -> None:
        try:
            coming.set_result(call(**options))
        except BaseException as error:
            coming.set_exception(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(0.2)  # a signal that comes just before a wait is heard after it
    return coming.result()


def descendants(process: int) -> list[int]:
    """The processes that a process started, and those that they started (Linux)."""
    found = []
    with contextlib.suppress(OSError):  # it has just ended
        for task in Path(f"/proc/{process}/task").glob("*/children"):
            for child in map(int, task.read_text().split()):
                found += [child, *descendants(child)]
    return found


def cause(error: BaseException) -> str:
    """The first line that says what went wrong."""
    inner = getattr(error, "cause", None) or error
    lines = [line.strip() for line in str(inner).splitlines() if line.strip()]
    return f"{type(inner).__name__}: {lines[0][:200]}" if lines else type(inner).__name__
