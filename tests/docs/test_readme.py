"""The README's walk to a torch optimizer, with a rule of the library for the one that was found."""

import re
import sys
from pathlib import Path

import pytest

from programs.__main__ import main

README = (Path(__file__).parents[2] / "README.md").read_text()


def test_an_exported_rule_trains_a_torch_model(tmp_path, monkeypatch, capsys):
    pytest.importorskip("torch", reason="torch is not installed")
    [code] = [c for c in re.findall("```python\n(.*?)```", README, re.DOTALL) if "Discovered" in c]
    [line] = [line for line in README.splitlines() if "--name Discovered" in line]
    words = line.split()[3:]
    words[words.index("runs/first/final.py")] = "library:adamw_corrected"
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    assert main(words) == 0
    try:
        exec(code, {"__name__": "walk"})
    finally:
        sys.modules.pop("discovered", None)
    assert float(capsys.readouterr().out.removeprefix("accuracy ")) > 0.6
