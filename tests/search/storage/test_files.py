"""Files of a run directory are written whole or not at all, and what fails is named."""

import errno
import os
import resource

import pytest

from search.storage.files import write_file


def full(_: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # without a name, as write() gives it


def test_a_full_disk_names_the_file_and_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "final.py"
    write_file(path, "old\n")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError) as error:
        write_file(path, "new\n")
    assert (error.value.errno, error.value.filename) == (errno.ENOSPC, str(path))
    assert path.read_text() == "old\n" and [*tmp_path.iterdir()] == [path]


def test_a_short_write_is_an_error(tmp_path):
    """As on a disk that is full half-way: here, by a limit on the size of files."""
    path, before = tmp_path / "final.py", resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
        with pytest.raises(OSError) as error:
            write_file(path, "x" * 200_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert error.value.filename == str(path) and [*tmp_path.iterdir()] == []
