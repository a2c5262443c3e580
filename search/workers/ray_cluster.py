"""The connection to Ray: made, watched, and given up in one line (Ray itself is imported by
search/workers/ray_pool.py alone)."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import logging
import math
import os
import queue
import signal
import socket
import threading
import time
from collections.abc import Callable, Collection
from concurrent.futures import Future
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from search.config.machines import WorkerSettings
from search.stopping import SIGNALS
from search.workers import watchdog

CONNECTING_S = 60.0  # longest wait for a cluster's answer
STARTING_S = 4.0  # what Ray's start gets to end by itself, once it is given up
SHUTTING_DOWN_S = 8.0  # longest wait for Ray's end after a signal
TICK_S = 0.02  # longest time without our handlers
SERVICES = ("gcs_server", "raylet")  # without either Ray is of no use
# A local Ray's GCS would give up a raylet that has no share of a core for 15 s, and all work with
# it; whether it lives is seen here.
MISSES = 200  # of a check every 3 s
RAYS_THREADS = ("ray_listen_error_messages", "ray_print_logs")

_LOCAL_HINT = "is the address right, and is there memory and /tmp space left?"
_CLUSTER_HINT = (
    "is this machine one of the cluster's (ray start --address=HOST:PORT --num-cpus=0), with its "
    "versions of Ray and Python and, unless it asks for none, its token (RAY_AUTH_MODE=token)?"
)


class WorkerError(RuntimeError):
    """No worker can run; one line that says what to do."""


class ClusterLost(WorkerError):
    """Ray itself has died or cannot be reached."""


class Connection:
    """A pool's share of the one connection to Ray that a process can have. What was started here
    ends with the last of its users, which may be in several threads."""

    lock: ClassVar = threading.RLock()  # held while Ray starts or ends
    users: ClassVar[set[Connection]] = set()  # of what was started here
    is_lost: ClassVar = False
    services: ClassVar[dict[str, int]] = {}  # processes of what was started here, by name (Linux)

    def __init__(self, ray: Any, address: str):
        self._ray, self.address = ray, address

    def close(self, *, lost: bool) -> None:
        """Ends Ray if it was started here and nobody else uses it; lost: it does not answer."""
        with self.lock:
            if self not in self.users:
                return
            Connection.is_lost |= lost
            self.users.remove(self)
            if self.users:
                return
            if self.is_lost:  # a call may wait for ever, and Ray's agents outlive it by a minute
                kill_descendants()
            else:
                shut_down(self._ray)

    def renew(self, settings: WorkerSettings) -> bool:
        """Ends a Ray that has died in part, and starts another.

        Returns:
          False, and nothing is started: it was not started here, has other users, or does not end.

        Raises: see `connect`.
        """
        with self.lock:
            if self.address != "local" or self.users != {self}:
                return False
            shut_down(self._ray)
            if is_stuck():
                return False
            _start(self._ray, settings)
            return True

    def died(self) -> str:
        """Which of Ray's services that were started here has ended; "": none.

        Ray itself notices later, and then ends this process if it keeps objects there.
        """
        ended = [name for name, process in self.services.items() if has_ended(process)]
        return " and ".join(ended if self in self.users else [])


def connect(ray: Any, settings: WorkerSettings) -> Connection:
    """Connects Ray's module, unless it is.

    A local Ray listens on loopback only and has no dashboard.

    Raises:
      WorkerError: it does not start, nobody answers, or it is connected to another address.
      Stopped: a signal came meanwhile.
    """
    connection = Connection(ray, settings.address)
    with Connection.lock:
        if not ray.is_initialized():
            _start(ray, settings)
            Connection.users, Connection.is_lost = {connection}, False
        elif Connection.users:
            [other, *_] = {user.address for user in Connection.users}
            if settings.address not in (other, "auto"):
                raise WorkerError(
                    f"workers.address '{settings.address}': another search of this process is "
                    f"connected to '{other}', and a process has one connection: start another one"
                )
            connection.address = other
            Connection.users.add(connection)
    return connection


def _start(ray: Any, settings: WorkerSettings) -> None:
    _hide_ends_of_threads()
    address = settings.address
    Connection.services = {}
    options: dict[str, Any] = {
        "address": address,
        "log_to_driver": False,
        "logging_level": logging.ERROR,
    }
    if address != "local":
        _check_cluster(address)
        if not is_job():
            options["runtime_env"] = _our_code()
        _try(lambda: ray.init(**options), ray, address=address, attempts=1, limit_s=CONNECTING_S)
        return
    options |= {"include_dashboard": False, "_node_ip_address": "127.0.0.1"}
    wanted = math.ceil((settings.count or 0) * settings.cpus)
    options["num_cpus"] = max(wanted, len(os.sched_getaffinity(0)))

    options["_system_config"] = {"health_check_failure_threshold": MISSES}

    def start() -> None:
        with watchdog.watched():
            ray.init(**options)

    _try(start, ray, address=address, attempts=3)
    Connection.services = {
        name: process
        for process in descendants(os.getpid())
        if (name := _program(process)) in SERVICES
    }


@functools.cache
def _hide_ends_of_threads() -> None:
    """From now on threads of Ray's that lose their connection show no traceback: that Ray has ended
    is either wanted, or told by whoever needs it (ClusterLost)."""
    show = threading.excepthook

    def hook(ended: threading.ExceptHookArgs) -> None:
        if ended.thread is None or ended.thread.name not in RAYS_THREADS:
            show(ended)

    threading.excepthook = hook


def is_job() -> bool:
    """Whether this process was started by `ray job submit`."""
    return "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ


def _our_code() -> dict[str, Any]:
    """For machines that have none, or another version. A job brings its own working directory."""
    packages = [importlib.util.find_spec(name) for name in ("programs", "proxy_tasks", "search")]
    folders = [str(Path(spec.origin).parent) for spec in packages if spec and spec.origin]
    return {"py_modules": folders, "excludes": ["**/__pycache__"]}


def _try(
    start: Callable[[], Any], ray: Any, *, address: str, attempts: int, limit_s: float = math.inf
) -> None:
    """Ray's start has fixed waits that a very busy machine exceeds, so more than once."""
    others = frozenset(descendants(os.getpid()))  # the caller's own
    for left in reversed(range(attempts)):
        starting = _Call(start)
        try:
            starting.result(limit_s)
            return
        except BaseException as error:
            if starting.ended_within(STARTING_S):
                shut_down(ray)
            else:
                kill_descendants(others)
            if not isinstance(error, Exception):
                raise
            if not left:
                hint = _LOCAL_HINT if address == "local" else _CLUSTER_HINT
                raise WorkerError(
                    f"Ray did not start at '{address}': {summarize_error(error)}; {hint}"
                ) from error
            time.sleep(2.0)


