"""The pinned versions, and the audit of them, with a program in pip-audit's place."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def audit(tmp_path, answer: str | None, code: int = 0) -> subprocess.CompletedProcess:
    """answer: what pip-audit prints; None: it is not installed."""
    if answer is not None:
        (tmp_path / "answer").write_text(answer)
        (tmp_path / "pip-audit").write_text(f"#!/bin/sh\n/bin/cat {tmp_path}/answer\nexit {code}\n")
        (tmp_path / "pip-audit").chmod(0o755)
    (tmp_path / "python").symlink_to(sys.executable)  # beside it there is no real one
    command = ["-c", "import runpy, sys; sys.executable = sys.argv.pop();"
               f" runpy.run_path({str(ROOT / 'scripts/audit')!r}, run_name='__main__')"]  # fmt: skip
    return subprocess.run(
        [sys.executable, *command, str(tmp_path / "python")],
        env={**os.environ, "PATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )


def answer_of(*packages: dict) -> str:
    return json.dumps({"dependencies": list(packages)})


SOUND = {"name": "a", "version": "1", "vulns": []}
UNSOUND = {"name": "b", "version": "2", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.1"]}]}
UNKNOWN = {"name": "c", "skip_reason": "not found on PyPI"}


@pytest.mark.parametrize(
    ("answer", "code", "expected", "status"),
    [
        (None, 0, "audit skipped: pip-audit is not installed (pip install pip-audit)", 0),
        ("", 1, "audit skipped: PyPI cannot be asked", 0),
        (answer_of(UNKNOWN), 0, "audit skipped: PyPI cannot be asked", 0),
        (answer_of(SOUND, UNKNOWN), 0, "audited 1 packages of constraints.txt; known vulnerabilities: 0", 0),
        (answer_of(SOUND, UNSOUND), 1, "audited 2 packages of constraints.txt; known vulnerabilities: 1\n"
         "b 2: PYSEC-1, mended in 2.1", 1),
    ],
)  # fmt: skip
def test_the_audit_says_what_is_known_or_that_it_is_skipped(
    tmp_path, answer, code, expected, status
):
    done = audit(tmp_path, answer, code)
    assert (done.stdout.strip(), done.returncode) == (expected, status), done.stderr


def test_every_dependency_is_pinned():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+==[A-Za-z0-9_.!+-]+", line) for line in lines)
    pinned = {re.sub(r"[-_.]+", "-", line.split("==")[0]).lower() for line in lines}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    names = {
        re.split(r"[\[><=]", name)[0].lower().replace("_", "-")
        for group in groups
        for name in group
    }
    apart = {"update-rule-search", "torch"}  # itself; torch has a wheel for each accelerator
    assert names - pinned == apart
