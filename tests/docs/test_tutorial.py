"""The tutorial runs: as a script, and as a notebook in a real kernel."""

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
TEXT, NOTEBOOK = ROOT / "docs/tutorial.md", ROOT / "docs/tutorial.ipynb"


@pytest.fixture(autouse=True)
def from_elsewhere(monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.chdir(tmp_path)


def test_the_notebook_is_the_text():
    assert subprocess.run([sys.executable, ROOT / "scripts/notebook", "--check"]).returncode == 0


@pytest.mark.slow
def test_it_runs_as_a_script(tmp_path):
    code = "\n".join(re.findall(r"^```python\n(.*?)^```\n", TEXT.read_text(), re.M | re.S))
    (tmp_path / "tutorial.py").write_text(code)
    done = subprocess.run([sys.executable, "tutorial.py"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "better than AdamW by" in done.stdout and "def train(w, g" in done.stdout


def test_it_runs_as_a_notebook():
    """A kernel has a running event loop and no terminal."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    NotebookClient(notebook, timeout=600, kernel_name="python3").execute()
    outputs = [o for cell in notebook.cells for o in cell.get("outputs", ())]
    text = "".join(output.get("text", "") for output in outputs)
    assert "better than AdamW by" in text and "def train(w, g" in text
    assert "mutation" in str(outputs[-1])  # the last cell shows a frame
    assert os.environ["PYTHONPATH"] == str(ROOT)
