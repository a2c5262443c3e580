"""The table of functions, against independent oracles."""

import functools
import math
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from programs.execute import Tree, Value, interpret
from programs.function import COMMUTATIVE, EVEN, NONNEGATIVE, ODD
from programs.functions import FUNCTIONS
from programs.kinds import Kind
from tests.strategies import ten_thousand_programs, trees

ORACLES = {  # in double precision, one number at a time, from the text of the paper
    "abs": abs, "cos": math.cos, "sin": math.sin, "tan": math.tan, "arcsin": math.asin,
    "arccos": math.acos, "arctan": math.atan, "sinh": math.sinh, "cosh": math.cosh,
    "tanh": math.tanh, "arcsinh": math.asinh, "arccosh": math.acosh, "arctanh": math.atanh,
    "exp": math.exp, "exp2": lambda x: 2.0**x, "exp10": lambda x: 10.0**x, "expm1": math.expm1,
    "log": lambda x: math.log(abs(x)), "log10": lambda x: math.log10(abs(x)),
    "log2": lambda x: math.log2(abs(x)), "log1p": lambda x: math.log(abs(1 + x)),
    "square": lambda x: x * x, "sqrt": lambda x: math.sqrt(abs(x)), "cube": lambda x: x**3,
    "cbrt": lambda x: math.copysign(abs(x) ** (1 / 3), x),
    "sign": lambda x: (x > 0) - (x < 0), "reciprocal": lambda x: 1 / x, "negative": lambda x: -x,
    "add": lambda x, y: x + y, "subtract": lambda x, y: x - y, "multiply": lambda x, y: x * y,
    "divide": lambda x, y: x / (y + 1e-8), "power": lambda x, y: x**y, "maximum": max,
    "minimum": min, "interp": lambda x, y, a: (1 - a) * x + a * y,
    "get_pi": lambda: math.pi, "get_e": lambda: math.e, "get_eps": lambda: 1e-8,
}  # fmt: skip
WHOLE_TREE = ("norm", "global_norm", "dot", "cosine_sim", "clip")
MODULES = [pytest.param(np, id="numpy"), pytest.param(jnp, id="jax")]


@pytest.fixture(autouse=True)
def quiet():
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        yield


def test_every_function_of_the_paper_is_here():
    unary = 27 + 1  # and negative
    binary, linear_algebra, constants = 7, 6, 3
    assert len(FUNCTIONS) == unary + binary + linear_algebra + constants == 44
    assert set(FUNCTIONS) == {*ORACLES, *WHOLE_TREE}


def _samples(arity: int) -> np.ndarray:
    rng = np.random.default_rng(arity)
    scales = 10.0 ** rng.uniform(-6, 1, size=(arity, 400))
    numbers = rng.normal(size=(arity, 400)) * scales
    return np.concatenate([numbers, np.zeros((arity, 1)), np.ones((arity, 1))], 1).astype("f")


@pytest.mark.parametrize("xp", MODULES)
@pytest.mark.parametrize("name", ORACLES)
def test_meaning(name, xp):
    row = FUNCTIONS[name]
    samples = _samples(row.arity)
    seen = np.broadcast_to(
        np.asarray(row.meaning(xp, *(xp.asarray(x) for x in samples))), samples.shape[1:]
    )
    for i, numbers in enumerate(samples.T.astype(float).tolist()):
        try:
            wanted = ORACLES[name](*numbers)
        except (ValueError, ZeroDivisionError, OverflowError):  # outside the domain
            assert not np.isfinite(seen[i])
            continue
        if isinstance(wanted, complex):
            assert np.isnan(seen[i])
        elif abs(wanted) < 3e38:
            # Single precision sees its argument to 1e-7 only, which a zero of log1p amplifies.
            slack = (
                2e-6
                if name in ("log1p", "tan", "arccosh", "divide", "log", "log2", "log10", "power")
                else 0
            )
            assert seen[i] == pytest.approx(
                wanted, rel=1e-5, abs=1e-7 + slack * max(1, abs(wanted))
            )


