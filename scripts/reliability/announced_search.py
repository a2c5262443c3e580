"""The search that chaos kills: `search.run`, which also says where it is.

Each phase that begins is a line on the file descriptor CHAOS_PHASES, and each job that workers get
is a line of JSON in the file CHAOS_ASKED: what it asks to be paid for.
"""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NoReturn

sys.path.insert(0, str(Path(__file__).parents[2]))

from search.stopping import Stopping

if __name__ == "__main__":
    STOPPING = Stopping()

import search.api
import search.conclude
import search.evaluation.evaluator  # JAX, too, before a process is forked
import search.evaluation.shipment
import search.evaluation.source
from search.console import leave
from search.evaluation.inspection import inspect_here
from search.evaluation.jobs import Job, Purpose
from search.evolution.driver import Driver
from search.run import main
from search.selection.ledger import Progress
from search.storage.store import Store
from search.workers.in_process import InProcess
from search.workers.ray_pool import RayWorkers

PHASES = {  # of a conclusion, by how they are shown
    "head start": "funnel",
    "stage": "funnel",
    "finals": "funnel",
    "tuning": "tuning",
    "ablation": "ablation",
    "validation": "validation",
}


class Phases:
    """Says which phase has begun."""

    def __init__(self, descriptor: int):
        self._file = os.fdopen(descriptor, "w", buffering=1)
        self._now = "start"

    def say(self, phase: str) -> None:
        self._now = phase
        self._file.write(f"{phase}\n")

    def before(self, owner: Any, name: str, phase: Callable[..., str]) -> None:
        """Says a phase whenever a function is called."""
        call = getattr(owner, name)

        @functools.wraps(call)
        def called(*arguments: Any, **options: Any) -> Any:
            self.say(phase(*arguments))
            return call(*arguments, **options)

        setattr(owner, name, called)

    def during(self, owner: Any, name: str, phase: str) -> None:
        """Says a phase for as long as a function runs."""
        call = getattr(owner, name)

        @functools.wraps(call)
        def called(*arguments: Any, **options: Any) -> Any:
            before = self._now
            self.say(phase)
            result = call(*arguments, **options)
            self.say(before)
            return result

        setattr(owner, name, called)


def asked(job: Job) -> list[list[str | int]]:
    """What a job asks to be paid for, by the columns that the store knows it by."""
    if job.purpose is not Purpose.TRAINING:
        return [[job.number, str(job.purpose), r.task, r.seed] for r in job.requests]
    return [[r.program_key, r.task, r.seed, r.split] for r in job.requests]


def log_what_is_asked(file: Path) -> None:
    log = file.open("a", buffering=1)
    for pool in (InProcess, RayWorkers):
        submit = pool.submit

        def logged(self: Any, job: Job, submit: Callable[..., None] = submit) -> None:
            log.write(json.dumps(asked(job)) + "\n")
            submit(self, job)

        setattr(pool, "submit", logged)  # noqa: B010 (mypy allows no other way)


def phase_of_progress(_: Progress, name: str, *__: object) -> str:
    return next((phase for front, phase in PHASES.items() if name.startswith(front)), "tuning")


def announced(argv: Sequence[str], stopping: Stopping) -> NoReturn:
    """Runs the search with these arguments; the rest is in the environment."""
    phases = Phases(int(os.environ["CHAOS_PHASES"]))
    phases.before(Driver, "run", lambda *_: "search")
    phases.before(search.api, "rescored", lambda *_: "re-scoring")
    phases.before(search.api, "conclude", lambda *_: "families")
    phases.before(Progress, "begin", phase_of_progress)
    phases.during(search.conclude, "_write", "writing")
    phases.during(Store, "commit", "commit")
    log_what_is_asked(Path(os.environ["CHAOS_ASKED"]))
    code = main(argv, stopping=stopping)
    stopping.end()
    leave(code)


def forked(argv: Sequence[str], phases: Connection, *, output: str, own: dict[str, str]) -> None:
    """The same in a process that was forked after all imports: tasks are inspected in it, too."""
    os.environ.update(own | {"CHAOS_PHASES": str(os.dup(phases.fileno()))})
    phases.close()
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for descriptor in (1, 2):
        os.dup2(file, descriptor)
    for module in (search.evaluation.source, search.evaluation.shipment):
        vars(module)["inspect_tasks"] = inspect_here
    announced(argv, Stopping())


if __name__ == "__main__":
    announced(sys.argv[1:], STOPPING)