def shut_down(ray: Any) -> None:
    """Ends Ray's connection and, if it was started here, Ray: to the end, whatever arrives."""
    ending = _Call(ray.shutdown)
    try:
        ending.result()
    finally:
        ending.ended_within(SHUTTING_DOWN_S)
        watchdog.end()


class _Call:
    """A call of Ray's that may wait in C++, where no signal is heard, and that changes how signals
    are handled: so it runs in a thread of its own.

    Ray gives SIGTERM back to the kernel in the midst of its end, for one, so meanwhile our handlers
    are put back again and again. Outside the main thread there are none of ours.
    """

    def __init__(self, call: Callable[[], Any]):
        self._call, self._coming, self._ended = call, Future[Any](), threading.Event()
        self._handlers = {}
        if threading.current_thread() is threading.main_thread():
            handlers = {number: signal.getsignal(number) for number in SIGNALS}
            self._handlers = {n: handler for n, handler in handlers.items() if handler is not None}
        _Thread.free().make(self)

    def run(self) -> None:
        try:
            self._coming.set_result(self._call())
        except BaseException as error:
            self._coming.set_exception(error)

    def end(self) -> None:
        self._ended.set()

    def result(self, limit_s: float = math.inf) -> Any:
        """What it returns or raises, or what a signal's handler raises meanwhile. Raises
        TimeoutError: it has not ended."""
        if not self.ended_within(limit_s):
            raise TimeoutError(f"no answer within {limit_s:g} s")
        return self._coming.result()

    def ended_within(self, limit_s: float) -> bool:
        """Waits for its end; whether it came."""
        end = time.monotonic() + limit_s
        while not self._ended.wait(TICK_S) and time.monotonic() < end:
            self._put_back()
        self._put_back()
        return self._ended.is_set()

    def _put_back(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)


