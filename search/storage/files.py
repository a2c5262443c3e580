"""Files in a run directory, which may be untrusted: nothing is written through a link."""

from __future__ import annotations

import fcntl
import os
import socket
from pathlib import Path
from typing import BinaryIO

from search.storage.errors import StoreError, printable

LOCK = "lock"


def write_file(path: Path, content: str | bytes) -> None:
    """Writes a file, all of it or nothing, in place of what is there.

    Raises:
      OSError: with the file's name, also where writing itself fails, as on a full disk.
    """
    aside = path.with_name(f".{path.name}.new")
    aside.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    try:
        with open(os.open(aside, flags, 0o666), "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from None


def refuse_links(*paths: Path) -> None:
    """Raises StoreError if a path is a symbolic link."""
    for path in paths:
        if path.is_symlink():
            raise StoreError(f"{path}: is a symbolic link; a search writes through none")


def locked(run_dir: Path) -> BinaryIO:
    """An open file with the run directory's lock; the kernel frees it when the process ends.

    Raises:
      StoreError: another process has it. OSError: it cannot be made.
    """
    path = run_dir / LOCK
    refuse_links(path)
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
    file = open(os.open(path, flags, 0o666), "r+b", buffering=0)  # noqa: SIM115 (held until closed)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        owner = printable(file.read(200)).strip() or "unknown"
        file.close()
        raise StoreError(f"{run_dir}: in use by another process ({owner})") from None
    file.truncate(0)
    file.write(f"process {os.getpid()} on {socket.gethostname()}".encode())
    return file
