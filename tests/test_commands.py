"""The commands under one name, and what is installed."""

import os
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from search.__main__ import COMMANDS, main

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "search", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)


def exit_code(monkeypatch, *arguments: str) -> int:
    """Of a command in this process, where its imports are paid once. It leaves signals that are
    ignored alone; others it would catch, or block, for the whole process."""
    monkeypatch.setattr(sys, "argv", ["update-rule-search", *arguments])
    signals = signal.SIGINT, signal.SIGTERM, signal.SIGHUP
    before = {number: signal.signal(number, signal.SIG_IGN) for number in signals}
    try:
        main()
    except SystemExit as ended:
        return ended.code or 0
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return 0


@pytest.mark.filterwarnings("ignore:'.*' found in sys.modules:RuntimeWarning")
@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_from_any_folder(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert exit_code(monkeypatch, name, "--help") == 0
    assert capsys.readouterr().out.startswith(f"usage: python -m {COMMANDS[name][0]}")


def test_no_command_lists_them_and_a_wrong_one_is_a_mistake(monkeypatch, capsys):
    assert exit_code(monkeypatch) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in COMMANDS)
    assert exit_code(monkeypatch, "serach") == 2
    expected = f"error: no command 'serach'; expected one of {', '.join(COMMANDS)}\n"
    assert capsys.readouterr().err == expected


def test_the_exit_code_is_the_commands_from_any_folder(tmp_path):
    assert run("inspect", "nothing", cwd=tmp_path).returncode == 2
    assert run("programs", "diff", "library:adam", "library:sgd", cwd=tmp_path).returncode == 1


def test_it_is_installed_with_types():
    assert PROJECT["project"]["scripts"] == {"update-rule-search": "search.__main__:main"}
    for package, files in PROJECT["tool"]["setuptools"]["package-data"].items():
        assert "py.typed" in files and (ROOT / package / "py.typed").exists()
