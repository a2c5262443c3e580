"""The tasks' fingerprints are the same wherever they are made, and leave no JAX beside Ray."""

import subprocess
import sys

import pytest

from proxy_tasks.errors import TaskError
from search.config.machines import WorkerSettings
from search.evaluation.evaluator import Evaluator
from search.evaluation.fingerprints import Fingerprints

SETTINGS = {"vision_mlp": {"steps": 4}}
BESIDE_RAY = """
import sys
from search.config.settings import WorkerSettings
from search.evaluation.fingerprints import Fingerprints
of = Fingerprints(["vision_mlp"], {"vision_mlp": {"steps": 4}}, engine="auto", workers=WorkerSettings())
print(of("vision_mlp"))
assert "jax" not in sys.modules, "Ray starts by forks, which JAX's threads do not survive"
"""


@pytest.mark.parametrize("engine", ["auto", "interpreted"])
def test_here(engine):
    evaluator = Evaluator(engine=engine, settings=SETTINGS)
    workers = WorkerSettings(address="in_process")
    of = Fingerprints(["vision_mlp"], SETTINGS, engine=engine, workers=workers)
    for task in ("vision_mlp", "vision_mlp@10"):
        assert of(task) == f"{evaluator.task(task).fingerprint}-{evaluator.engine_of(task)}"
    with pytest.raises(TaskError, match="vision_mpl"):
        of("vision_mpl")


def test_beside_ray_another_process_looks():
    done = subprocess.run([sys.executable, "-c", BESIDE_RAY], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    workers = WorkerSettings(address="in_process")
    of = Fingerprints(["vision_mlp"], SETTINGS, engine="auto", workers=workers)
    assert done.stdout.strip() == of("vision_mlp")
