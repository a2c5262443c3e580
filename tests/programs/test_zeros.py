"""What the table says of zeros, in numpy and in JAX: hashes merge programs by it."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from programs.execute import Tree, Value
from programs.function import (
    COMMUTATIVE,
    EVEN,
    IDEMPOTENT,
    NONNEGATIVE,
    ODD,
    TELLS_ZEROS,
    ZERO_AT_ZERO,
)
from programs.functions import FUNCTIONS
from programs.kinds import Kind

NUMBERS = np.array([0.0, -0.0, 1.0, -1.0, 2.5, -3.0, np.inf, -np.inf], np.float32)
MODULES = [pytest.param(np, id="numpy"), pytest.param(jnp, id="jax")]
ELEMENTWISE = [row for row in FUNCTIONS.values() if row.arity and not row.whole_tree]
WHOLE_TREE = [row for row in FUNCTIONS.values() if row.whole_tree]


@pytest.fixture(autouse=True)
def quiet():
    with np.errstate(all="ignore"):
        yield


def _grid(arity):
    """Every choice of numbers as arguments: [arity, N]."""
    return np.array(list(itertools.product(NUMBERS, repeat=arity)), np.float32).T


def _run(row, xp, arguments):
    if xp is np:
        return np.asarray(row.meaning(np, *arguments))
    return np.asarray(jax.jit(lambda *a: row.meaning(jnp, *a))(*arguments))


def _same_bits(one, other):
    number = ~np.isnan(one)
    return np.array_equal(one, other, equal_nan=True) and np.array_equal(
        np.signbit(one[number]), np.signbit(other[number])
    )


@pytest.mark.parametrize("xp", MODULES)
@pytest.mark.parametrize("row", ELEMENTWISE, ids=lambda row: row.name)
def test_properties_hold_for_signed_zeros(row, xp):
    grid = _grid(row.arity)
    plain = _run(row, xp, grid)
    if COMMUTATIVE in row.properties:
        assert _same_bits(plain, _run(row, xp, grid[::-1]))
    if ODD in row.properties:
        assert _same_bits(-plain, _run(row, xp, [-grid[0], *grid[1:]]))
    if EVEN in row.properties:
        assert _same_bits(plain, _run(row, xp, [-grid[0]]))
    if IDEMPOTENT in row.properties:
        again = [plain] if row.arity == 1 else [NUMBERS, NUMBERS]
        assert _same_bits(plain if row.arity == 1 else NUMBERS, _run(row, xp, again))
    if NONNEGATIVE in row.properties:
        assert not np.signbit(plain[~np.isnan(plain)]).any()


@pytest.mark.parametrize("xp", MODULES)
@pytest.mark.parametrize("row", ELEMENTWISE, ids=lambda row: row.name)
def test_which_functions_tell_zeros(row, xp):
    """Flipping the signs of the zeros changes at most the sign of a zero, but for those that say
    so."""
    grid = _grid(row.arity)
    flipped = np.where(grid == 0, -grid, grid)
    same = np.array_equal(_run(row, xp, grid), _run(row, xp, flipped), equal_nan=True)
    assert same == (TELLS_ZEROS not in row.properties)


@pytest.mark.parametrize("xp", MODULES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_zero_at_zero(name, xp):
    row = FUNCTIONS[name]
    if ZERO_AT_ZERO not in row.properties:
        return
    for weight in (1e-30, 0.25, 0.9, 1.0, 7.0):
        arguments = [
            _value(weight) if i in row.scalar_arguments else _value(0.0, 0.0)
            for i in range(row.arity)
        ]
        for leaf in Tree(xp).apply(name, arguments).leaves:
            assert not np.any(leaf) and not np.signbit(np.asarray(leaf)).any()


def _value(*leaves):
    kind = Kind.SCALAR if len(leaves) == 1 else Kind.TENSOR
    return Value(
        kind,
        tuple(np.float32(x) * np.ones((3, 2)[: i * 2], np.float32) for i, x in enumerate(leaves)),
    )


@pytest.mark.parametrize("row", WHOLE_TREE, ids=lambda row: row.name)
def test_whole_trees_do_not_tell_zeros(row):
    tree = Tree(np)
    for numbers in itertools.product((0.0, 1.0, -2.0), repeat=2):
        for scalar in (0.0, 0.5):
            results = [
                tree.apply(
                    row.name,
                    [
                        _value(*(sign * x if x == 0 else x for x in numbers))
                        if i not in row.scalar_arguments
                        else _value(scalar)
                        for i in range(row.arity)
                    ],
                )
                for sign in (1, -1)
            ]
            for one, other in zip(*(result.leaves for result in results)):
                assert np.array_equal(one, other, equal_nan=True)
