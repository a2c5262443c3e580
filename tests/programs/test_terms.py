"""Terms: each value once, constants folded, neutral elements dropped; and the facts behind it."""

from fractions import Fraction

import numpy as np
import pytest

from programs.function import COMMUTATIVE, EPS, EPS_IS_LOST_FROM, IDEMPOTENT, ROUNDED, divisor
from programs.functions import FUNCTIONS
from programs.terms import FLOAT32, RATIONAL, TermBuilder

SPECIAL = np.array(
    [0.0, -0.0, 1.0, -1.0, 0.25, 1e-8, 1e-38, 1e-44, 3e38, np.inf, -np.inf, np.nan], "f"
)
EXACT = [row for row in FUNCTIONS.values() if row.exact]


def same_bits(one, other) -> bool:
    """Equal, signed zeros distinguished; one NaN is as good as another."""
    one, other = np.broadcast_arrays(np.asarray(one, "f"), np.asarray(other, "f"))
    equal = np.array_equal(one, other, equal_nan=True)
    number = ~np.isnan(one)
    return equal and np.array_equal(np.signbit(one[number]), np.signbit(other[number]))


def test_which_functions_are_exact():
    """What is made of correctly rounded operations has an exact meaning; only the root has not."""
    rounded = {row.name for row in FUNCTIONS.values() if ROUNDED in row.properties}
    assert rounded - {row.name for row in EXACT} == {"sqrt"}


@pytest.mark.parametrize("row", EXACT, ids=lambda row: row.name)
def test_the_exact_meaning_is_the_meaning(row):
    rng = np.random.default_rng(row.arity)
    samples = [*rng.normal(size=(200, row.arity)), *rng.normal(size=(20, 1)).repeat(row.arity, 1)]
    for numbers in samples:
        exact = row.exact(*(Fraction(float(x)) for x in numbers))
        assert isinstance(exact, Fraction)
        with np.errstate(all="ignore"):
            meant = float(row.meaning(np, *numbers))
        assert float(exact) == pytest.approx(meant, rel=1e-6, abs=1e-12)


def test_where_float32_loses_the_guard():
    rng = np.random.default_rng(0)
    above = np.concatenate([rng.uniform(0.25, 2, 10_000), 10 ** rng.uniform(0, 38, 1000), [0.25]])
    above = np.concatenate([above, -above[:-1]]).astype("f")
    assert np.float32(0.25) == float(EPS_IS_LOST_FROM)
    assert np.array_equal(above + np.float32(EPS), above)
    below = rng.uniform(0.1, 0.2499, 10_000).astype("f")
    assert not np.array_equal(below + np.float32(EPS), below)
    assert divisor(Fraction(1, 2)) == Fraction(1, 2)
    assert divisor(Fraction(0)) == Fraction(1, 10**8)
    assert divisor(Fraction(-1, 10**8)) == 0


@pytest.mark.parametrize("row", FUNCTIONS.values(), ids=lambda row: row.name)
def test_identities(row):
    rng = np.random.default_rng(0)
    some = (rng.normal(size=1000) * 10.0 ** rng.uniform(-40, 38, 1000)).astype("f")
    every = np.concatenate([SPECIAL, some])
    for identity in row.identities:
        arguments = [every] * row.arity
        if not identity.bitwise:
            arguments = [every[np.isfinite(every)]] * row.arity
        if row.name == "interp":
            arguments[1] = arguments[1][::-1]
        arguments[identity.argument] = np.float32(identity.value)
        with np.errstate(all="ignore"):
            seen = row.meaning(np, *arguments)
        wanted = arguments[identity.result]
        if identity.bitwise:
            assert same_bits(seen, wanted), identity
        else:
            assert np.array_equal(seen, np.broadcast_to(wanted, np.shape(seen))), identity


@pytest.mark.parametrize(
    "row", [r for r in FUNCTIONS.values() if IDEMPOTENT in r.properties], ids=lambda row: row.name
)
def test_idempotent(row):
    once = row.meaning(np, *[SPECIAL] * row.arity)
    twice = row.meaning(np, *[once] * row.arity) if row.arity == 1 else SPECIAL
    assert same_bits(once, twice)


def test_every_value_once():
    builder = TermBuilder(FLOAT32)
    g, w = builder.input("g"), builder.input("w")
    assert builder.input("g") == g
    assert builder.apply("add", [g, w]) == builder.apply("add", [g, w])
    assert builder.apply("add", [g, w]) != builder.apply("add", [w, g])
    assert len(builder.nodes) == 4


def test_constants_as_float32():
    builder = TermBuilder(FLOAT32)
    g = builder.input("g")
    assert builder.constant(0.9) == builder.constant(0.8999999761581421)
    assert builder.constant(0.0) != builder.constant(-0.0)
    assert builder.constant(1e39) == builder.constant(float("inf"))
    third = builder.apply("divide", [builder.constant(1.0), builder.constant(3.0)])
    assert third == builder.constant(np.float32(1) / np.float32(3))
    assert builder.nodes[builder.apply("exp", [third])][0] == "exp"  # differs between machines
    assert builder.apply("multiply", [g, builder.constant(1.0)]) == g
    assert builder.apply("add", [g, builder.constant(-0.0)]) == g
    assert builder.apply("add", [g, builder.constant(0.0)]) != g


def test_constants_as_rationals():
    builder = TermBuilder(RATIONAL)
    assert builder.constant(0.1) == builder.node(("constant", Fraction(1, 10)))
    assert builder.constant(0.1 * 3) == builder.constant(0.3)  # 0.30000000000000004
    third = builder.apply("reciprocal", [builder.constant(3.0)])
    assert builder.nodes[third] == ("constant", Fraction(1, 3))
    e = builder.apply("exp", [builder.constant(1.0)])
    assert float(builder.nodes[e][1]) == pytest.approx(np.e, rel=1e-9)
    zero, huge = builder.constant(0.0), builder.constant(1e20)
    for function, arguments in (("reciprocal", [zero]), ("square", [huge]), ("log", [zero])):
        assert builder.nodes[builder.apply(function, arguments)][0] == function


def test_identities_for_finite_numbers_are_used_on_request():
    strict, finite = TermBuilder(RATIONAL), TermBuilder(RATIONAL, finite=True)
    for builder, folds in ((strict, False), (finite, True)):
        g, zero = builder.input("g"), builder.constant(0.0)
        assert (builder.apply("multiply", [g, zero]) == zero) is folds
        assert (builder.apply("interp", [g, zero, zero]) == g) is folds
        assert builder.apply("subtract", [g, zero]) == g


def test_commutative_identities_stand_in_both_orders():
    for row in FUNCTIONS.values():
        if COMMUTATIVE in row.properties:
            facts = {(i.argument, str(i.value), i.result, i.bitwise) for i in row.identities}
            assert facts == {(1 - a, value, 1 - result, b) for a, value, result, b in facts}
