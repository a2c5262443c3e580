"""The picture of the architecture is the one that the imports give."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_picture_is_what_the_imports_give():
    command = [sys.executable, ROOT / "scripts/architecture", "--check"]
    assert subprocess.run(command, check=False).returncode == 0
