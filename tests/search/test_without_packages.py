"""A search in process needs neither Ray nor egglog, and what is missing is named at once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from search import checks
from search.checks import mistakes
from search.config.load import loads

HIDDEN = """
import importlib.abc, importlib.metadata, sys

NAMES = {"ray", "egglog"}

class Hidden(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in NAMES:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

find = importlib.metadata.version

def version(name):
    if name in NAMES:
        raise importlib.metadata.PackageNotFoundError(name)
    return find(name)

importlib.metadata.version = version
sys.meta_path.insert(0, Hidden())
"""
SEARCH = """
from small_trainings import SMALL

from search import api

assert not {"jax", "scipy", "sklearn"} & set(sys.modules), "each command starts a second later"

config = {
    "evolution": {"children": 12, "population": 4, "repeats": 1, "rounds": 1, "window": 4},
    "evaluation": {
        "tasks": ["vision_mlp"], "engine": "interpreted", "hurdles": {"at": [0.5]},
        "settings": SMALL,
    },
    "rescore": {"programs": 1, "seeds": 2},
    "funnel": None,
    "workers": {"address": "in_process"},
}
if __name__ == "__main__":
    print(api.search(config, sys.argv[1]).finalists[0].mean)
    assert not {"ray", "egglog", "sklearn"} & set(sys.modules)
"""


def test_a_search_in_process_needs_neither_ray_nor_egglog(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(HIDDEN + SEARCH)
    root = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "run")],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.splitlines()[-1]) < 0


@pytest.mark.parametrize(
    ("missing", "changes", "keys"),
    [
        ((), [], set()),
        (("ray",), [], {"workers.address"}),
        (("ray",), ["workers.address=in_process"], set()),
        (("egglog",), [], {"funnel"}),
        (("egglog",), ["funnel=null"], set()),
        (("ray", "egglog"), [], {"workers.address", "funnel"}),
    ],
)
def test_what_is_not_installed_is_named_before_the_search(monkeypatch, missing, changes, keys):
    monkeypatch.setattr(checks, "find_spec", lambda name: None if name in missing else object())
    config = loads(b"evaluation: {tasks: [vision_mlp]}\n", overrides=changes)
    said = {".".join(map(str, path)): text for path, text in mistakes(config)}
    assert set(said) == keys
    assert all("not installed" in text for text in said.values())
