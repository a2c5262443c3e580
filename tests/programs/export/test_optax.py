"""Exported source equals the program, and needs nothing of this project."""

import ast
import importlib.util
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from programs import Program, ProgramError, Statement, library, load, parse
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
            np.testing.assert_array_equal(a, b)
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


NAMES = (
    "state", "state_", "params", "params_", "State", "jax", "jnp", "optax", "schedule", "schedule_",
    "scale", "total", "scaled", "init", "updates", "count", "ValueError", "zero", "keep", "numbers",
    "mask", "name", "trees", "x", "u", "p", "check", "isolated", "zip", "callable", "warnings",
    "rule", "beta", "beta1", "rate", "decay", "c1", "c2", "self", "_m", "__m", "_", "index", "n",
)  # fmt: skip


def _with_names(one: str, other: str) -> Program:
    """Two states, a constant of each kind, and both names in one lambda."""
    lines = (
        Statement(one, "interp", ("g", one, 0.9)),
        Statement("t", "interp", (one, other, 0.99)),
        Statement(other, "multiply", ("t", 1.5)),
        Statement("wd", "multiply", ("w", 0.1)),
        Statement("update", "divide", (one, other)),
        Statement("update", "add", ("update", "wd")),
        Statement("update", "multiply", ("update", "lr")),
    )
    return Program((one, other), lines)


def test_variables_of_any_name_keep_their_meaning():
    """The same numbers under any two names: the sources differ in the names alone."""
    params, grads = _tree(0), _tree(1)
    optimizer = as_optax(_with_names("m", "v"))
    _, state = optimizer.update(grads, optimizer.init(params), params)
    wanted, _ = optimizer.update(grads, state, params)
    pairs = [*itertools.pairwise(NAMES), *zip(NAMES, NAMES[7:]), *((name, "m") for name in NAMES)]
    for one, other in pairs:
        module: dict = {"__name__": "rule"}
        exec(to_optax(_with_names(one, other)), module)
        optimizer = module["rule"]()
        _, state = optimizer.update(grads, optimizer.init(params), params)
        updates, _ = optimizer.update(grads, state, params)
        jax.tree.map(np.testing.assert_array_equal, updates, wanted)


@pytest.mark.parametrize(
    "name",
    ["class", "lambda", "None", "True", "jax", "jnp", "optax", "State", "check", "isolated", "total",
     "floating", "Any", "NamedTuple", "Callable", "warnings", "sum", "zip", "print", "1x", "a b", ""],
)  # fmt: skip
def test_names_that_no_function_can_have(name):
    with pytest.raises(ProgramError, match=f"name {name!r} is"):
        to_optax(load("library:program8"), name)


@pytest.mark.parametrize("name", ["update", "init", "m", "w", "g", "lr", "wd", "schedule", "keep"])
def test_names_that_a_function_may_have(name, tmp_path):
    module = _imported(to_optax(load("library:lion"), name), tmp_path)
    params = _tree(0)
    optimizer, twin = getattr(module, name)(), as_optax("library:lion")
    updates, _ = optimizer.update(params, optimizer.init(params), params)
    wanted, _ = twin.update(params, twin.init(params), params)
    jax.tree.map(np.testing.assert_array_equal, updates, wanted)


def test_constants_are_float32_as_in_the_engines(tmp_path):
    """(1 - 0.999) is 0.0009999871 in float32, and Adam's first update is g / sqrt of it."""
    module = _imported(to_optax(load("library:adam")), tmp_path)
    params = {"w": jnp.ones(3)}
    optimizer = module.rule()
    updates, _ = optimizer.update(params, optimizer.init(params), params)
    beta1, beta2 = np.float32(0.9), np.float32(0.999)
    step = (1 - beta1) / (np.sqrt(1 - beta2) + np.float32(1e-8)) * np.float32(0.001)
    np.testing.assert_allclose(updates["w"], -step, rtol=2e-7)


def test_options(tmp_path):
    params, mask = _tree(0), {"a": True, "b": False, "c": True}
    rule = _imported(to_optax(load("library:lion")), tmp_path).rule
    options = {"scale": lambda count: 0.5 + count, "decay_mask": mask, "state_dtype": jnp.bfloat16}
    rate = lambda count: 3e-4
    ours = as_optax("library:lion", 0.25, constants={"beta1": 0.8, "rate": rate}, **options)
    theirs = rule(0.25, beta1=0.8, learning_rate=rate, **options)
    states = ours.init(params), theirs.init(params)
    for step in range(3):
        grads = _tree(step + 1)
        wanted, first = ours.update(grads, states[0], params)
        got, second = theirs.update(grads, states[1], params)
        jax.tree.map(np.testing.assert_array_equal, got, wanted)
        states = first, second
    assert states[1].m["a"].dtype == jnp.bfloat16
    assert "decay_mask" not in to_optax(load("library:adam"))