@pytest.mark.parametrize("xp", MODULES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_properties(name, xp):
    row = FUNCTIONS[name]
    if row.whole_tree or not row.arity:
        return
    x, *rest = (xp.asarray(s) for s in _samples(row.arity))
    plain = np.asarray(row.meaning(xp, x, *rest))
    if EVEN in row.properties:
        assert np.array_equal(plain, np.asarray(row.meaning(xp, -x, *rest)), equal_nan=True)
    if ODD in row.properties:
        assert np.array_equal(-plain, np.asarray(row.meaning(xp, -x, *rest)), equal_nan=True)
    if NONNEGATIVE in row.properties:
        assert not (plain < 0).any()
    if COMMUTATIVE in row.properties:
        assert np.array_equal(plain, np.asarray(row.meaning(xp, *rest, x)), equal_nan=True)


def _value(kind: Kind, seed: int) -> Value:
    leaves = trees(seed)
    if kind is Kind.TENSOR:
        return Value(kind, tuple(leaves))
    numbers = tuple(np.float32(leaf.sum()) for leaf in leaves)
    return Value(kind, numbers if kind is Kind.PER_ARRAY else numbers[:1])


def _full(value: Value) -> np.ndarray:
    """A value broadcast to the whole tree, as one float64 vector."""
    shapes = [leaf.shape for leaf in trees(0)]
    leaves = value.leaves * len(shapes) if value.kind is Kind.SCALAR else value.leaves
    return np.concatenate([np.broadcast_to(x, s).ravel() for x, s in zip(leaves, shapes)]).astype(
        float
    )


def _reference(name: str, values: list[Value]) -> np.ndarray:
    """Whole-tree functions in double precision over the numbers of the highest kind."""
    kind = max(v.kind for v in values)
    if kind is Kind.TENSOR:
        x, *rest = (_full(v) for v in values)
    else:
        size = len(max((v.leaves for v in values if v.kind is kind), key=len))
        x, *rest = (np.broadcast_to(np.array(v.leaves, float), size) for v in values)
    match name:
        case "global_norm":
            return np.sqrt((x * x).sum())
        case "dot":
            return (x * rest[0]).sum()
        case "cosine_sim":
            return (x @ rest[0]) / np.sqrt((x @ x) * (rest[0] @ rest[0]))
        case "clip":
            return x * min(1, rest[0][0] / np.sqrt(x @ x))
        case "norm":
            if kind is not Kind.TENSOR:
                return np.abs(x)
            return np.array([np.sqrt((leaf.astype(float) ** 2).sum()) for leaf in values[0].leaves])


@pytest.mark.parametrize("xp", MODULES)
@pytest.mark.parametrize("name", WHOLE_TREE)
def test_whole_tree_functions(name, xp):
    tree = Tree(xp)
    for kinds, result in FUNCTIONS[name].kinds.items():
        values = [_value(kind, seed) for seed, kind in enumerate(kinds)]
        seen = tree.apply(name, values)
        assert seen.kind is result
        wanted = np.ravel(_reference(name, values))
        if name == "clip" and result is not Kind.TENSOR:
            wanted = wanted[: len(seen.leaves)]
        got = np.concatenate([np.ravel(leaf) for leaf in seen.leaves])
        np.testing.assert_allclose(got, wanted, rtol=2e-6, err_msg=str(kinds))


def test_casts():
    tree = Tree(np)
    x = _value(Kind.TENSOR, 0)
    per_array = tree.apply("norm", [x])
    assert per_array.kind is Kind.PER_ARRAY
    scaled = tree.apply("divide", [x, per_array])
    for leaf, size, out in zip(x.leaves, per_array.leaves, scaled.leaves):
        np.testing.assert_allclose(out, leaf / (size + np.float32(1e-8)), rtol=1e-6)
    shifted = tree.apply("add", [x, tree.constant(0.5)])
    assert shifted.kind is Kind.TENSOR
    np.testing.assert_array_equal(shifted.leaves[0], x.leaves[0] + np.float32(0.5))


def test_an_empty_tree():
    tree = Tree(np)
    nothing = Value(Kind.TENSOR, ())
    assert tree.apply("add", [nothing, tree.constant(1)]).leaves == ()
    assert tree.apply("dot", [nothing, nothing]).leaves[0] == 0


@functools.cache
def _jitted(function: str):
    tree = Tree(jnp)

    def run(kinds, leaves):
        values = [Value(kind, leaf) for kind, leaf in zip(kinds, leaves)]
        return tree.apply(function, values).leaves

    return jax.jit(run, static_argnums=0)


def _condition(function: str, values: list[Value]) -> list[np.ndarray]:
    """How far the result moves when the arguments move by one part in 10^6, in double precision."""
    tree = Tree(np)
    doubled = [Value(v.kind, tuple(np.asarray(x, float) for x in v.leaves)) for v in values]
    base = tree.apply(function, doubled).leaves
    moved = [np.zeros_like(leaf) for leaf in base]
    for slot in range(len(values)):
        for factor in (1 - 1e-6, 1 + 1e-6):
            shifted = list(doubled)
            shifted[slot] = Value(
                values[slot].kind, tuple(x * factor for x in doubled[slot].leaves)
            )
            there = tree.apply(function, shifted).leaves
            moved = [np.fmax(m, np.abs(a - b)) for m, a, b in zip(moved, there, base)]
    return moved


@pytest.mark.parametrize("count", [1_000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_kinds_and_both_meanings_agree_on_random_programs(count):
    """Inferred kinds are the executed ones, and each statement means the same in numpy and JAX.

    Both get the same arguments, statement by statement, and must agree to 1e-5 wherever both are
    finite; where the function itself amplifies an error of 1e-6 in its argument (tan beside a pole,
    the cosine of a million), to that much.
    """
    from programs import analyse

    tree = Tree(np)
    inputs = [Value(Kind.TENSOR, tuple(trees(seed))) for seed in range(10)]
    compared = amplified = 0

    def apply(function, arguments):
        nonlocal compared, amplified
        result = tree.apply(function, arguments)
        kinds = tuple(v.kind for v in arguments)
        other = _jitted(function)(kinds, tuple(v.leaves for v in arguments))
        for i, (a, b) in enumerate(zip(result.leaves, other)):
            b = np.asarray(b)
            both = np.isfinite(a) & np.isfinite(b)
            near = np.abs(a - b) <= 1e-5 * np.maximum(np.abs(a), np.abs(b)) + 1e-37
            if not near[both].all():
                amplified += (both & ~near).sum()
                near |= np.abs(a - b) <= 2 * _condition(function, arguments)[i] + 1e-6
                assert near[both].all(), (function, arguments, a, b)
            compared += both.sum()
        return result

    for program in ten_thousand_programs()[:count]:
        names = ("w", "g", *program.states)
        variables = dict(zip(names, inputs)) | {"lr": tree.constant(0.7)}
        values = []

        def record(function, arguments, values=values):
            values.append(apply(function, arguments))
            return values[-1]

        interpret(program, variables, constant=tree.constant, apply=record)
        assert tuple(v.kind for v in values) == analyse(program).kinds
    assert compared > 100 * count
    assert amplified < 1e-3 * compared
