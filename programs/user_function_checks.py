"""Does a user's function compute what its row says? Tried in numpy on a small tree."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from programs.execute import Tree, Value
from programs.function import COMMUTATIVE, EVEN, IDEMPOTENT, NONNEGATIVE, ODD, ROUNDED, Function
from programs.kinds import Kind
from programs.program import ProgramError

_SHAPES = ((2, 3), (4,))
_NUMBERS = (0.5, -0.5, 2.0, -3.0, 0.25, -1.0, 1.0, 7.0, 1e-3, -40.0)
_ARITY = {EVEN: (1,), ODD: (1, 2, 3), IDEMPOTENT: (1, 2), COMMUTATIVE: (2,)}
_KNOWN = {*_ARITY, NONNEGATIVE, ROUNDED}


def check_meaning(row: Function) -> None:
    """Raises ProgramError, with what would be right, if it does not."""
    what = f"function {row.name}: "
    for kinds, kind in row.kinds.items():
        arguments = [tree_of(kind, turn) for turn, kind in enumerate(kinds)]
        asked = f"{what}meaning on ({', '.join(map(str, kinds))}): "
        result = called(row, arguments, asked)
        shapes = [np.shape(leaf) for leaf in result.leaves]
        wanted = [np.shape(leaf) for leaf in tree_of(kind, 0).leaves]
        if result.kind is not kind or shapes != wanted:
            raise ProgramError(f"{asked}expected a {kind} of shapes {wanted}, got {shapes}")
        for leaf in result.leaves:
            if np.asarray(leaf).dtype != np.float32:
                raise ProgramError(f"{asked}expected float32, got {np.asarray(leaf).dtype}")
    for claim in sorted(row.properties):
        if claim not in _KNOWN or row.arity not in _ARITY.get(claim, (row.arity,)):
            known = ", ".join(sorted(_KNOWN))
            raise ProgramError(
                f"{what}properties: {claim!r} is none of a function of {row.arity} arguments; "
                f"there are: {known}"
            )
        if not _holds(row, claim):
            raise ProgramError(f"{what}properties: it is not {claim!r}")
    if row.identities:
        raise ProgramError(f"{what}identities: not for user-defined functions; leave them out")
    if row.exact is not None:
        _check_exact(row, what)


def tree_of(kind: Kind, turn: int) -> Value:
    """Numbers of a kind on a tree of two arrays; turn: others of them."""
    numbers = np.roll(np.array(_NUMBERS, np.float32), turn)
    if kind is Kind.SCALAR:
        return Value(kind, (numbers[0],))
    if kind is Kind.PER_ARRAY:
        return Value(kind, (numbers[1], numbers[2]))
    return Value(kind, (numbers[:6].reshape(_SHAPES[0]), numbers[6:]))


def called(row: Function, arguments: list[Value], what: str = "") -> Value:
    """What a registered row means on values; a failure begins with `what`."""
    try:
        with np.errstate(all="ignore"):
            return Tree(np).apply(row.name, arguments)
    except Exception as error:  # the user's code may raise anything
        raise ProgramError(f"{what}{type(error).__name__}: {error}") from error


def _holds(row: Function, claim: str) -> bool:
    """Whether a property is true of a few numbers."""
    kinds = max(row.kinds)
    x, *rest = [tree_of(kind, turn) for turn, kind in enumerate(kinds)]
    value = called(row, [x, *rest])
    if claim in (EVEN, ODD):
        turned = called(row, [_negative(x), *rest])
        return _same(turned, value if claim == EVEN else _negative(value))
    if claim == COMMUTATIVE:
        return _same(value, called(row, [*rest, x]))
    if claim == IDEMPOTENT:
        return _same(called(row, [value]), value) if not rest else _same(called(row, [x, x]), x)
    if claim == NONNEGATIVE:
        return all(np.all((leaf >= 0) | np.isnan(leaf)) for leaf in value.leaves)
    return True


def _negative(value: Value) -> Value:
    return Value(value.kind, tuple(-leaf for leaf in value.leaves))


def _same(one: Value, other: Value) -> bool:
    return all(
        np.array_equal(a, b, equal_nan=True) for a, b in zip(one.leaves, other.leaves, strict=True)
    )


def _check_exact(row: Function, what: str) -> None:
    """The meaning on rational numbers against that on floats."""
    if row.whole_tree:
        raise ProgramError(f"{what}exact: only for elementwise functions; leave it out")
    assert row.exact is not None
    for turn in range(len(_NUMBERS)):
        numbers = [_NUMBERS[(turn + i) % len(_NUMBERS)] for i in range(row.arity)]
        values = [Value(Kind.SCALAR, (np.float32(number),)) for number in numbers]
        got = float(called(row, values).leaves[0])
        try:
            wanted = float(row.exact(*map(Fraction, numbers)))
        except ZeroDivisionError:
            continue
        except Exception as error:  # the user's code may raise anything
            raise ProgramError(f"{what}exact{tuple(numbers)}: {error}") from error
        if not np.isclose(got, wanted, rtol=1e-5, atol=1e-6):
            raise ProgramError(
                f"{what}exact{tuple(numbers)}: {wanted:g}, its meaning gives {got:g}"
            )
