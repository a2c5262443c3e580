"""Two ways to start a search that says where it is."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Protocol

ROOT = Path(__file__).resolve().parents[2]
PATH = f"{ROOT}{os.pathsep}{ROOT / 'scripts'}"
MODULE = "reliability.announced_search"


class Process(Protocol):
    """What chaos needs of a process."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None: ...

    def wait(self, timeout: float) -> int: ...


def started(
    words: Sequence[str], phases: Connection, *, output: Path, own: dict[str, str]
) -> Process:
    """As users start it: a new interpreter."""
    descriptor = phases.fileno()
    own = own | {"CHAOS_PHASES": str(descriptor), "PYTHONPATH": PATH}
    with output.open("w") as file:
        return subprocess.Popen(
            [sys.executable, "-m", MODULE, *words],
            stdout=file,
            stderr=subprocess.STDOUT,
            pass_fds=[descriptor],
            env=os.environ | own,
        )


class Forked:
    """A process that was forked from one that has imported everything."""

    def __init__(self, process: ForkServerProcess):
        self._process = process

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(MODULE, timeout)
        return self._process.exitcode


@cache
def _server() -> ForkServerContext:
    os.environ["PYTHONPATH"] = PATH
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([MODULE])
    return context


def forked(
    words: Sequence[str], phases: Connection, *, output: Path, own: dict[str, str]
) -> Process:
    """Saves the seconds of imports, and those of the process that looks at the tasks."""
    from reliability import announced_search

    named = {"output": str(output), "own": own}
    target = announced_search.forked
    process = _server().Process(target=target, args=(words, phases), kwargs=named)
    process.start()
    return Forked(process)
