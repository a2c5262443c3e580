"""The functions of the language: one table, one row per function.

A row holds everything the rest of the package knows about a function. Elementwise meanings are
written once over an array module `xp` (numpy or jax.numpy); meanings that look at a whole tree are
written once over a `Tree` (see execute.py), so every engine is made from this same table.

The set is that of Chen et al. 2023 (appendix on the search space) and of the authors' release: 45
names, of which `invert` is left out here because it is bitwise and therefore never valid on floats.
The guards are the authors': a / b is a / (b + 1e-8); sqrt, log, log2 and log10 take |x|; log1p is
log|1 + x|; arcsin, arccos, arccosh, arctanh, reciprocal and power are unguarded and may give NaN.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from programs.kinds import Kind

EPS = 1e-8  # the guard of division, and what get_eps() returns

COMMUTATIVE = "commutative"  # f(x, y) = f(y, x)
EVEN = "even"  # f(-x) = f(x), bit for bit
ODD = "odd"  # f(-x) = -f(x), bit for bit
NONNEGATIVE = "nonnegative"  # f(...) >= 0 or NaN
ROUNDED = "correctly rounded"  # built from IEEE-exact operations: the same bits on every machine

KindRule = Callable[..., Kind]


@dataclass(frozen=True, slots=True)
class Function:
    """One function of the language.

    Attributes:
      name: canonical name, as it is called in program text.
      arity: number of arguments.
      meaning: elementwise rows: (xp, *arrays) -> array; whole-tree rows: (tree, *values) -> value.
      whole_tree: whether the meaning looks at a whole tree rather than at single numbers.
      kind_rule: kinds of the arguments -> kind of the result.
      scalar_slots: argument positions that take nothing but a scalar.
      source: the meaning as JAX source over argument names {0}, {1}, ..., for exports; by default
        jnp.<name>(...). Whole-tree rows use the helpers `total` and `scaled` of export.py.
      symbol: the infix operator that the text form uses, or "".
      aliases: other names accepted by the parser.
      properties: facts that analyses and rewrites may use.
      kinds: every valid tuple of argument kinds -> the result's kind (derived from the rule).
    """

    name: str
    arity: int
    meaning: Callable[..., Any] = field(repr=False)
    whole_tree: bool = False
    kind_rule: KindRule = field(default=max, repr=False)
    scalar_slots: tuple[int, ...] = ()
    source: str = ""
    symbol: str = ""
    aliases: tuple[str, ...] = ()
    properties: frozenset[str] = frozenset()
    kinds: dict[tuple[Kind, ...], Kind] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        choices = [
            [Kind.SCALAR] if i in self.scalar_slots else list(Kind) for i in range(self.arity)
        ]
        table = {kinds: self.kind_rule(*kinds) for kinds in itertools.product(*choices)}
        object.__setattr__(self, "kinds", table)


def _unary(
    name: str,
    meaning: Callable[..., Any],
    *properties: str,
    source: str = "",
    aliases: tuple[str, ...] = (),
):
    return Function(
        name,
        1,
        meaning,
        kind_rule=lambda x: x,
        source=source,
        aliases=aliases,
        properties=frozenset(properties),
    )


def _binary(
    name: str,
    meaning: Callable[..., Any],
    *properties: str,
    source: str = "",
    symbol: str = "",
    aliases: tuple[str, ...] = (),
):
    return Function(
        name,
        2,
        meaning,
        source=source,
        symbol=symbol,
        aliases=aliases,
        properties=frozenset(properties),
    )


def _constant(name: str, value: float):
    return Function(
        name,
        0,
        lambda xp: xp.asarray(value, xp.float32),
        kind_rule=lambda: Kind.SCALAR,
        source=f"jnp.float32({value!r})",
        properties=frozenset({ROUNDED, NONNEGATIVE}),
    )


def _cosine_sim(tree, x, y):
    x, y = tree.cast(x, y)
    xp = tree.xp
    norms = xp.sqrt(tree.total(xp.square, x)) * xp.sqrt(tree.total(xp.square, y))
    return tree.total(xp.multiply, x, y) / norms


_ROWS = (
    # --- unary, elementwise -------------------------------------------------------------------
    _unary("abs", lambda xp, x: xp.abs(x), EVEN, NONNEGATIVE, ROUNDED),
    _unary("cos", lambda xp, x: xp.cos(x), EVEN),
    _unary("sin", lambda xp, x: xp.sin(x), ODD),
    _unary("tan", lambda xp, x: xp.tan(x), ODD),
    _unary("arcsin", lambda xp, x: xp.arcsin(x), ODD, aliases=("asin",)),
    _unary("arccos", lambda xp, x: xp.arccos(x), aliases=("acos",)),
    _unary("arctan", lambda xp, x: xp.arctan(x), ODD, aliases=("atan",)),
    _unary("sinh", lambda xp, x: xp.sinh(x)),
    _unary("cosh", lambda xp, x: xp.cosh(x), EVEN, NONNEGATIVE),
    _unary("tanh", lambda xp, x: xp.tanh(x), ODD),
    _unary("arcsinh", lambda xp, x: xp.arcsinh(x), ODD, aliases=("asinh",)),
    _unary("arccosh", lambda xp, x: xp.arccosh(x), aliases=("acosh",)),
    _unary("arctanh", lambda xp, x: xp.arctanh(x), ODD, aliases=("atanh",)),
    _unary("exp", lambda xp, x: xp.exp(x), NONNEGATIVE),
    _unary("exp2", lambda xp, x: xp.exp2(x), NONNEGATIVE),
    _unary("exp10", lambda xp, x: xp.power(10.0, x), NONNEGATIVE, source="jnp.power(10.0, {0})"),
    _unary("expm1", lambda xp, x: xp.expm1(x)),
    _unary("log", lambda xp, x: xp.log(xp.abs(x)), EVEN, source="jnp.log(jnp.abs({0}))"),
    _unary("log10", lambda xp, x: xp.log10(xp.abs(x)), EVEN, source="jnp.log10(jnp.abs({0}))"),
    _unary("log2", lambda xp, x: xp.log2(xp.abs(x)), EVEN, source="jnp.log2(jnp.abs({0}))"),
    _unary("log1p", lambda xp, x: xp.log(xp.abs(1 + x)), source="jnp.log(jnp.abs(1 + {0}))"),
    _unary("square", lambda xp, x: xp.square(x), EVEN, NONNEGATIVE, ROUNDED),
    _unary(
        "sqrt",
        lambda xp, x: xp.sqrt(xp.abs(x)),
        EVEN,
        NONNEGATIVE,
        ROUNDED,
        source="jnp.sqrt(jnp.abs({0}))",
    ),
    _unary("cube", lambda xp, x: x * x * x, ODD, ROUNDED, source="{0} * {0} * {0}"),
    _unary("cbrt", lambda xp, x: xp.cbrt(x), ODD),
    _unary("sign", lambda xp, x: xp.sign(x), ODD, ROUNDED),
    _unary("reciprocal", lambda xp, x: 1 / x, ODD, ROUNDED, source="1 / {0}"),
    _unary("negative", lambda xp, x: -x, ODD, ROUNDED, aliases=("neg",), source="-{0}"),
    # --- binary, elementwise ------------------------------------------------------------------
    _binary("add", lambda xp, x, y: x + y, COMMUTATIVE, ROUNDED, symbol="+", source="{0} + {1}"),
    _binary(
        "subtract",
        lambda xp, x, y: x - y,
        ROUNDED,
        symbol="-",
        aliases=("sub",),
        source="{0} - {1}",
    ),
    _binary(
        "multiply",
        lambda xp, x, y: x * y,
        COMMUTATIVE,
        ROUNDED,
        symbol="*",
        aliases=("mul",),
        source="{0} * {1}",
    ),
    _binary(
        "divide",
        lambda xp, x, y: x / (y + EPS),
        ROUNDED,
        symbol="/",
        aliases=("div",),
        source="{0} / ({1} + 1e-8)",
    ),
    _binary("power", lambda xp, x, y: xp.power(x, y), aliases=("pow",)),
    _binary("maximum", lambda xp, x, y: xp.maximum(x, y), COMMUTATIVE, ROUNDED, aliases=("max",)),
    _binary("minimum", lambda xp, x, y: xp.minimum(x, y), COMMUTATIVE, ROUNDED, aliases=("min",)),
    # --- linear algebra over whole trees ------------------------------------------------------
    Function(
        "norm",
        1,
        lambda tree, x: tree.map(tree.xp.sqrt, tree.each(tree.xp.square, x)),
        whole_tree=True,
        kind_rule=lambda x: min(x, Kind.PER_ARRAY),
        source="jax.tree.map(lambda x: jnp.sqrt(jnp.sum(jnp.square(x))), {0})",
        properties=frozenset({EVEN, NONNEGATIVE}),
    ),
    Function(
        "global_norm",
        1,
        lambda tree, x: tree.xp.sqrt(tree.total(tree.xp.square, x)),
        whole_tree=True,
        kind_rule=lambda x: Kind.SCALAR,
        source="jnp.sqrt(total(jnp.square, {0}))",
        properties=frozenset({EVEN, NONNEGATIVE}),
    ),
    Function(
        "dot",
        2,
        lambda tree, x, y: tree.total(tree.xp.multiply, *tree.cast(x, y)),
        whole_tree=True,
        kind_rule=lambda x, y: Kind.SCALAR,
        source="total(lambda x, y: x * y, {0}, {1})",
        properties=frozenset({COMMUTATIVE}),
    ),
    Function(
        "cosine_sim",
        2,
        _cosine_sim,
        whole_tree=True,
        kind_rule=lambda x, y: Kind.SCALAR,
        source=(
            "total(lambda x, y: x * y, {0}, {1}) / ("
            "jnp.sqrt(total(lambda x, _: jnp.square(x), {0}, {1}))"
            " * jnp.sqrt(total(lambda _, y: jnp.square(y), {0}, {1})))"
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
            tree.xp.minimum(1, c / tree.xp.sqrt(tree.total(tree.xp.square, x))),
        ),
        whole_tree=True,
        kind_rule=lambda x, c: x,
        source="scaled({0}, jnp.minimum(1, {1} / jnp.sqrt(total(jnp.square, {0}))))",
        scalar_slots=(1,),
        aliases=("clip_by_global_norm",),
        properties=frozenset({ODD}),
    ),
    Function(
        "interp",
        3,
        lambda xp, x, y, a: (1 - a) * x + a * y,
        kind_rule=lambda x, y, a: max(x, y),
        source="(1 - {2}) * {0} + {2} * {1}",
        scalar_slots=(2,),
        aliases=("interpolate",),
        properties=frozenset({ROUNDED}),
    ),
    # --- constants ----------------------------------------------------------------------------
    _constant("get_pi", math.pi),
    _constant("get_e", math.e),
    _constant("get_eps", EPS),
)

FUNCTIONS: dict[str, Function] = {row.name: row for row in _ROWS}
SYMBOLS: dict[str, Function] = {row.symbol: row for row in _ROWS if row.symbol}
ALIASES: dict[str, str] = {alias: row.name for row in _ROWS for alias in (row.name, *row.aliases)}
