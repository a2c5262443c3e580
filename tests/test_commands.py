"""The commands under one name, and what is installed."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from search.__main__ import COMMANDS

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "search", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_from_any_folder(name, tmp_path):
    done = run(name, "--help", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"usage: python -m {COMMANDS[name][0]}")


def test_no_command_lists_them_and_a_wrong_one_is_a_mistake(tmp_path):
    listed = run(cwd=tmp_path)
    assert listed.returncode == 0 and all(name in listed.stdout for name in COMMANDS)
    wrong = run("serach", cwd=tmp_path)
    assert wrong.returncode == 2 and wrong.stderr.startswith("error: no command 'serach'\n")


def test_the_exit_code_is_the_commands(tmp_path):
    assert run("inspect", "nothing", cwd=tmp_path).returncode == 2
    assert run("programs", "diff", "library:adam", "library:sgd", cwd=tmp_path).returncode == 1


def test_it_is_installed_with_types():
    assert PROJECT["project"]["scripts"] == {"update-rule-search": "search.__main__:main"}
    for package, files in PROJECT["tool"]["setuptools"]["package-data"].items():
        assert "py.typed" in files and (ROOT / package / "py.typed").exists()
