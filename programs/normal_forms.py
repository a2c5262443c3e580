"""Terms in normal form: one term for all that floating-point arithmetic cannot distinguish.

Every rule keeps every number, bit for bit in each engine, infinities included; NaN is NaN. There
are two exceptions:

- Zeros: -x + x is 0.0 and -(x - x) is -0.0, which no function but those in `_TELLS_ZEROS` makes
  numbers of that differ. In a program without these, 0.0 and -0.0 are one (`signed_zeros=False`).
- Subnormal numbers, below 2^-126: XLA takes them for zeros where it computes with them, not where
  it only moves them, so x * 1 and --x may differ from x.

States that are zero for ever are trees of zeros: `NormalFormsWithZeros`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction

from programs.function import (
    EVEN,
    IDEMPOTENT,
    NONNEGATIVE,
    ODD,
    SIGN_KEEPING,
    TELLS_ZEROS,
    ZERO_AT_ZERO,
    Function,
)
from programs.functions import BUILT_IN, FUNCTIONS, derived, with_property
from programs.kinds import Kind
from programs.program import Statement
from programs.terms import FLOAT32, Node, TermBuilder

_SMALLEST_FACTOR = 2.0**-22  # the smallest normal number times this is a subnormal one, not 0
# Finite for finite arguments.
_BOUNDED = {"sign", "sin", "cos", "tanh", "arctan", "negative", "abs"}
_ZERO = ("constant", FLOAT32.read(0.0))
ZERO_TENSOR = (*_ZERO, Kind.TENSOR)  # the term of a state that is zero
_ZERO_TIMES = {"multiply", "dot"}

_EVEN: frozenset[str]
_IDEMPOTENT: frozenset[str]
_NONNEGATIVE: frozenset[str]
_ODD: frozenset[str]
_SIGN_KEEPING: frozenset[str]
# f(0.0) and f(-0.0) are two numbers, not two zeros: 1 / x and x ** -1 are infinities of both signs.
# Of a user's function that is not known.
_TELLS_ZEROS: frozenset[str]
# Functions that are 0 where these first arguments, so many, are 0.
_ZERO_OF_ZEROS: dict[str, int]


def _rounds_to_zero(row: Function) -> bool:
    value = FLOAT32.fold(row, [_ZERO[1]] * row.arity)
    return value is not None and not FLOAT32.number(value)


@derived
def _derive() -> None:
    global _EVEN, _IDEMPOTENT, _NONNEGATIVE, _ODD, _SIGN_KEEPING, _TELLS_ZEROS, _ZERO_OF_ZEROS
    _EVEN, _IDEMPOTENT = with_property(EVEN), with_property(IDEMPOTENT)
    _NONNEGATIVE, _ODD = with_property(NONNEGATIVE), with_property(ODD) - {"negative"}
    _SIGN_KEEPING = with_property(SIGN_KEEPING)
    _TELLS_ZEROS = with_property(TELLS_ZEROS) | (FUNCTIONS.keys() - BUILT_IN)
    _ZERO_OF_ZEROS = {
        name: 1 if name == "divide" else row.arity - len(row.scalar_arguments)
        for name, row in FUNCTIONS.items()
        if row.arity and (ZERO_AT_ZERO in row.properties or _rounds_to_zero(row))
    }


def has_zeros(statements: Iterable[Statement]) -> bool:
    """Whether a 0 is written, or something is subtracted from itself."""
    return any(
        0 in s.arguments or (s.function == "subtract" and s.arguments[0] == s.arguments[1])
        for s in statements
    )


def signs_of_zeros_matter(statements: Iterable[Statement]) -> bool:
    """Whether the sign of a zero may reach a number of another size."""
    return any(statement.function in _TELLS_ZEROS for statement in statements)


def states_that_may_be_zero(statements: Iterable[Statement], states: Mapping[str, str]) -> set[str]:
    """All states that are zero for ever, and perhaps others: a first look, since most programs have
    none.

    states: by name the variable that holds its next value.
    """
    zeros = set(states)
    while zeros:
        now: set[str | float] = {0.0, *zeros}
        for s in statements:
            if s.function in _ZERO_TIMES:
                is_zero = not now.isdisjoint(s.arguments)
            elif s.function in ("maximum", "minimum"):  # minimum(0.0, 0.7)
                side = 1 if s.function == "minimum" else -1
                is_zero = not now.isdisjoint(s.arguments) and all(
                    a in now if isinstance(a, str) else side * a >= 0 for a in s.arguments
                )
            elif s.function in _ZERO_OF_ZEROS:
                count = _ZERO_OF_ZEROS[s.function]
                is_zero = now.issuperset(s.arguments[:count]) or (
                    s.function == "subtract" and s.arguments[0] == s.arguments[1]
                )
            else:
                is_zero = False
            (now.add if is_zero else now.discard)(s.target)
        left = {name for name in zeros if states[name] in now}
        if left == zeros:
            break
        zeros = left
    return zeros


class NormalForms(TermBuilder):
    """Terms in normal form.

    signed_zeros: whether 0.0 and -0.0 are two numbers; see `signs_of_zeros_matter`.
    """

    def __init__(self, signed_zeros: bool = True) -> None:
        super().__init__(FLOAT32)
        self.signed_zeros = signed_zeros
        self._kinds: list[Kind] = []  # of the first terms, in order

    def constant(self, number: float | Fraction) -> int:
        return super().constant(number if self.signed_zeros else number + 0)

    def apply(self, function: str, arguments: Sequence[int]) -> int:
        """The normal form of a function on terms."""
        term = self.folded(function, arguments)
        if term is None:
            term = self._rewritten(function, arguments)
        if term is None:
            term = self._sign_outside(function, arguments)
        return self.node((function, *arguments)) if term is None else term

    def _rewritten(self, function: str, arguments: Sequence[int]) -> int | None:
        """By definitions and by values that meet themselves."""
        x, y = arguments[0], arguments[-1]
        label = self.nodes[x][0]
        if function == "subtract":  # x - y = x + -y
            return self.apply("add", [x, self.apply("negative", [y])])
        if function == "negative" and label == "negative":  # --x = x
            inner: int = self.nodes[x][1]
            return inner
        if function == "abs" and label in _NONNEGATIVE:
            return x
        if function in _IDEMPOTENT and (x == y if len(arguments) == 2 else label == function):
            return x
        if function == "cube" and label == "sign":  # -1, 0, 1 or NaN
            return x
        if function == "sign" and (inner := self._of_same_sign(x)) != x:
            return self.apply("sign", [inner])
        # Of one number; also |x|, but the hashes of runs are kept as they are.
        if function == "global_norm" and self._kind(x) is Kind.SCALAR:
            return self.apply("norm", [x])
        if not self.signed_zeros and (function == "add" or function == "interp"):
            return self._sum_with_zero(function, arguments)
        if function == "multiply":
            if x == y:
                return self.apply("square", [x])
            for factor, other in ((x, y), (y, x)):
                if self.nodes[other] == ("square", factor):
                    return self.apply("cube", [factor])
        return None

    def _of_same_sign(self, term: int) -> int:
        """The innermost term that has the sign of this one: sign(tanh(x * c)) = sign(x)."""
        while True:
            label, *rest = self.nodes[term]
            if label in _SIGN_KEEPING:
                term = rest[0]
            elif label == "multiply" and self._keeps_sign(self.nodes[rest[0]]):
                term = rest[1]
            elif label == "multiply" and self._keeps_sign(self.nodes[rest[1]]):
                term = rest[0]
            else:
                return term

    def _keeps_sign(self, node: Node) -> bool:
        """Whether a product with this has the sign of the other factor, or is subnormal."""
        if node[0] != "constant" or len(node) > 2:
            return False
        return _SMALLEST_FACTOR <= FLOAT32.number(node[1]) < math.inf

    def _sum_with_zero(self, function: str, arguments: Sequence[int]) -> int | None:
        """A sum that makes at most 0.0 of -0.0, also where a product and the sum are fused."""
        x, y, *weight = arguments
        if _ZERO not in (self.nodes[x], self.nodes[y]):
            return None
        other, weighs_second = (y, True) if self.nodes[x] == _ZERO else (x, False)
        if not weight:
            return other
        value = self.nodes[weight[0]]
        if value[0] != "constant" or not math.isfinite(FLOAT32.number(value[1])):
            return None
        one_minus = self.apply("subtract", [self.constant(1.0), weight[0]])
        return self.apply("multiply", [other, weight[0] if weighs_second else one_minus])

    def _sign_outside(self, function: str, arguments: Sequence[int]) -> int | None:
        """Takes the sign of an argument outside of the function, or drops it."""
        x, y = arguments[0], arguments[-1]
        if function in _EVEN:  # f(-x) = f(|x|) = f(x)
            label = self.nodes[x][0]
            return self.apply(function, self.nodes[x][1:]) if label in ("negative", "abs") else None
        if function in _ODD or function in ("multiply", "divide"):  # f(-x) = -f(x)
            minus_x = self._negated(x)
            if minus_x is not None:
                return self._negative_of(function, minus_x, *arguments[1:])
            if function == "multiply":  # not of the divisor: the guard is on one side of 0
                minus_y = self._negated(y)
                if minus_y is not None:
                    return self._negative_of(function, x, minus_y)
        if function == "add" and not self.signed_zeros:  # -x + -y = -(x + y)
            minus_x, minus_y = self._negated(x), self._negated(y)
            if minus_x is not None and minus_y is not None:
                return self._negative_of(function, minus_x, minus_y)
        return None

    def _kind(self, term: int) -> Kind:
        for node in self.nodes[len(self._kinds) : term + 1]:
            label, *rest = node
            if label == "input":
                kind = Kind.SCALAR if rest[0] == "lr" else Kind.TENSOR
            elif label == "constant":
                kind = rest[1] if len(rest) == 2 else Kind.SCALAR
            else:
                kind = FUNCTIONS[label].kinds[tuple(self._kinds[i] for i in rest)]
            self._kinds.append(kind)
        return self._kinds[term]

    def _negative_of(self, function: str, *arguments: int) -> int:
        return self.apply("negative", [self.apply(function, arguments)])

    def _negated(self, term: int) -> int | None:
        """The term of which this one is the negative, if it is one."""
        node = self.nodes[term]
        if node[0] == "negative":
            inner: int = node[1]
            return inner
        if node[0] == "constant" and node[1][3] & 0x80:  # the sign bit
            flipped = node[1][:3] + bytes((node[1][3] ^ 0x80,))
            return self.node(("constant", flipped, *node[2:]))
        return None


class NormalFormsWithZeros(NormalForms):
    """Normal forms of programs in which something is zero: a state for ever, or a product with 0.

    Beside ("constant", value), one number, there is ("constant", value, kind): the same value for
    each number of that kind. The two are one where they are broadcast, and only there:
    global_norm(zeros + 0.5) counts the elements.
    """

    def apply(self, function: str, arguments: Sequence[int]) -> int:
        arguments = self._broadcast(function, arguments)
        if self._vanishes(function, arguments):
            kind = FUNCTIONS[function].kinds[tuple(map(self._kind, arguments))]
            return self._filled(_ZERO[1], kind)
        if function == "power" and self.nodes[arguments[1]][:2] == _ZERO:  # x^0 = 1, also of NaN
            kind = FUNCTIONS[function].kinds[tuple(map(self._kind, arguments))]
            return self._filled(FLOAT32.read(1.0), kind)
        return super().apply(function, arguments)

    def _vanishes(self, function: str, arguments: Sequence[int]) -> bool:
        """Whether the result is a zero of either sign, because the arguments are finite."""
        if self.signed_zeros or len(arguments) != 2 or not all(map(self._is_finite, arguments)):
            return False
        if function in ("multiply", "dot"):
            return any(self.nodes[i][:2] == _ZERO for i in arguments)
        return function == "subtract" and arguments[0] == arguments[1]

    def _is_finite(self, term: int) -> bool:
        node = self.nodes[term]
        while node[0] in _BOUNDED:
            node = self.nodes[node[1]]
        if node[0] == "constant":
            return math.isfinite(FLOAT32.number(node[1]))
        return node[0] == "input" and node[1] in ("w", "g", "lr")

    def folded(self, function: str, arguments: Sequence[int]) -> int | None:
        if not any(map(self._is_filled, arguments)):
            return super().folded(function, arguments)
        nodes = [self.nodes[i] for i in arguments]
        if any(node[0] != "constant" for node in nodes):
            return None
        value = FLOAT32.fold(FUNCTIONS[function], [node[1] for node in nodes])
        # XLA multiplies a tensor by the reciprocal of a scalar in place of dividing by it.
        if value is None or (function == "divide" and FLOAT32.number(value) != 0):
            return None
        kind = FUNCTIONS[function].kinds[tuple(map(self._kind, arguments))]
        return self._filled(value, kind)

    def _filled(self, value: bytes, kind: Kind) -> int:
        if not self.signed_zeros and not FLOAT32.number(value):
            value = _ZERO[1]
        return self.node(("constant", value) if kind is Kind.SCALAR else ("constant", value, kind))

    def _broadcast(self, function: str, arguments: Sequence[int]) -> Sequence[int]:
        """One number in place of a filled tree beside an argument of its kind or a higher."""
        if not any(map(self._is_filled, arguments)):
            return arguments
        others = [self._kind(i) for i in arguments if self.nodes[i][0] != "constant"]
        highest = max(others, default=Kind.SCALAR)
        return [
            self.node(self.nodes[i][:2])
            if self._is_filled(i)
            and self._kind(i) <= highest
            and not self._has_other_code(function, position, i)
            else i
            for position, i in enumerate(arguments)
        ]

    def _has_other_code(self, function: str, position: int, term: int) -> bool:
        """Whether XLA computes with one number there in another way: it multiplies by the
        reciprocal of a divisor, and fuses the other product of an average."""
        if function == "interp":
            return position < 2 and self.nodes[term][:2] != _ZERO
        return function == "divide" and position == 1

    def _is_filled(self, term: int) -> bool:
        node = self.nodes[term]
        return node[0] == "constant" and len(node) == 3
