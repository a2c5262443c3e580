"""The long checks and the benchmark of inspect run, with small sizes."""

import runpy
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[1] / "scripts"


@pytest.fixture
def script(monkeypatch):
    """Runs a script's `main` with words."""

    def run(name: str, *words: str) -> int:
        monkeypatch.setattr(sys, "path", [*sys.path])
        monkeypatch.setattr(sys, "argv", [name, *words])
        return runpy.run_path(str(SCRIPTS / name))["main"]()

    return run


def test_individuals_are_read_back_and_looked_into(script, tmp_path, capsys):
    run_dir = str(tmp_path / "run")
    assert script("check_long", "read_back", "300", "--run-dir", run_dir) == 0
    assert "301 individuals read back (each as it was born)" in capsys.readouterr().out
    assert script("check_long", "read_back", "--run-dir", run_dir) == 0
    assert "301 individuals read back (what they were at birth is not known)" in (
        capsys.readouterr().out
    )
    assert script("bench_inspect", run_dir) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("301 individuals") and lines[-1].startswith("digest")


def test_what_is_wrong_is_told(script, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("search.storage.lineage.ProgramText.__str__", lambda text: "pass")
    assert script("check_long", "read_back", "20", "--run-dir", str(tmp_path / "run")) == 1
    assert "other than they were" in capsys.readouterr().out


def test_evolved_programs_are_simplified(script, capsys):
    assert script("check_long", "evolved", "1", "--first", "2") == 0
    assert capsys.readouterr().out.startswith("1 programs of ")
