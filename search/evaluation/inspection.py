"""A look at tasks in a process of its own: are their names and settings right, and what are they?

JAX runs in the workers only: the process that starts them must not hold JAX's threads. So even to
read a task's fingerprint another process is started, which gets a question on its standard input
and answers in one line of JSON; the data that the tasks read come in a file, if they are wanted.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

import search
from proxy_tasks.errors import TaskError
from proxy_tasks.shipment import DataSets, keeping
from search.evaluation.request import SettingsByTask, TaskFunction, settings_of
from search.evaluation.threads import single_threaded

_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of Linux's prctl


class InspectionError(RuntimeError):
    """The other process could not answer; one line with the reason."""


@dataclass(frozen=True)
class Inspection:
    """What a look at tasks showed."""

    fingerprints: dict[str, str] = field(default_factory=dict)  # by name
    engines: dict[str, str] = field(default_factory=dict)  # by name: what "auto" stands for
    mistakes: dict[str, dict[str, str]] = field(default_factory=dict)
    """By name and setting; of the task as a whole under no setting, ""."""
    data: DataSets = field(default_factory=dict)  # what the tasks read, if it was kept


def inspect_tasks(
    names: Sequence[str],
    settings: SettingsByTask,
    tasks_file: str | None = None,
    *,
    keep: bool = False,
) -> Inspection:
    """Looks at tasks in another process, which ends with this one, however that ends.

    keep: whether the data that they read are wanted.

    Raises:
      TaskError: the tasks file cannot be used. InspectionError: it failed otherwise.
    """
    with tempfile.TemporaryDirectory(prefix="search-") as folder:
        file = Path(folder) / "data.npz" if keep else None
        asked = [os.getpid(), list(names), dict(settings), tasks_file, str(file) if file else ""]
        answer = json.loads(_answer(json.dumps(asked)))
        if isinstance(answer, str):
            raise TaskError(answer)
        fingerprints, engines, mistakes, keys = answer
        return Inspection(fingerprints, engines, mistakes, _read(file, keys) if file else {})


def _answer(question: str) -> str:
    root = str(Path(search.__file__).parents[1])
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    process = subprocess.Popen(
        [sys.executable, "-m", __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        process_group=0,  # Ctrl-C reaches this process alone, which then ends the other
    )
    with process:
        try:
            answer, complaint = process.communicate(question)
        except BaseException:  # Ctrl-C, too: the other process must not outlive this one
            process.kill()
            raise
    if process.returncode:
        ended = f"the process that looks at them ended with code {process.returncode}"
        lines = [line for line in complaint.splitlines() if line.strip()]
        raise InspectionError(f"the tasks cannot be inspected: {(lines or [ended])[-1]}")
    return answer.splitlines()[-1]


def _write(file: Path, data: DataSets) -> None:
    arrays = {f"{i}.{name}": a for i, one in enumerate(data.values()) for name, a in one.items()}
    np.savez(file, **arrays)  # type: ignore[arg-type]  # its other keywords are no numbers


def _read(file: Path, keys: Sequence[str]) -> DataSets:
    data: dict[str, dict[str, np.ndarray]] = {key: {} for key in keys}
    with np.load(file) as arrays:
        for label in arrays.files:
            number, _, name = label.partition(".")
            data[keys[int(number)]][name] = arrays[label]
    return dict(data)


def inspect_here(
    names: Sequence[str],
    settings: SettingsByTask,
    tasks_file: str | None = None,
    *,
    tasks: Sequence[TaskFunction] = (),
    keep: bool = False,
) -> Inspection:
    """The same in this process. Raises TaskError: the tasks file cannot be used."""
    from proxy_tasks.registry import find_task
    from search.evaluation.evaluator import Evaluator

    inspection = Inspection()
    evaluator = Evaluator(settings=settings, tasks_file=tasks_file, registered=tasks)
    with keeping() as data:
        for name in names:
            try:
                inspection.fingerprints[name] = evaluator.task(name).fingerprint
                inspection.engines[name] = evaluator.engine_of(name)
            except TaskError as error:
                inspection.mistakes[name] = _of_settings(name, settings) or {"": str(error)}
            except Exception as error:
                if not find_task(name)[1].source:  # a bug of ours
                    raise
                why = " ".join(str(error).split())
                inspection.mistakes[name] = {"": f"task {name}: {type(error).__name__}: {why}"}
    return replace(inspection, data=data) if keep else inspection


def _of_settings(name: str, settings: SettingsByTask) -> dict[str, str]:
    """What is wrong with single settings of a task; nothing if the task itself is not there."""
    from proxy_tasks.registry import resolved_settings

    def mistake(**values: object) -> str:
        try:
            resolved_settings(name, **values)
        except TaskError as error:
            return str(error)
        return ""

    if mistake():
        return {}
    messages = {key: mistake(**{key: value}) for key, value in settings_of(name, settings).items()}
    return {key: message for key, message in messages.items() if message}


def main() -> None:
    """Answers the question on standard input."""
    with contextlib.suppress(OSError, AttributeError):  # not Linux
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    asked = sys.stdin.read() or '[0, [], {}, null, ""]'
    asker, names, settings, tasks_file, file = json.loads(asked)
    if os.getppid() != asker:  # it was killed before the line above, and there is no signal
        return
    single_threaded()
    answer: object
    with contextlib.redirect_stdout(sys.stderr):  # a tasks file may print
        try:
            seen = inspect_here(names, settings, tasks_file=tasks_file, keep=bool(file))
            answer = [seen.fingerprints, seen.engines, seen.mistakes, list(seen.data)]
            if file:
                _write(Path(file), seen.data)
        except TaskError as error:
            answer = str(error)
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
