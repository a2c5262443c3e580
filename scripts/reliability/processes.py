"""Processes by what /proc says of them (Linux)."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import NamedTuple

PAGE = os.sysconf("SC_PAGE_SIZE")


class Figures(NamedTuple):
    """What a process holds."""

    memory_mb: float  # resident, without what it shares with others
    files: int  # open
    threads: int


def marked(mark: str) -> list[int]:
    """The processes that were started with this text, NAME=VALUE, in their environment, whoever
    their parent is now."""
    wanted = f"\0{mark}\0".encode()
    found = []
    for process in map(int, filter(str.isdecimal, os.listdir("/proc"))):
        if wanted in b"\0" + _read(process, "environ") and _state(process) != "Z":
            found.append(process)
    return found


def name_of(process: int) -> str:
    """Its command line, shortened."""
    return _read(process, "cmdline").replace(b"\0", b" ").decode(errors="replace").strip()[:100]


def workers(mark: str) -> list[int]:
    """Ray's processes that evaluate programs, of those with a mark."""
    return [process for process in marked(mark) if name_of(process).startswith("ray::Worker")]


def still_there(mark: str, limit_s: float) -> list[str]:
    """What there is of marked processes after so many seconds; nothing, as soon as all have
    ended."""
    end = time.monotonic() + limit_s
    while (left := marked(mark)) and time.monotonic() < end:
        time.sleep(0.1)
    return [name_of(process) for process in left]


def figures(process: int) -> Figures | None:
    """None: it has ended."""
    try:
        resident, shared = map(int, Path(f"/proc/{process}/statm").read_text().split()[1:3])
        files = len(os.listdir(f"/proc/{process}/fd"))
        threads = len(os.listdir(f"/proc/{process}/task"))
    except OSError:
        return None
    return Figures((resident - shared) * PAGE / 2**20, files, threads)


def shared_mb(process: int) -> float:
    """Shared memory that a process has touched: of Ray's raylet the object store."""
    for line in _read(process, "status").splitlines():
        if line.startswith(b"RssShmem:"):
            return int(line.split()[1]) / 1024
    return 0.0


def _read(process: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{process}/{name}").read_bytes()
    except OSError:  # it has ended, or is another user's
        return b""


def _state(process: int) -> str:
    """One letter; Z: it has ended, and nobody has asked how."""
    words = _read(process, "stat").rpartition(b")")[2].split()
    return words[0].decode() if words else "Z"
