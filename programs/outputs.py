"""Files that a command must not write over."""

from __future__ import annotations

import contextlib
from pathlib import Path

_SQLITE = b"SQLite format 3\0"


def is_database(path: Path) -> bool:
    """Whether there is an SQLite file, such as a run's `search.db`: no command writes over one."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        return file.read(len(_SQLITE)) == _SQLITE
    return False
