"""What workers on other machines lack: the data sets of the tasks, and the user's Python files.

Both travel with the evaluation function, so workers need no file system in common: the driver's
machine reads each file once.
"""

from __future__ import annotations

import functools
import hashlib
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from programs.user_functions import Registered
from proxy_tasks.shipment import Arrays, give
from search.evaluation.inspection import Inspection, inspect_here, inspect_tasks
from search.evaluation.request import SettingsByTask, TaskFunction

_unpacked: dict[str, tempfile.TemporaryDirectory[str]] = {}  # files written here, by hash


@dataclass(frozen=True)
class Shipment:
    """What workers on other machines lack."""

    data: Mapping[str, Arrays] = field(default_factory=dict)  # by how they are asked for
    files: Mapping[str, bytes] = field(default_factory=dict)  # by the driver's path

    def unpack(self) -> None:
        """Gives the data to this process."""
        give(self.data)

    def path_of(self, path: str) -> str:
        """Where a file of the driver's is here."""
        if path not in self.files:
            return path
        content, name = self.files[path], Path(path).name
        digest = hashlib.blake2b(content, digest_size=16).hexdigest()
        if digest not in _unpacked:
            _unpacked[digest] = tempfile.TemporaryDirectory(prefix="search-file-")
            (Path(_unpacked[digest].name) / name).write_bytes(content)
        return str(Path(_unpacked[digest].name) / name)


NOTHING = Shipment()


def shipment_for(
    names: Sequence[str],
    settings: SettingsByTask,
    *,
    tasks_file: str | None,
    tasks: Sequence[TaskFunction],
    functions: Registered,
) -> Shipment:
    """What workers need for tasks, if they are on other machines."""
    if tasks:
        seen = inspect_here(names, settings, tasks_file=tasks_file, tasks=tasks, keep=True)
    else:
        seen = inspect_and_keep(names, settings, tasks_file)
    paths = [*functions.files, *([tasks_file] if tasks_file else [])]
    return Shipment(seen.data, {path: Path(path).expanduser().read_bytes() for path in paths})


def inspect_and_keep(
    names: Sequence[str], settings: SettingsByTask, tasks_file: str | None
) -> Inspection:
    """Looks at tasks and keeps their data; the same question again is not asked again."""
    return _inspect_and_keep(json.dumps([list(names), dict(settings), tasks_file]))


@functools.lru_cache(maxsize=1)
def _inspect_and_keep(question: str) -> Inspection:
    names, settings, tasks_file = json.loads(question)
    return inspect_tasks(names, settings, tasks_file, keep=True)
