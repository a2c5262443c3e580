"""A worker: what runs in the process of a Ray actor, without Ray."""

from __future__ import annotations

import faulthandler
import os
import resource
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from search.evaluation.jobs import Evaluate, Factory, Job, Result, attempt_together, size_of
from search.workers import compilations


def expanded(environment: dict[str, str]) -> dict[str, str]:
    """Values with `~` for this machine's home."""
    return {
        name: str(Path(v).expanduser()) if v[:1] == "~" else v for name, v in environment.items()
    }


class Returned(NamedTuple):
    """What comes back of a batch."""

    results: list[Result]  # in order of the jobs
    seconds: float  # that they took
    memory_gb: float  # that the process holds now


class Worker:
    """Evaluates jobs, within a limit of time and memory."""

    def __init__(self, environment: dict[str, str], core: int | None, memory_gb: float | None):
        os.environ.update(expanded(environment))  # before JAX is imported
        compilations.mend()
        cores = sorted(os.sched_getaffinity(0))
        if core is not None:
            os.sched_setaffinity(0, {cores[core % len(cores)]})
        if memory_gb is not None:
            limit = int(memory_gb * 2**30)
            resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
        self._evaluate: Evaluate | None = None

    def start(self, factory: Factory) -> int:
        """Makes the evaluation function; returns the process id."""
        self._evaluate = factory()
        return os.getpid()

    def run(self, jobs: Sequence[Job], timeout_s: float) -> Returned:
        """timeout_s: limit of what is evaluated together."""
        assert self._evaluate is not None
        begin, results = time.perf_counter(), list[Result]()
        size = size_of(self._evaluate)
        for first in range(0, len(jobs), size):
            faulthandler.dump_traceback_later(timeout_s, exit=True)
            try:
                results += attempt_together(self._evaluate, jobs[first : first + size])
            finally:
                faulthandler.cancel_dump_traceback_later()
        return Returned(results, time.perf_counter() - begin, _memory_gb())


def _memory_gb() -> float:
    """Resident memory of this process; 0 where /proc does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * resource.getpagesize() / 2**30
