"""What is known of one function: the form of a row of the table in functions.py."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from programs.kinds import Kind

EPS = 1e-8  # the guard of division, and what get_eps() returns
# In float32 c + EPS is c again for |c| > 1/4, where EPS is less than half a unit in the last place.
EPS_IS_LOST_FROM = Fraction(1, 4)

COMMUTATIVE = "commutative"  # f(x, y) = f(y, x)
EVEN = "even"  # f(-x) = f(x), bit for bit
ODD = "odd"  # f(-x) = -f(x), bit for bit
IDEMPOTENT = "idempotent"  # f(f(x)) = f(x), or f(x, x) = x, bit for bit
NONNEGATIVE = "nonnegative"  # f(...) >= 0 or NaN
ROUNDED = "correctly rounded"  # of single numbers the same bits on every machine
# f(0, ..., 0) = 0, bit for bit; arguments that take nothing but a scalar may be any positive number
ZERO_AT_ZERO = "zero at zero"
ONE_AT_ZERO = "one at zero"  # f(0) = 1, bit for bit
SIGN_KEEPING = "sign keeping"  # sign(f(x)) = sign(x) for all numbers that are not subnormal
TELLS_ZEROS = "tells zeros"  # f(0) and f(-0) differ by more than the sign of a zero

KindRule = Callable[..., Kind]


def _highest(*kinds: Kind) -> Kind:
    return max(kinds, default=Kind.SCALAR)


@dataclass(frozen=True, slots=True)
class Identity:
    """A function with the constant `value` as one of its arguments is another of its arguments.

    Attributes:
      argument: which argument is the constant, from 0 on.
      value: the constant.
      result: which argument the function then returns; `argument` itself for 0 * x = 0.
      bitwise: for every float32, signed zeros, infinities and NaN included. Otherwise for finite
        numbers, up to the sign of a zero, and the kind may be lower: the 0 of 0 * x is a scalar.
    """

    argument: int
    value: float
    result: int
    bitwise: bool = True


@dataclass(frozen=True, slots=True)
class Function:
    """One function of the language.

    Attributes:
      name: canonical name, as it is called in program text.
      arity: number of arguments.
      meaning: elementwise rows: (xp, *arrays) -> array; whole-tree rows: (tree, *values) -> value.
      whole_tree: whether the meaning looks at a whole tree rather than at single numbers.
      kind_rule: kinds of the arguments -> kind of the result; by default the highest.
      scalar_arguments: argument positions that take nothing but a scalar.
      source: the meaning as JAX source over argument names {0}, {1}, ..., for exports; by default
        jnp.<name>(...). Whole-tree rows use the helpers of export/optax.py: `total`, `length`,
        `scaled`. It may read these, jnp and jax alone.
      array_source: the same for exports to numpy and torch, over one array of the tree: `xp` is
        either library, `total(x)` the sum of x over all arrays, `w` the weights, and it may read
        nothing else. By default
        `source` with the library's name for jnp, where that is as good.
      exact: the meaning on rational numbers, if it has one. It raises ZeroDivisionError where it is
        undefined.
      identities: constants that make an argument the result.
      symbol: the infix operator that the text form uses, or "".
      aliases: other names accepted by the parser.
      properties: facts that analyses and rewrites may use.
      kinds: every valid tuple of argument kinds -> the result's kind (derived from the rule).
    """

    name: str
    arity: int
    meaning: Callable[..., Any] = field(repr=False)
    whole_tree: bool = False
    kind_rule: KindRule = field(default=_highest, repr=False)
    scalar_arguments: tuple[int, ...] = ()
    source: str = ""
    array_source: str = ""
    exact: Callable[..., Fraction] | None = field(default=None, repr=False)
    identities: tuple[Identity, ...] = ()
    symbol: str = ""
    aliases: tuple[str, ...] = ()
    properties: frozenset[str] = frozenset()
    kinds: dict[tuple[Kind, ...], Kind] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        choices = [
            [Kind.SCALAR] if i in self.scalar_arguments else list(Kind) for i in range(self.arity)
        ]
        table = {kinds: self.kind_rule(*kinds) for kinds in itertools.product(*choices)}
        object.__setattr__(self, "kinds", table)


def divisor(y: Fraction) -> Fraction:
    """What a / y divides by: y plus the guard, unless float32 loses the guard in y."""
    return y if abs(y) >= EPS_IS_LOST_FROM else y + Fraction(repr(EPS))
