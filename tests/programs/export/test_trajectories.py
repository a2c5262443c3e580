"""What is exported trains as the program does, for 200 steps."""

import numpy as np
import pytest

from programs import library, load, parse
from programs.export import to_numpy, to_optax, to_torch
from programs.functions import FUNCTIONS
from tests.programs.export.trajectories import TREES, by_numpy, by_optax, by_torch, compared
from tests.strategies import random_programs

ENGINES = {"numpy": (to_numpy, by_numpy), "torch": (to_torch, by_torch)}


@pytest.fixture(params=ENGINES)
def engine(request, tmp_path):
    """program -> (weights, steps) -> trajectory"""
    if request.param == "torch":
        pytest.importorskip("torch", reason="torch is not installed")
    write, run = ENGINES[request.param]
    return lambda program: lambda w, steps: run(write(program), w, steps, tmp_path)


QUICK = ("lion", "adamw_corrected", "lamb", "program5", "program8")
LIBRARY = [
    pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in library()
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", LIBRARY)
def test_library(name, dtype, engine):
    program = load(f"library:{name}")
    assert compared(program, engine(program), dtype) == 200


@pytest.mark.parametrize("name", LIBRARY)
def test_library_in_optax(name, tmp_path):
    """In float32, in which it computes whatever the dtype of the parameters."""
    program = load(f"library:{name}")
    run = lambda w, steps: by_optax(to_optax(program), w, steps, tmp_path)
    assert compared(program, run, np.float32) == 200


@pytest.mark.slow
def test_random_programs_in_optax(tmp_path):
    for i, program in enumerate(random_programs(4000, seed=11)[::20]):
        run = lambda w, steps, p=program: by_optax(to_optax(p), w, steps, tmp_path)
        compared(program, run, np.float32, TREES[i % len(TREES)])


def _compare_random(programs, engine, steps):
    """Compares, and returns the share of the programs that were comparable to the end."""
    done = [
        compared(program, engine(program), dtype, TREES[i % len(TREES)], steps)
        for i, program in enumerate(programs)
        for dtype in (np.float32, np.float64)
    ]
    share = sum(steps == one for one in done) / len(done)
    print(f"comparable for {steps} steps: {share:.0%}; steps compared: {sum(done)}")
    return share


def test_random_programs(engine):
    assert _compare_random(random_programs(4000, seed=11)[::200], engine, 20) > 0.7


@pytest.mark.slow
def test_200_random_programs(engine):
    assert _compare_random(random_programs(4000, seed=11)[::20], engine, 200) > 0.5


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_on_every_kind(name, engine):
    """One program holds the function on all kinds of arguments, each made harmless by a sum."""
    row, words = FUNCTIONS[name], ("r", "n", "g")
    lines = ["r = lr * 0.5", "n = norm(g)", "n = tanh(n)", "g = tanh(g)", "update = g * r"]
    inside = {"arccosh": "cosh", "power": "abs"}.get(name)  # where it is defined
    lines += [f"{word} = {inside}({word})" for word in words if inside]
    for i, kinds in enumerate(row.kinds):
        arguments = ", ".join(words[int(kind)] for kind in kinds)
        lines += [f"x{i} = {name}({arguments})", f"x{i} = tanh(x{i})", f"update = update + x{i}"]
    body = "".join(f"  {line}\n" for line in lines)
    program = parse(f"def train(w, g, lr):\n{body}  return update\n")
    assert compared(program, engine(program), np.float64, steps=3) == 3
