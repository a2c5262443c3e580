"""Makes the helpers here importable, also in the processes that tests start; shared fixtures."""

import os
import sys
from pathlib import Path

import pytest

HERE, ROOT = Path(__file__).parent, Path(__file__).parents[2]
sys.path.insert(0, str(HERE))
os.environ["PYTHONPATH"] = os.pathsep.join(map(str, (ROOT, HERE)))


@pytest.fixture(scope="module")
def task():
    """A task of 60 steps."""
    from proxy_tasks import make_task

    return make_task("vision_mlp", steps=60)


@pytest.fixture(scope="module")
def evaluator(task):
    """Of programs in the interpreter and of optimizers designed by hand, with a hurdle half-way."""
    from search.evaluation.evaluator import Evaluator

    return Evaluator([task], hurdles=(0.5,))
