"""Every command of examples/README.md runs."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "examples" / "README.md").read_text()
COMMANDS = [line for line in README.splitlines() if line.startswith("python ")]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_readme_runs(command):
    arguments = shlex.split(command)[1:]
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout and "Traceback" not in done.stderr


def test_every_example_is_in_the_readme():
    files = {path.name for path in (ROOT / "examples").glob("*.py")}
    assert files and all(any(name in command for command in COMMANDS) for name in files)
