"""What a fitness on a task depends on besides program, seed and split: one text for each task."""

from __future__ import annotations

from collections.abc import Sequence

from programs import user_functions
from proxy_tasks.errors import TaskError
from search.config.machines import WorkerSettings
from search.config.settings import Engine
from search.evaluation.inspection import Inspection, inspect_here, inspect_tasks
from search.evaluation.request import SettingsByTask, TaskFunction
from search.evaluation.shipment import inspect_and_keep


class Fingerprints:
    """Of tasks by name, with their engine and the user's own functions.

    Only a process that trains by itself looks at the tasks by itself: Ray starts by forks, which
    JAX's threads do not survive, and a process may start it more than once. Tasks that are
    functions of this process's are the exception, for they are here already.

    Args:
      names: those that will be asked for, as far as they are known; another process looks at them
        in one go.
      registered: user-defined tasks as functions.
    """

    def __init__(
        self,
        names: Sequence[str],
        settings: SettingsByTask,
        *,
        engine: Engine,
        workers: WorkerSettings,
        tasks_file: str | None = None,
        registered: Sequence[TaskFunction] = (),
    ):
        self._settings, self._engine, self._workers = settings, engine, workers
        self._tasks_file, self._registered = tasks_file, registered
        self._is_here = bool(registered) or workers.address == "in_process"
        self._known: dict[str, str] = {}
        if not self._is_here:
            self._look(names)

    def __call__(self, task: str) -> str:
        """Raises TaskError for an unknown task."""
        if task not in self._known and (mistakes := self._look([task]).mistakes):
            raise TaskError(next(iter(mistakes[task].values())))
        return self._known[task] + user_functions.fingerprint()

    def _look(self, names: Sequence[str]) -> Inspection:
        if self._is_here:
            tasks_file, tasks = self._tasks_file, self._registered
            seen = inspect_here(names, self._settings, tasks_file=tasks_file, tasks=tasks)
        else:
            look = inspect_and_keep if self._workers.are_elsewhere else inspect_tasks
            seen = look(names, self._settings, self._tasks_file)
        for name, fingerprint in seen.fingerprints.items():
            engine = seen.engines[name] if self._engine == "auto" else self._engine
            self._known[name] = f"{fingerprint}-{engine}"
        return seen
