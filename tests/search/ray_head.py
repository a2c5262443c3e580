"""A Ray head of a test's own, beside any other Ray: on loopback, or where others join it."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
RAY = str(Path(sys.executable).parent / "ray")
PORTS = (
    "port",
    "dashboard-port",
    "ray-client-server-port",
    "dashboard-agent-listen-port",
    "dashboard-agent-grpc-port",
    "runtime-env-agent-port",
    "metrics-export-port",
)


@dataclass(frozen=True)
class Head:
    """A head that runs."""

    address: str  # HOST:PORT, to join it
    dashboard: str  # URL, to submit jobs to
    environment: dict[str, str]  # of one who has the token

    def ray(self, *arguments: str, **options) -> subprocess.CompletedProcess:
        """Runs a command of Ray's that talks to the dashboard."""
        command = [RAY, *arguments[:2], "--address", self.dashboard, *arguments[2:]]
        environment = self.environment | {
            "RAY_AUTH_MODE": self.environment.get("RAY_AUTH_MODE", "token")
        }
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=240, **options
        )


@contextlib.contextmanager
def started(
    *, authentication: bool, cpus: int = 1, joined: bool = False, **more: str
) -> Iterator[Head]:
    """A head with Ray's token authentication, or without.

    joined: whether other raylets join it, which Ray lets them do at this machine's own address
    alone, not on loopback. more: of its environment.
    """
    address = own_address() if joined else "127.0.0.1"
    folder = Path(tempfile.mkdtemp(prefix="ray-"))  # paths of sockets must be short
    ports = free_ports(len(PORTS), address)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("RAY_", "PYTHONPATH"))}
    environment |= {
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": str(int(joined)),
        "RAY_TMPDIR": str(folder),
    }
    environment |= more
    if authentication:
        (folder / "token").write_text(secrets.token_hex(32))
        environment["RAY_AUTH_TOKEN_PATH"] = str(folder / "token")
    else:
        environment["RAY_AUTH_MODE"] = "disabled"
    options = [f"--{name}={port}" for name, port in zip(PORTS, ports)]
    process = subprocess.Popen(
        [RAY, "start", "--head", "--block", f"--node-ip-address={address}", "--disable-usage-stats",
         f"--num-cpus={cpus}", "--include-dashboard=true", *options],
        env=environment, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    head = Head(f"{address}:{ports[0]}", f"http://127.0.0.1:{ports[1]}", environment)
    try:
        _wait_for(ports[1], process)
        yield head
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(60)
        process.kill()
        shutil.rmtree(folder, ignore_errors=True)


def own_address() -> str:
    """This machine's address, on the way to others; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one, contextlib.suppress(OSError):
        one.connect(("192.0.2.1", 9))
        return one.getsockname()[0]
    return socket.gethostbyname(socket.gethostname())


def free_ports(count: int, address: str = "127.0.0.1") -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind((address, 0))
        return [one.getsockname()[1] for one in sockets]


def _wait_for(port: int, process: subprocess.Popen) -> None:
    end = time.monotonic() + 120
    while True:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        if process.poll() is not None or time.monotonic() > end:
            process.kill()
            raise RuntimeError(f"no head: {process.stdout.read()[-2000:]}")
        time.sleep(0.2)
