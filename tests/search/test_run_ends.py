"""A search whose output or files fail: one line, what to do, and nothing lost."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from search.storage.store import Reader

TOY = [sys.executable, str(Path(__file__).parent / "toys.py")]
CONFIG = """\
evolution: {children: 150, population: 40, repeats: 1, rounds: 1, window: 40}
evaluation: {tasks: toy}
rescore: {programs: 2, seeds: 2}
workers: {address: in_process}
funnel: null
"""


@pytest.fixture
def command(tmp_path) -> list[str]:
    (tmp_path / "toy.yaml").write_text(CONFIG)
    paths = ["--config", str(tmp_path / "toy.yaml"), "--run-dir", str(tmp_path / "run")]
    return [*TOY, *paths, "--view", "json"]


def resumed(command: list[str]) -> None:
    done = subprocess.run([*command, "--resume"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_output_that_nobody_reads_ends_it_with_the_resume_command(command, tmp_path):
    """As `| head -1`."""
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(command, stdout=write, stderr=-1, text=True)
    os.close(write)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    first, last = done.stderr.splitlines()
    assert first == "error: standard output: Broken pipe. To continue:"
    assert last.endswith(f" --resume {tmp_path / 'run'}")
    resumed(command)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="writes to /dev/full")
def test_output_that_is_full_is_told_on_the_other(command):
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=-1, text=True)
        assert done.returncode == 1 and "Traceback" not in done.stderr
        assert done.stderr.splitlines()[0] == (
            "error: standard output: No space left on device. To continue:"
        )
        done = subprocess.run(command, stdout=full, stderr=full)
        assert done.returncode in (1, 2)
    resumed(command)


def test_a_stop_whose_output_nobody_reads_is_still_a_stop(command, monkeypatch, capsys):
    """As where Ctrl-C also ends what the output is piped into."""
    import toys

    from search import run
    from search.evaluation.source import Function

    def broken(view: str, what: str, text: str) -> None:
        if what == "stopped":
            raise BrokenPipeError(32, "Broken pipe")

    class Stop(run.Stopping):
        def __call__(self) -> int:
            return 15

    monkeypatch.setattr(run, "say", broken)
    assert run.main(command[2:], Function(toys.factory()), Stop(signals=())) == 143
    assert capsys.readouterr().err == "error: standard output: Broken pipe.\n"


def test_both_outputs_closed_end_it_quietly(command):
    done = subprocess.run(
        " ".join(command) + " 2>&1 | head -c 1 > /dev/null; echo ${PIPESTATUS[0]}",
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() in ("0", "1") and done.stderr == ""
    resumed(command)


def test_a_file_that_cannot_be_written_is_named_and_the_search_kept(command, tmp_path, monkeypatch):
    """A directory of its name, after the search and the funnel."""
    monkeypatch.setenv("TOY_TASK", "vision_mlp")
    (tmp_path / "run" / "funnel.md").mkdir(parents=True)
    stage = "{name: A, beat: false, keep: 1, tuning: {draws: 1}}"
    sets = [
        "evaluation.tasks=vision_mlp",
        "evaluation.settings={vision_mlp: {steps: 5}}",
        f"funnel={{families: 1, head_start: {{draws: 1}}, stages: [{stage}]}}",
    ]
    command += [part for override in sets for part in ("--set", override)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert f"error: {tmp_path}/run/funnel.md: Is a directory. To continue:" in done.stderr
    assert done.stderr.splitlines()[-1].endswith(f" --resume {tmp_path / 'run'}")
    with Reader(tmp_path / "run") as store:
        assert store.rows("SELECT count(*) FROM individuals") == [(151,)]


def test_the_home_folder_may_be_read_only_and_nothing_is_left_in_it(command, tmp_path):
    """Ray would write a token into it, which clusters without one refuse later."""
    home = tmp_path / "home"
    home.mkdir(mode=0o500)
    options = ["--set", "workers.address=local", "--set", "workers.count=1"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
    environment |= {"HOME": str(home)}
    done = subprocess.run([*command, *options], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert list(home.iterdir()) == []


def test_windows_is_told_where_searches_run():
    code = "import sys; sys.platform = 'win32'; import search"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.splitlines()[-1] == (
        "ImportError: searches run on Linux; on Windows, in WSL (programs and proxy_tasks run "
        "anywhere)"
    )
