"""Scripts that are started by a Python without the packages: another goes on, or one line."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[1] / "scripts"
BY_THEMSELVES = {"architecture", "audit", "notebook"}  # need no package
MAKES_ITS_OWN = {"on_accelerator"}  # installs where nothing is
OF_PYTHON = {
    p.name for p in SCRIPTS.iterdir() if p.is_file() and re.match("#!.*python", p.read_text())
}
NEED = sorted(OF_PYTHON - BY_THEMSELVES - MAKES_ITS_OWN)


def bare(script: Path, *words: str, **environment: str) -> subprocess.CompletedProcess:
    """By a Python that has nothing installed."""
    kept = {k: v for k, v in os.environ.items() if k not in ("VIRTUAL_ENV", "PYTHONPATH")}
    command = [sys.executable, "-S", str(script), *words]
    return subprocess.run(command, env={**kept, **environment}, capture_output=True, text=True)


@pytest.mark.parametrize("name", NEED)
def test_one_line_says_what_to_do(name, tmp_path):
    done = bare(SCRIPTS / name, "--help", VIRTUAL_ENV=str(tmp_path))
    assert done.returncode == 2 and not done.stdout
    expected = (
        f"error: .* lacks numpy, .*; scripts/test and .* into {re.escape(str(tmp_path))}, .*\n"
    )
    assert re.fullmatch(expected, done.stderr)


@pytest.mark.parametrize("name", sorted(BY_THEMSELVES - {"audit"}))
def test_some_need_no_package(name):
    assert bare(SCRIPTS / name, "--check").returncode == 0


def test_the_environment_of_the_checkout_goes_on(tmp_path):
    (tmp_path / "scripts").mkdir()
    for name in ("checkout.py", "options.py", "count_rules"):
        shutil.copy(SCRIPTS / name, tmp_path / "scripts")
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "$@"\n')
    python.chmod(0o755)
    script = tmp_path / "scripts" / "count_rules"
    done = bare(script, "run a", "--help")
    assert (done.returncode, done.stdout) == (0, f"{script} run a --help\n")
