"""A disk that is full at any moment of a search: one clear error, and with room again it goes on to
the same history."""

import subprocess

import pytest
import toys
from in_process import digest

from search.evaluation.source import Function
from search.run import main
from search.storage.identity import is_begun

FULL = ("database or disk is full", "disk I/O error", "No space left on device")
TOY = Function(toys.factory())
CONFIG = """\
evolution: {children: 300, population: 20, repeats: 1, rounds: 1, window: 8}
evaluation: {tasks: toy}
rescore: {programs: 2, seeds: 2}
workers: {address: in_process, batch_s: 1.0e-6}
store: {commit_s: 0}
funnel: null
"""


@pytest.fixture
def disk(tmp_path):
    """A disk of some size: a function that gives it another size."""
    path = tmp_path / "disk"
    path.mkdir()

    def of_size(kilobytes: int, *options: str) -> int:
        size = ",".join([*options, f"size={kilobytes}k"])
        return subprocess.run(
            ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(path)], capture_output=True
        ).returncode

    if of_size(64):
        pytest.skip("only root can make a disk")
    of_size.path = path
    yield of_size
    subprocess.run(["umount", str(path)])


def test_a_full_disk_is_one_error_and_nothing_is_lost(disk, tmp_path, capsys):
    config = tmp_path / "toy.yaml"
    config.write_text(CONFIG)
    words = ["--config", str(config), "--run-dir"]
    assert main([*words, str(tmp_path / "run")], TOY) == 0
    run_dir, codes = disk.path / "run", []
    for kilobytes in (64 * 2**i for i in range(11)):
        disk(kilobytes, "remount")
        capsys.readouterr()
        resume = ["--resume"] if is_begun(run_dir) else []
        codes.append(main([*words, str(run_dir), *resume], TOY))
        said = capsys.readouterr().err
        if codes[-1] == 0:
            break
        assert said.startswith("error: ") and any(words in said for words in FULL)
        assert len(said.splitlines()) <= 3 and "Traceback" not in said
    assert codes[-1] == 0 and len(codes) > 3, codes
    assert digest(run_dir) == digest(tmp_path / "run")
