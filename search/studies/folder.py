"""Where a study keeps what it has: a folder of small JSON files, and run directories below it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from search.storage.errors import StoreError
from search.storage.files import write_file

SETTINGS = "study"  # name of the file that says which study it is


class Folder:
    """The results of one study by name, each written once and whole."""

    def __init__(self, path: str | Path, settings: Mapping[str, Any]):
        """settings: what the results depend on, as plain values.

        Raises:
          StoreError: the folder holds a study with other settings, or cannot be made.
        """
        self.path = Path(path)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"{path}: no folder can be made: {error.strerror}") from None
        now = json.loads(json.dumps(settings))
        before = self.result(SETTINGS)
        if before is None:
            self.keep(SETTINGS, now)
            return
        for key in sorted({*before, *now}):
            if before.get(key) != now.get(key):
                raise StoreError(
                    f"{path}: holds another study: {key} is {_short(before.get(key))} there, "
                    f"{_short(now.get(key))} here; give the same options, or another --out"
                )

    def result(self, name: str) -> Any:
        """What was kept under a name; None: nothing yet. Raises StoreError where it is damaged."""
        path = self.path / f"{name}.json"
        try:
            return json.loads(path.read_text())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise StoreError(f"{path}: cannot be read: {error}") from None

    def keep(self, name: str, value: Any) -> None:
        """Keeps a result of plain values."""
        write_file(self.path / f"{name}.json", json.dumps(value, indent=1, allow_nan=False) + "\n")

    def run_dir(self, name: str) -> Path:
        """Of a search or of further trainings."""
        return self.path / "runs" / name


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