class _Thread:
    """Makes Ray's calls, one after the other, as long as this process lives: with the thread that
    started them Ray's processes would end (Linux's PR_SET_PDEATHSIG)."""

    _latest: _Thread | None = None

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[_Call] = queue.SimpleQueue()
        self.is_busy = False
        threading.Thread(target=self._work, daemon=True).start()

    def make(self, call: _Call) -> None:
        self.is_busy = True
        self._calls.put(call)

    def _work(self) -> None:
        while True:
            call = self._calls.get()
            call.run()
            self.is_busy = False
            call.end()

    @classmethod
    def free(cls) -> _Thread:
        """The one there is, unless its last call was given up and has not ended."""
        if cls._latest is None or cls._latest.is_busy:
            cls._latest = cls()
        return cls._latest

    @classmethod
    def stuck(cls) -> bool:
        return cls._latest is not None and cls._latest.is_busy


def is_stuck() -> bool:
    """Whether a call of Ray's was given up that has not ended; Python's exit would wait for it."""
    return _Thread.stuck()


def _check_cluster(address: str) -> None:
    """Says at once when nobody listens, for Ray would wait for minutes."""
    if ":" in address:
        try:
            check_reachable(address.rpartition("/")[2])
        except (OSError, ValueError) as error:
            raise WorkerError(
                f"no Ray cluster answers at workers.address '{address}': {error}"
            ) from None


def check_reachable(address: str) -> None:
    """Raises OSError when nobody listens there, ValueError when it is no HOST:PORT."""
    host, _, port = address.rpartition(":")
    socket.create_connection((host.strip("[]"), int(port)), timeout=5.0).close()


class Room(NamedTuple):
    """What a cluster has for workers."""

    workers: int  # that fit
    shares: dict[str, float]  # what each needs
    most: dict[str, float]  # of that, on any one machine

    @property
    def detail(self) -> str:
        return f"each needs {as_text(self.shares)}; the most on any machine is {as_text(self.most)}"


def room_for(ray: Any, settings: WorkerSettings) -> Room:
    """By the machines that are there now."""
    shares = {"CPU": settings.cpus, "GPU": settings.gpus}
    shares = {name: share for name, share in shares.items() if share}
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    workers = sum(
        min((int(node.get(name, 0) / share + 1e-6) for name, share in shares.items()), default=1)
        for node in nodes
    )
    most = {name: max([0.0, *(node.get(name, 0.0) for node in nodes)]) for name in shares}
    return Room(workers, shares, most)


def as_text(resources: dict[str, float]) -> str:
    return " and ".join(f"{amount:g} {name}" for name, amount in resources.items())


def descendants(process: int) -> list[int]:
    """The processes that a process started, and those that they started (Linux)."""
    processes = []
    with contextlib.suppress(OSError):  # it has just ended
        for task in Path(f"/proc/{process}/task").glob("*/children"):
            for child in map(int, task.read_text().split()):
                processes += [child, *descendants(child)]
    return processes


def _program(process: int) -> str:
    with contextlib.suppress(OSError):
        return Path(os.fsdecode(Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")[0])).name
    return ""


def has_ended(process: int) -> bool:
    """Whether it is gone, or is kept for whoever started it to read its exit code (Linux)."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state in ("Z", "X")


def kill_descendants(others: Collection[int] = ()) -> None:
    """Ends all processes that this one has started but others: Ray's outlive it by a minute."""
    watchdog.end()
    for _ in range(2):  # one may be starting another
        for process in set(descendants(os.getpid())).difference(others):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        time.sleep(TICK_S)


def summarize_error(error: BaseException) -> str:
    """The first line that says what went wrong."""
    inner = getattr(error, "cause", None) or error
    lines = [line.strip() for line in str(inner).splitlines() if line.strip()]
    return f"{type(inner).__name__}: {lines[0][:200]}" if lines else type(inner).__name__