@pytest.mark.parametrize(
    "options, name",
    [
        ({"schedule": lambda t: jnp.ones(3)}, "schedule"),
        ({"scale": jnp.ones(3)}, "scale"),
        ({"beta1": lambda t: jnp.ones(3)}, "beta1"),
        ({"decay_mask": {"a": jnp.ones((4, 2, 3)), "b": True}}, "decay_mask"),
    ],
)
def test_what_is_no_single_number_is_refused(options, name, tmp_path):
    params = {"a": jnp.ones((2, 3)), "b": jnp.ones(3)}
    rule = _imported(to_optax(load("library:lion")), tmp_path).rule
    with pytest.raises(ValueError, match=f"^{name}: expected one real number, got float32 of sh"):
        optimizer = rule(**options)
        optimizer.update(params, optimizer.init(params), params)


@pytest.mark.parametrize("wrong", ["0.5", None, jnp.ones(3), 1j])
def test_options_of_a_wrong_kind_are_refused_before_the_first_step(wrong, tmp_path):
    rule = _imported(to_optax(load("library:lion")), tmp_path).rule
    for name in ("schedule", "scale", "beta1"):
        with pytest.raises(ValueError, match=f"^{name}: expected one real number, got "):
            rule(**{name: wrong})


@pytest.mark.parametrize("wrong", ["int8", "complex64", bool, "foo"])
def test_states_are_of_floating_point_numbers(wrong, tmp_path):
    rule = _imported(to_optax(load("library:lion")), tmp_path).rule
    with pytest.raises(ValueError, match=r"^state_dtype: expected a floating-point dtype, got "):
        rule(state_dtype=wrong)


def test_no_dtype_of_states_is_float32_as_in_the_engine(tmp_path):
    optimizer = _imported(to_optax(load("library:lion")), tmp_path).rule(state_dtype=None)
    params = {"a": jnp.ones(3, jnp.bfloat16)}
    state = optimizer.init(params)
    _, after = optimizer.update(params, state, params)
    assert state.m["a"].dtype == after.m["a"].dtype == jnp.float32


def test_a_rule_that_never_reads_the_schedule_value_says_so(tmp_path):
    program = Program((), (Statement("update", "multiply", ("g", 0.1)),))
    source = to_optax(program)
    assert "this rule never reads the schedule value" in source
    rule = _imported(source, tmp_path).rule
    params = {"w": jnp.ones(3)}
    with pytest.warns(UserWarning, match="never reads the schedule value; scale multiplies"):
        rule(lambda count: 0.0)
    optimizer = rule(scale=lambda count: 0.5)
    updates, _ = optimizer.update(params, optimizer.init(params), params)
    np.testing.assert_allclose(updates["w"], -0.05, rtol=1e-6)


def test_random_programs_give_valid_python():
    for program in random_programs(300, seed=9):
        tree = ast.parse(to_optax(program))
        modules = {
            n.name for node in ast.walk(tree) if isinstance(node, ast.Import) for n in node.names
        }
        assert modules - {"warnings"} == {"jax", "jax.numpy", "optax"}


def test_injected_hyperparameters(tmp_path):
    """Each can be changed from outside, in the state."""
    rule = _imported(to_optax(load("library:lion")), tmp_path).rule
    make = optax.inject_hyperparams(rule, static_args=("state_dtype", "decay_mask"))
    optimizer = make(optax.linear_schedule(1.0, 0.0, 2), learning_rate=1e-2, weight_decay=0.0)
    params, grads = _tree(0), _tree(1)
    state, step = optimizer.init(params), jax.jit(optimizer.update)
    sizes = []
    for factor in (1, 3):
        state.hyperparams["learning_rate"] = jnp.float32(1e-2 * factor)
        updates, state = step(grads, state, params)
        sizes.append(float(jnp.abs(updates["a"]).max()))
    np.testing.assert_allclose(sizes, [1e-2, 0.5 * 3e-2], rtol=1e-5)


def test_chains_accumulation_and_labels(tmp_path):
    rule = _imported(to_optax(load("library:adamw")), tmp_path).rule
    params = _tree(0)
    alone, chained = rule(), optax.chain(optax.clip_by_global_norm(1e9), rule())
    every = optax.MultiSteps(rule(), 2)
    labels = {"a": "rule", "b": "rest", "c": "rest"}
    mixed = optax.multi_transform({"rule": rule(), "rest": optax.sgd(0.1)}, labels)
    wanted, _ = jax.jit(alone.update)(_tree(1), alone.init(params), params)
    for optimizer in (chained, mixed):
        got, _ = jax.jit(optimizer.update)(_tree(1), optimizer.init(params), params)
        np.testing.assert_array_equal(got["a"], wanted["a"])
    state = every.init(params)
    for _ in range(2):
        got, state = jax.jit(every.update)(_tree(1), state, params)
    np.testing.assert_allclose(got["a"], wanted["a"], rtol=1e-6)


def test_bfloat16_and_empty_leaves(tmp_path):
    for name in ("lion", "lamb", "program8"):
        optimizer = _imported(to_optax(load(f"library:{name}")), tmp_path).rule()
        params = {"a": jnp.ones(3, jnp.bfloat16), "b": jnp.ones((0, 2)), "c": None}
        updates, state = jax.jit(optimizer.update)(params, optimizer.init(params), params)
        assert updates["a"].dtype == jnp.bfloat16 and updates["b"].shape == (0, 2)
        assert np.isfinite(np.asarray(updates["a"], np.float32)).all()
        assert {leaf.dtype for leaf in jax.tree.leaves(state[1:])} == {jnp.dtype("float32")}
