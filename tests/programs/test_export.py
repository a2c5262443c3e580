"""Exported source equals the program, and needs nothing of this project."""

import ast
import importlib.util

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from programs import Program, library, load, parse
from programs.export import to_optax
from programs.functions import FUNCTIONS
from programs.transform import as_optax
from tests.strategies import random_programs, trees


def _imported(source: str, folder):
    path = folder / f"rule{abs(hash(source))}.py"
    path.write_text(source)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _tree(seed, scale=1.0):
    return dict(zip("abc", (jnp.asarray(leaf) for leaf in trees(seed, scale))))


def _compare(program: Program, folder, steps: int = 5):
    module = _imported(to_optax(program), folder)
    ours, theirs = as_optax(program), module.rule(lambda count: 1.0 / (1 + count))
    params = _tree(0)
    states = ours.init(params), theirs.init(params)
    for step in range(steps):
        grads = _tree(step + 1, 0.3)
        wanted, first = ours.update(grads, states[0], params, lr=1.0 / (1 + step))
        found, second = theirs.update(grads, states[1], params)
        for a, b in zip(jax.tree.leaves(wanted), jax.tree.leaves(found), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
        states = first, second
        params = jax.tree.map(lambda p, u: p + u, params, wanted)


@pytest.mark.parametrize("name", library())
def test_library(name, tmp_path):
    _compare(load(f"library:{name}"), tmp_path, 10)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_on_every_kind(name, tmp_path):
    """One program holds the function on all kinds of arguments, each made harmless by a sum."""
    row = FUNCTIONS[name]
    words = {0: "lr", 1: "n", 2: "g"}
    lines = ["h = square(g)", "n = norm(h)", "g = tanh(g)", "update = g * lr"]
    for i, kinds in enumerate(row.kinds):
        arguments = ", ".join(words[int(kind)] for kind in kinds)
        lines += [f"x{i} = {name}({arguments})", f"x{i} = tanh(x{i})", f"update = update + x{i}"]
    if row.arity:
        constants = ", ".join(["-0.5"] * row.arity)
        lines += [f"c = {name}({constants})", "c = tanh(c)", "update = update + c"]
    body = "".join(f"  {line}\n" for line in lines)
    _compare(parse(f"def train(w, g, lr):\n{body}  return update\n"), tmp_path, 2)


def test_names_of_the_template_are_free(tmp_path):
    _compare(
        parse(
            "def train(w, g, state, count, lr):\n  params = g * lr\n  total = params + state\n"
            "  state = interp(g, state, 0.9)\n  count = count + total\n"
            "  update = total + count\n  return update, state, count\n"
        ),
        tmp_path,
    )


def test_random_programs_give_valid_python():
    for program in random_programs(300, seed=9):
        tree = ast.parse(to_optax(program))
        modules = {
            n.name for node in ast.walk(tree) if isinstance(node, ast.Import) for n in node.names
        }
        assert modules == {"jax", "jax.numpy", "optax"}
