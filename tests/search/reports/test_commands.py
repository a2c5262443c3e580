"""Commands that can be pasted as they are printed."""

import sys
from pathlib import Path

import pytest

from search.reports.commands import Commands, command

MINE = Commands(Path("my runs/c"), tasks_file="t.py", functions_file="my functions.py")


@pytest.fixture(autouse=True)
def _this_python(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "my env" / "python"))


def test_each_names_this_python_the_run_and_the_users_files():
    python, files = "'my env/python' -m", "--tasks-file t.py --functions-file 'my functions.py'"
    assert MINE.resume() == f"{python} search.run --resume 'my runs/c' {files}"
    assert MINE.resume(["stop.hours=0"]) == f"{MINE.resume()} --set stop.hours=0"
    assert MINE.funnel() == f"{python} search.funnel 'my runs/c' {files}"
    functions = "--functions-file 'my functions.py'"
    assert MINE.inspect("front", "--simplify") == (
        f"{python} search.inspect 'my runs/c' front --simplify {functions}"
    )


def test_without_files_of_the_users_they_are_short(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/usr/bin/python3")
    plain = Commands(Path("runs/c"))
    assert plain.resume() == "/usr/bin/python3 -m search.run --resume runs/c"
    assert plain.inspect() == "/usr/bin/python3 -m search.inspect runs/c"
    assert command("search.compare", "a b") == "/usr/bin/python3 -m search.compare 'a b'"
