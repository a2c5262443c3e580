"""Options of scripts: each --help teaches, mistakes are one line, Ctrl-C shows no traceback."""

import os
import runpy
import signal
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[1] / "scripts"
MISTAKES = {
    "bench_accelerator": (["--tasks", "nothing"], "no task 'nothing'"),
    "bench_evaluate": (["--json", "/nowhere/x"], "--json: /nowhere/x: cannot be written"),
    "bench_inspect": (["/nowhere"], "/nowhere: no search here"),
    "bench_programs": (["--seconds", "-1"], "--seconds: expected a number above 0, got '-1'"),
    "bench_scale": (["window", "everything"], "no part 'everything'; there are window, driver"),
    "bench_search": (["driver", "everything"], "no part 'everything'; there are driver, workers"),
    "bench_simplify": (
        ["--cases", "0"],
        "--cases: expected a whole number from 1 to 10^9, got '0'",
    ),
    "chaos": (["--kills", "-1"], "--kills: expected a whole number from 0"),
    "check_long": (["evolved", "-3"], "COUNT: expected a whole number from 1"),
    "count_children": (["x", "--parents", "0"], "--parents: expected a whole number from 1"),
    "count_rules": (["/nowhere"], "/nowhere: no search here"),
    "figures": (["/nowhere", "--out", "a.pdf"], "--out: a.pdf: expected a name that ends in .svg"),
    "fuzz_inputs": (["-5"], "N: expected a whole number from 1"),
    "keep_discovery": (["/nowhere", "name", "--conf", "x"], "required: --config"),
    "soak": (["--hours", "-1"], "--hours: expected a number above 0"),
    "study_baselines": (["--processes", "0"], "--processes: expected a whole number from 1"),
}


@pytest.fixture
def script(monkeypatch):
    """Runs a script's `main` with words; returns its exit code."""

    def run(name: str, *words: str) -> int:
        monkeypatch.setattr(sys, "path", [*sys.path])
        monkeypatch.setattr(sys, "argv", [name, *words])
        try:
            return runpy.run_path(str(SCRIPTS / name))["main"]()
        except SystemExit as ended:
            return ended.code or 0

    return run


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line_and_help_says_all_that_the_head_does(name, script, capsys):
    words, message = MISTAKES[name]
    assert script(name, *words) == 2
    printed = capsys.readouterr()
    assert not printed.out and printed.err.startswith("error: ")
    assert printed.err.count("\n") == 1 and message in printed.err
    assert script(name, "--help") == 0
    head = runpy.run_path(str(SCRIPTS / name))["__doc__"]
    shown = capsys.readouterr().out
    assert shown.startswith(f"usage: scripts/{name} ") and head in shown


@pytest.mark.parametrize("name", ["check", "audit"])
def test_no_argument_is_ignored(name):
    done = subprocess.run([str(SCRIPTS / name), "everything"], capture_output=True, text=True)
    assert done.returncode == 2 and "everything" in done.stderr


def test_ctrl_c_shows_no_traceback():
    done = subprocess.run(
        [sys.executable, "-c", "import checkout; raise KeyboardInterrupt"],
        env={**os.environ, "PYTHONPATH": str(SCRIPTS)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "stopped\n")
