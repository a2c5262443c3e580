"""Trainings by way of a pool of workers, each paid for once."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence

from programs.user_functions import Registered
from search.comparing.conditions import Condition
from search.comparing.records import Records
from search.comparing.trial import Measured, Trial
from search.evaluation.fitness import Outcome
from search.evaluation.jobs import Evaluate, Job, Purpose, Result, TooManyFailures
from search.evaluation.request import TaskFunction
from search.selection.ledger import WAIT_S, Progress
from search.selection.objective import Expected
from search.stopping import Stopped, deferred
from search.workers.pool import Pool

MOST_FAILURES = 20  # in a row are not the optimizers' doing

Ask = Callable[[Sequence[Sequence[Trial]]], list[list[Measured]]]
"""The results of groups of trials; the trials of a group are trained by one worker in turn."""


class Asking:
    """Asks a pool for what is not in the record.

    Args:
      start: starts the pool, once something is to be trained.
      fingerprints: of the conditions, see `Trial.key`.
      show: called often with the progress; stopping: the signal that asks to stop, if any.
    """

    def __init__(
        self,
        start: Callable[[], Pool],
        records: Records,
        *,
        fingerprints: Mapping[Condition, str],
        show: Callable[[Progress], None] = lambda _: None,
        stopping: Callable[[], int | None] = lambda: None,
    ) -> None:
        self.records, self.progress = records, Progress()
        self._start = start
        self._pool: Pool | None = None
        self.reused = self.trained = 0
        self.failures: list[str] = []  # why workers failed
        self._in_a_row = 0
        self._fingerprints, self._show, self._stopping = fingerprints, show, stopping
        self._jobs = 0

    def begin(self, phase: str, trainings: int) -> None:
        """A new phase of at most so many trainings."""
        self.progress.begin(phase, Expected(trainings, float(trainings)))

    def __call__(self, groups: Sequence[Sequence[Trial]]) -> list[list[Measured]]:
        """What has been paid for is in the record, whatever is raised.

        Raises:
          Stopped: asked to stop. TooManyFailures: nothing can be trained.
        """
        if signal := self._stopping():
            raise Stopped(signal)
        keys = [[self._key(trial) for trial in group] for group in groups]
        missing = {
            tuple(group_keys): group
            for group_keys, group in zip(keys, groups)
            if any(key not in self.records.known for key in group_keys)
        }
        reused = sum(map(len, groups)) - sum(map(len, missing.values()))
        self.reused += reused
        self.progress.reused += reused
        self.progress.compute_reused += reused
        if missing:
            self._train(missing)
        return [[self.records.known[key] for key in group_keys] for group_keys in keys]

    def _key(self, trial: Trial) -> str:
        return trial.key(self._fingerprints[trial.condition])

    def _train(self, asked: Mapping[tuple[str, ...], Sequence[Trial]]) -> None:
        """Until all has arrived; asked: by the keys of a group."""
        if self._pool is None:
            self._pool = self._start()
        pool, waiting = self._pool, dict[int, tuple[str, ...]]()
        for keys, group in asked.items():
            job = Job(self._jobs, Purpose.TRAINING, tuple(group))  # type: ignore[arg-type]
            pool.submit(job)
            waiting[self._jobs] = keys
            self._jobs += 1
        with deferred(self._stopping):
            while waiting:
                arrived: dict[str, Measured] = {}
                for result in pool.collect(WAIT_S):
                    keys = waiting.pop(result.job.number)
                    arrived |= dict(zip(keys, measured(result, asked[keys])))
                    self._count(result.failure)
                self._take(arrived)
                pool.events.clear()
                if signal := self._stopping():
                    raise Stopped(signal)

    def _take(self, arrived: Mapping[str, Measured]) -> None:
        """Keeps what has arrived, before anyone uses it."""
        if arrived:
            self.records.add(arrived)
        self.trained += len(arrived)
        self.progress.done += len(arrived)
        self.progress.compute_done += len(arrived)
        if self._in_a_row >= MOST_FAILURES:
            last = self.failures[-1]
            raise TooManyFailures(f"{self._in_a_row} trainings in a row failed: {last}")
        self._show(self.progress)

    def _count(self, failure: str) -> None:
        self._in_a_row = self._in_a_row + 1 if failure else 0
        self.failures += [failure] if failure else []

    def close(self) -> None:
        """Ends the workers, if any were started."""
        if self._pool is not None:
            self._pool.close()


def measured(result: Result, trials: Sequence[Trial]) -> list[Measured]:
    """A job's results; where its worker failed, that they failed."""
    if not result.failure:
        return [one for one in result.evaluations if isinstance(one, Measured)]
    return [
        Measured(trial.condition.label, trial.seed, -math.inf, Outcome.FAILED, 0)
        for trial in trials
    ]


def trainer(
    tasks_file: str | None = None,
    tasks: Sequence[TaskFunction] = (),
    functions: Registered | None = None,
) -> Callable[[], Evaluate]:
    """Makes a worker's evaluation function, in the worker."""
    return functools.partial(_trainer, tasks_file, tasks, functions)


def _trainer(
    tasks_file: str | None, tasks: Sequence[TaskFunction], functions: Registered | None
) -> Evaluate:
    if functions is not None:
        functions.register()
    from proxy_tasks import register
    from search.comparing.trainer import Trainer  # JAX is for workers
    from search.evaluation.tasks_file import load_tasks

    if tasks_file is not None:
        load_tasks(tasks_file)
    for function in tasks:
        register(function)
    made = Trainer()
    return lambda job: made(job.requests)  # type: ignore[arg-type]
