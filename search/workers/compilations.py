"""JAX's folder of compiled trainings, which workers and later runs share, after a kill."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

_LOCK, _LOCK_S = ".lockfile", 10.0
_ENTRY, _LAST_USE = "-cache", "-atime"


def mend() -> None:
    """Removes entries whose writer was killed on the way.

    JAX writes an entry, then the time of its last use. Where it looks for the least used ones, an
    entry without a time is an error to it: it would keep nothing new any more, with a warning for
    each compilation. Where it sets no limit on the folder's size, there are no times at all.
    """
    name = os.environ.get("JAX_COMPILATION_CACHE_DIR")
    if not name or os.environ.get("JAX_COMPILATION_CACHE_MAX_SIZE", "-1") == "-1":
        return
    folder = Path(name).expanduser()
    if not folder.is_dir():
        return
    from filelock import FileLock, Timeout  # installed with Ray; JAX uses it for this folder

    with contextlib.suppress(OSError, Timeout), FileLock(folder / _LOCK, timeout=_LOCK_S):
        for entry in folder.glob(f"*{_ENTRY}"):
            if not entry.with_name(entry.name.removesuffix(_ENTRY) + _LAST_USE).exists():
                entry.unlink(missing_ok=True)
