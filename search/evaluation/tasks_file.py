"""A user's file of tasks, which gives a search tasks and nothing else."""

from __future__ import annotations

from pathlib import Path

from programs import unregister
from programs.user_functions import fingerprints
from proxy_tasks import TaskError, load_tasks_file


def load_tasks(path: str | Path) -> None:
    """`load_tasks_file`, of a file that registers no functions: what a search may draw is part of
    what it is, and that is asked of `--functions-file` alone. Raises TaskError."""
    before = fingerprints()
    try:
        load_tasks_file(path)
    finally:
        others = [name for name, digest in fingerprints().items() if before.get(name) != digest]
        for name in others:
            unregister(name)
    if others:
        raise TaskError(
            f"file of tasks: {path} registers the function {others[0]}: put functions into a file "
            "of their own, for --functions-file"
        )
