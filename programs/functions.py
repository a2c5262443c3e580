"""The functions of the language: one table, one row per function.

A row holds everything the rest of the package knows about a function (see function.py).
Elementwise meanings are written once over an array module `xp` (numpy or jax.numpy); meanings that
look at a whole tree are written once over a `Tree` (see execute.py), so every engine is made from
this same table.

The set is that of Chen et al. 2023 (appendix on the search space) and of the authors' release: 45
names, of which `invert` is left out here because it is bitwise and therefore never valid on floats.
The guards are the authors': a / b is a / (b + 1e-8); sqrt, log, log2 and log10 take |x|; log1p is
log|1 + x|; arcsin, arccos, arccosh, arctanh, reciprocal and power are unguarded and may give NaN.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from programs.function import (
    COMMUTATIVE,
    EPS,
    EVEN,
    IDEMPOTENT,
    NONNEGATIVE,
    ODD,
    ONE_AT_ZERO,
    ROUNDED,
    SIGN_KEEPING,
    TELLS_ZEROS,
    ZERO_AT_ZERO,
    Function,
    Identity,
    divisor,
)
from programs.kinds import Kind


def _unary(name: str, meaning: Callable[..., Any], *properties: str, **fields: Any) -> Function:
    return Function(
        name, 1, meaning, kind_rule=lambda x: x, properties=frozenset(properties), **fields
    )


def _binary(name: str, meaning: Callable[..., Any], *properties: str, **fields: Any) -> Function:
    return Function(name, 2, meaning, properties=frozenset(properties), **fields)


def _constant(name: str, value: float) -> Function:
    return Function(
        name,
        0,
        lambda xp: xp.asarray(value, xp.float32),
        kind_rule=lambda: Kind.SCALAR,
        source=f"jnp.float32({value!r})",
        array_source=f"xp.asarray({value!r}, dtype=w.dtype)",
        exact=lambda: Fraction(repr(value)),
        properties=frozenset({ROUNDED, NONNEGATIVE}),
    )


# Of zeros of both signs numpy gives the second, and the sign of -0.0 is 0.0 there; IEEE 754-2019
# and XLA say that 0.0 is larger, and that a zero is its own sign.


def _maximum(xp: Any, x: Any, y: Any) -> Any:
    larger = xp.maximum(x, y)
    if xp is not np:
        return larger
    return np.where((x == 0) & (y == 0), np.where(np.signbit(x), y, x), larger)


def _minimum(xp: Any, x: Any, y: Any) -> Any:
    smaller = xp.minimum(x, y)
    if xp is not np:
        return smaller
    return np.where((x == 0) & (y == 0), np.where(np.signbit(x), x, y), smaller)


def _sign(xp: Any, x: Any) -> Any:
    return np.where(x == 0, x, np.sign(x)) if xp is np else xp.sign(x)


def _power(xp: Any, x: Any, y: Any) -> Any:
    if xp is not np:
        return xp.power(x, y)
    # For a single exponent, as 0.5, numpy takes another way: (-inf)^0.5 and (-0.0)^0.5 differ.
    shape = np.broadcast_shapes(np.shape(x), np.shape(y))
    exponents = np.full(shape or (1,), y, dtype=np.result_type(x, y))
    return np.power(x, exponents).reshape(shape)[()]


def _cosine_sim(tree: Any, x: Any, y: Any) -> Any:
    x, y = tree.cast(x, y)
    return tree.total(tree.xp.multiply, x, y) / (tree.length(x) * tree.length(y))


_ROWS = (
    # --- unary, elementwise -------------------------------------------------------------------
    _unary("abs", lambda xp, x: xp.abs(x), EVEN, IDEMPOTENT, NONNEGATIVE, ROUNDED, exact=abs),
    _unary("cos", lambda xp, x: xp.cos(x), EVEN, ONE_AT_ZERO),
    _unary("sin", lambda xp, x: xp.sin(x), ODD, ZERO_AT_ZERO),
    _unary("tan", lambda xp, x: xp.tan(x), ODD, ZERO_AT_ZERO),
    _unary("arcsin", lambda xp, x: xp.arcsin(x), ODD, ZERO_AT_ZERO, aliases=("asin",)),
    _unary("arccos", lambda xp, x: xp.arccos(x), aliases=("acos",)),
    _unary(
        "arctan", lambda xp, x: xp.arctan(x), ODD, ZERO_AT_ZERO, SIGN_KEEPING, aliases=("atan",)
    ),
    _unary("sinh", lambda xp, x: xp.sinh(x), ZERO_AT_ZERO, SIGN_KEEPING),
    _unary("cosh", lambda xp, x: xp.cosh(x), EVEN, NONNEGATIVE, ONE_AT_ZERO),
    _unary("tanh", lambda xp, x: xp.tanh(x), ODD, ZERO_AT_ZERO, SIGN_KEEPING),
    _unary(
        "arcsinh", lambda xp, x: xp.arcsinh(x), ODD, ZERO_AT_ZERO, SIGN_KEEPING, aliases=("asinh",)
    ),
    _unary("arccosh", lambda xp, x: xp.arccosh(x), aliases=("acosh",)),
    _unary("arctanh", lambda xp, x: xp.arctanh(x), ODD, ZERO_AT_ZERO, aliases=("atanh",)),
    _unary("exp", lambda xp, x: xp.exp(x), NONNEGATIVE, ONE_AT_ZERO),
    _unary("exp2", lambda xp, x: xp.exp2(x), NONNEGATIVE, ONE_AT_ZERO),
    _unary(
        "exp10",
        lambda xp, x: xp.power(10.0, x),
        NONNEGATIVE,
        ONE_AT_ZERO,
        source="jnp.power(10.0, {0})",
        array_source="10.0 ** {0}",
    ),
    _unary("expm1", lambda xp, x: xp.expm1(x), ZERO_AT_ZERO, SIGN_KEEPING),
    _unary("log", lambda xp, x: xp.log(xp.abs(x)), EVEN, source="jnp.log(jnp.abs({0}))"),
    _unary("log10", lambda xp, x: xp.log10(xp.abs(x)), EVEN, source="jnp.log10(jnp.abs({0}))"),
    _unary("log2", lambda xp, x: xp.log2(xp.abs(x)), EVEN, source="jnp.log2(jnp.abs({0}))"),
    _unary(
        "log1p",
        lambda xp, x: xp.log(xp.abs(1 + x)),
        ZERO_AT_ZERO,
        source="jnp.log(jnp.abs(1 + {0}))",
    ),
    _unary(
        "square",
        lambda xp, x: xp.square(x),
        EVEN,
        NONNEGATIVE,
        ROUNDED,
        exact=lambda x: x * x,
    ),
    _unary(
        "sqrt",
        lambda xp, x: xp.sqrt(xp.abs(x)),
        EVEN,
        NONNEGATIVE,
        ROUNDED,
        source="jnp.sqrt(jnp.abs({0}))",
    ),
    _unary(
        "cube",
        lambda xp, x: x * x * x,
        ODD,
        ROUNDED,
        source="{0} * {0} * {0}",
        exact=lambda x: x * x * x,
    ),
    _unary(
        "cbrt",
        lambda xp, x: xp.cbrt(x),
        ODD,
        ZERO_AT_ZERO,
        SIGN_KEEPING,
        array_source="xp.sign({0}) * xp.abs({0}) ** (1 / 3)",
    ),
    _unary(
        "sign",
        _sign,
        ODD,
        IDEMPOTENT,
        ROUNDED,
        exact=lambda x: Fraction((x > 0) - (x < 0)),
    ),
    _unary(
        "reciprocal",
        lambda xp, x: 1 / x,
        ODD,
        ROUNDED,
        TELLS_ZEROS,
        source="1 / {0}",
        exact=lambda x: 1 / x,
    ),
    _unary(
        "negative",
        lambda xp, x: -x,
        ODD,
        ROUNDED,
        aliases=("neg",),
        source="-{0}",
        exact=lambda x: -x,
    ),
    # --- binary, elementwise ------------------------------------------------------------------
    _binary(
        "add",
        lambda xp, x, y: x + y,
        COMMUTATIVE,
        ROUNDED,
        symbol="+",
        source="{0} + {1}",
        exact=lambda x, y: x + y,
        identities=(  # x + 0.0 makes 0.0 of -0.0
            Identity(1, -0.0, result=0),
            Identity(0, -0.0, result=1),
            Identity(1, 0.0, result=0, bitwise=False),
            Identity(0, 0.0, result=1, bitwise=False),
        ),
    ),
    _binary(
        "subtract",
        lambda xp, x, y: x - y,
        ROUNDED,
        symbol="-",
        aliases=("sub",),
        source="{0} - {1}",
        exact=lambda x, y: x - y,
        identities=(Identity(1, 0.0, result=0),),
    ),
    _binary(
        "multiply",
        lambda xp, x, y: x * y,
        COMMUTATIVE,
        ROUNDED,
        symbol="*",
        aliases=("mul",),
        source="{0} * {1}",
        exact=lambda x, y: x * y,
        identities=(
            Identity(1, 1.0, result=0),
            Identity(0, 1.0, result=1),
            Identity(1, 0.0, result=1, bitwise=False),
            Identity(0, 0.0, result=0, bitwise=False),
        ),
    ),
    _binary(
        "divide",
        lambda xp, x, y: x / (y + EPS),
        ROUNDED,
        symbol="/",
        aliases=("div",),
        source="{0} / ({1} + 1e-8)",
        exact=lambda x, y: x / divisor(y),
        identities=(
            Identity(1, 1.0, result=0),  # float32 loses the guard in 1
            Identity(0, 0.0, result=0, bitwise=False),
        ),
    ),
    _binary(
        "power",
        _power,
        TELLS_ZEROS,
        aliases=("pow",),
        array_source="{0} ** {1}",
    ),
    _binary("maximum", _maximum, COMMUTATIVE, IDEMPOTENT, ROUNDED, aliases=("max",), exact=max),
    _binary("minimum", _minimum, COMMUTATIVE, IDEMPOTENT, ROUNDED, aliases=("min",), exact=min),
    # --- linear algebra over whole trees ------------------------------------------------------
    Function(
        "norm",
        1,
        lambda tree, x: tree.lengths(x),
        whole_tree=True,
        kind_rule=lambda x: min(x, Kind.PER_ARRAY),
        source="jax.tree.map(lambda x: length(x), {0})",
        array_source="xp.sqrt(xp.sum(xp.square({0})))",
        properties=frozenset({EVEN, NONNEGATIVE, ZERO_AT_ZERO}),
    ),
    Function(
        "global_norm",
        1,
        lambda tree, x: tree.length(x),
        whole_tree=True,
        kind_rule=lambda x: Kind.SCALAR,
        source="length({0})",
        array_source="xp.sqrt(total(xp.square({0})))",
        properties=frozenset({EVEN, NONNEGATIVE, ZERO_AT_ZERO}),
    ),
    Function(
        "dot",
        2,
        lambda tree, x, y: tree.total(tree.xp.multiply, *tree.cast(x, y)),
        whole_tree=True,
        kind_rule=lambda x, y: Kind.SCALAR,
        source="total(lambda x, y: x * y, {0}, {1})",
        array_source="total({0} * {1})",
        properties=frozenset({COMMUTATIVE, ZERO_AT_ZERO}),
    ),
    Function(
        "cosine_sim",
        2,
        _cosine_sim,
        whole_tree=True,
        kind_rule=lambda x, y: Kind.SCALAR,
        source="total(lambda x, y: x * y, {0}, {1}) / (length({0}, {1}) * length({1}, {0}))",
        array_source=(
            "total({0} * {1}) / (xp.sqrt(total(xp.square({0} * xp.ones_like({1}))))"
            " * xp.sqrt(total(xp.square({1} * xp.ones_like({0})))))"
        ),
        aliases=("cosine_similarity",),
        properties=frozenset({COMMUTATIVE}),
    ),
    Function(
        "clip",
        2,
        lambda tree, x, c: tree.map(
            tree.xp.multiply,
            x,
            tree.xp.minimum(1, c / tree.length(x)),
        ),
        whole_tree=True,
        kind_rule=lambda x, c: x,
        source="scaled({0}, jnp.minimum(1, {1} / length({0})))",
        array_source="{0} * ({1} / xp.sqrt(total(xp.square({0})))).clip(max=1)",
        scalar_arguments=(1,),
        aliases=("clip_by_global_norm",),
        properties=frozenset({ODD, ZERO_AT_ZERO}),
    ),
    Function(
        "interp",
        3,
        lambda xp, x, y, a: (1 - a) * x + a * y,
        kind_rule=lambda x, y, a: max(x, y),
        source="(1 - {2}) * {0} + {2} * {1}",
        exact=lambda x, y, a: (1 - a) * x + a * y,
        identities=(
            Identity(2, 0.0, result=0, bitwise=False),
            Identity(2, 1.0, result=1, bitwise=False),
        ),
        scalar_arguments=(2,),
        aliases=("interpolate",),
        properties=frozenset({ZERO_AT_ZERO}),  # a compiler fuses a product and the sum
    ),
    # --- constants ----------------------------------------------------------------------------
    _constant("get_pi", math.pi),
    _constant("get_e", math.e),
    _constant("get_eps", EPS),
)

FUNCTIONS: dict[str, Function] = {row.name: row for row in _ROWS}
ALIASES: dict[str, str] = {alias: row.name for row in _ROWS for alias in (row.name, *row.aliases)}
BUILT_IN = frozenset(FUNCTIONS)  # names of the language's own; users may add others

_changes = [0]
_derived: list[Callable[[], None]] = []
_lock = threading.Lock()  # a row with all that is derived, one thread after the other


def version() -> int:
    """Another number after each function that comes or goes: what is compiled knows those of its
    time alone."""
    return _changes[0]


def _changed() -> None:
    _changes[0] += 1
    for update in _derived:
        update()


def derived(update: Callable[[], None]) -> Callable[[], None]:
    """Runs `update` now, and again when a user's function comes or goes: for what another module
    makes of this table once for all."""
    with _lock:
        _derived.append(update)
        update()
    return update


def add(row: Function) -> None:
    """Adds a row, or replaces that of its name; see user_functions.py, which checks it."""
    with _lock:
        if (before := FUNCTIONS.get(row.name)) is not None:
            for alias in (before.name, *before.aliases):
                del ALIASES[alias]
        FUNCTIONS[row.name] = row  # in its place: what mutation draws goes by the table's order
        ALIASES.update(dict.fromkeys((row.name, *row.aliases), row.name))
        _changed()


def remove(name: str) -> None:
    """Removes a row that was added."""
    with _lock:
        row = FUNCTIONS.pop(name)
        for alias in (row.name, *row.aliases):
            del ALIASES[alias]
        _changed()


def with_property(fact: str) -> frozenset[str]:
    """Names of the functions whose row states a property."""
    return frozenset(name for name, row in FUNCTIONS.items() if fact in row.properties)
