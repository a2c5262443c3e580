"""The record of a comparison: one line of JSON for each training that has ended, and nothing else.

Lines are only ever added, each with its own checksum and on disk before it is used. So a process
that is killed loses at most what was under way, and a line that it cut off, or that was damaged
later, is left out and trained again.
"""

from __future__ import annotations

import json
import math
import os
import zlib
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from search.comparing.trial import Measured
from search.evaluation.fitness import Outcome
from search.storage.errors import StoreError
from search.storage.files import locked, refuse_links

FILE = "trainings.jsonl"


@dataclass
class Records:
    """What is known, and the one process that may add to it."""

    path: Path
    known: dict[str, Measured] = field(default_factory=dict)
    damaged: int = 0  # lines that were left out
    failed: set[str] = field(default_factory=set)
    """Keys of trainings whose worker failed, and that have no result: they are tried again."""

    def __enter__(self) -> Records:
        """Raises StoreError: the directory is another process's, or cannot be made."""
        with ExitStack() as resources:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                resources.callback(locked(self.path.parent).close)
                refuse_links(self.path)
                self._read()
                flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
                self._file = resources.enter_context(open(os.open(self.path, flags, 0o666), "ab"))
                if self.path.stat().st_size and self.path.read_bytes()[-1:] != b"\n":
                    self._file.write(b"\n")  # after a line that was cut off
            except OSError as error:
                raise StoreError(f"{self.path}: {error.strerror}") from None
            self._resources = resources.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._resources.close()

    def add(self, results: Mapping[str, Measured]) -> None:
        """Writes results by key; they are on disk afterwards. Raises OSError."""
        for key, result in results.items():
            self._file.write(line_of(key, result).encode())
        self._file.flush()
        os.fsync(self._file.fileno())
        self.known.update(results)

    def _read(self) -> None:
        if not self.path.exists():
            return
        for raw in self.path.read_bytes().split(b"\n"):
            if not raw:
                continue
            try:
                key, result = read_line(raw)
            except (ValueError, KeyError, TypeError):
                self.damaged += 1
                continue
            if result.outcome is Outcome.FAILED:
                self.failed.add(key)
            else:
                self.known[key] = result
        self.failed -= self.known.keys()


def line_of(key: str, result: Measured) -> str:
    """A result as a line; what is not finite is null."""
    facts = {
        "key": key,
        "task": result.task,
        "seed": result.seed,
        "fitness": _plain(result.fitness),
        "outcome": result.outcome.name,
        "steps": result.steps,
        "compile_seconds": round(result.compile_seconds, 4),
        "run_seconds": round(result.run_seconds, 6),
        "curve": [[step, _plain(fitness)] for step, fitness in result.curve],
        "measures": {name: _plain(value) for name, value in result.measures.items()},
    }
    text = json.dumps(facts, allow_nan=False)
    return f'{text[:-1]}, "crc": {zlib.crc32(text.encode())}}}\n'


def read_line(raw: bytes) -> tuple[str, Measured]:
    """Raises ValueError, KeyError, TypeError for what no comparison has written."""
    facts: dict[str, Any] = json.loads(raw)
    crc = facts.pop("crc")
    if zlib.crc32(json.dumps(facts).encode()) != crc:
        raise ValueError("not as it was written")
    result = Measured(
        task=facts["task"],
        seed=facts["seed"],
        fitness=_number(facts["fitness"]),
        outcome=Outcome[facts["outcome"]],
        steps=facts["steps"],
        compile_seconds=facts["compile_seconds"],
        run_seconds=facts["run_seconds"],
        curve=tuple((step, _number(fitness)) for step, fitness in facts["curve"]),
        measures={name: _number(value, math.nan) for name, value in facts["measures"].items()},
    )
    return facts["key"], result


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _number(value: float | None, missing: float = -math.inf) -> float:
    return missing if value is None else float(value)
