"""What is exported trains as the program does, for 200 steps."""

import numpy as np
import pytest

from programs import library, load
from programs.export import to_numpy, to_torch
from tests.programs.export.trajectories import TREES, by_numpy, by_torch, compared
from tests.strategies import random_programs

ENGINES = {"numpy": (to_numpy, by_numpy), "torch": (to_torch, by_torch)}


@pytest.fixture(params=ENGINES)
def engine(request, tmp_path):
    """program -> (weights, steps) -> trajectory"""
    if request.param == "torch":
        pytest.importorskip("torch", reason="torch is not installed")
    write, run = ENGINES[request.param]
    return lambda program: lambda w, steps: run(write(program), w, steps, tmp_path)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", library())
def test_library(name, dtype, engine):
    program = load(f"library:{name}")
    done = compared(program, engine(program), dtype)
    assert done == 200
