"""What a program means, by the tests' own account: an evaluator in numpy, written from the paper.

It shares nothing with `programs` but the data `Program`: the functions are those of the paper's
appendix (Chen et al. 2023) with the guards of the authors' release. A function is computed in
double precision on float32 numbers and rounded once, except where the text itself says what is
rounded on the way: a guard is added to a float32, a norm is the root of a sum of float32 squares
(of one number it is its size).

Engines may differ from it by rounding, and by what IEEE 754 or the hardware leaves open:

    flush     a number below 2^-126 may be taken for 0, whether it is read or written
    disturb   a result may be a few units in the last place off; where terms cancel, units of the
              largest term

`step` takes both as arguments, so that a test can ask what they do to a whole program.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from programs import Program

TINY = float(np.finfo(np.float32).tiny)
UNIT = 2.0**-23  # between 1 and the next float32
GUARD = float(np.float32(1e-8))  # what a division adds to what it divides by
ROUNDED_OFF = 4  # units in the last place that an engine's function may be off

Tensor = list  # one float64 array (of float32 numbers) for each array of the parameters


class PerArray(list):
    """One number for each array of the parameters."""


def single(x):
    """Rounded to float32, kept in double precision."""
    return np.asarray(x, np.float32).astype(np.float64)


UNARY = {
    "abs": np.abs, "cos": np.cos, "sin": np.sin, "tan": np.tan, "arcsin": np.arcsin,
    "arccos": np.arccos, "arctan": np.arctan, "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh,
    "arcsinh": np.arcsinh, "arccosh": np.arccosh, "arctanh": np.arctanh, "exp": np.exp,
    "exp2": np.exp2, "exp10": lambda x: 10.0**x, "expm1": np.expm1,
    "log": lambda x: np.log(np.abs(x)), "log10": lambda x: np.log10(np.abs(x)),
    "log2": lambda x: np.log2(np.abs(x)), "log1p": lambda x: np.log(np.abs(single(1 + x))),
    "square": lambda x: x * x, "sqrt": lambda x: np.sqrt(np.abs(x)),
    "cube": lambda x: single(x * x) * x, "cbrt": np.cbrt,
    "sign": lambda x: np.where(x > 0, 1.0, np.where(x < 0, -1.0, x)),
    "reciprocal": lambda x: 1 / x, "negative": lambda x: -x,
}  # fmt: skip
BINARY = {
    "add": lambda x, y: x + y, "subtract": lambda x, y: x - y, "multiply": lambda x, y: x * y,
    "divide": lambda x, y: x / single(y + GUARD), "power": np.power,
    # 0.0 is larger than -0.0 (IEEE 754-2019); numpy gives either.
    "maximum": lambda x, y: np.where((x == 0) & (y == 0), x + y, np.maximum(x, y)),
    "minimum": lambda x, y: np.where((x == 0) & (y == 0), -(-x - y), np.minimum(x, y)),
}  # fmt: skip
CONSTANTS = {"get_pi": np.pi, "get_e": np.e, "get_eps": 1e-8}


def interp(x, y, a):
    return single(single(1 - a) * x) + single(a * y)


def _numbers(x):
    """All numbers of a value, as one vector."""
    leaves = x if isinstance(x, list) else [x]
    return np.concatenate([np.ravel(leaf) for leaf in leaves]) if leaves else np.zeros(0)


def _together(x, y):
    """All numbers of two values, the lower kind repeated for each number of the higher."""
    pair = _elementwise(lambda x, y: np.stack(np.broadcast_arrays(x, y)), x, y)
    leaves = pair if isinstance(pair, list) else [pair]
    flat = [leaf.reshape(2, -1) for leaf in leaves]
    return np.concatenate(flat, axis=1) if flat else np.zeros((2, 0))


def _elementwise(function, *values):
    """A function of numbers on values of any kinds; the result is of the highest."""
    lists = [v for v in values if isinstance(v, list)]
    if not lists:
        return function(*values)
    highest = next((v for v in lists if type(v) is Tensor), lists[0])
    columns = [v if isinstance(v, list) else [v] * len(highest) for v in values]
    return type(highest)(function(*column) for column in zip(*columns))


def _length(x):
    """Of one number its size, for which no square is needed."""
    if np.size(x) == 1:
        return np.abs(np.reshape(x, ()))
    return single(np.sqrt(single(np.sum(single(x * x)))))


def _dot(x, y):
    x, y = _together(x, y)
    return np.sum(single(x * y))


def _cosine_sim(x, y):
    x, y = _together(x, y)
    return single(_dot(x, y)) / single(_length(x) * _length(y))


def _norm(x):
    if type(x) is Tensor:
        return PerArray(_length(leaf) for leaf in x)
    return _elementwise(_length, x)


def _clip(x, c):
    factor = np.minimum(1, single(c / _length(_numbers(x))))
    return _elementwise(lambda leaf: leaf * factor, x)


WHOLE = {
    "norm": _norm, "global_norm": lambda x: _length(_numbers(x)), "dot": _dot,
    "cosine_sim": _cosine_sim, "clip": _clip,
}  # fmt: skip


def _terms(name, arguments):
    """The size of the largest term, where a function is a sum whose terms may cancel; else 0."""
    if name == "interp":
        x, y, a = arguments
        return _elementwise(lambda x, y: np.maximum(np.abs((1 - a) * x), np.abs(a * y)), x, y)
    if name in ("dot", "cosine_sim"):
        x, y = _together(*arguments)
        size = np.sum(np.abs(x * y))
        return size / (_length(x) * _length(y)) if name == "cosine_sim" else size
    return 0.0


def apply(name, arguments):
    """One function on values, in double precision."""
    if name in CONSTANTS:
        return CONSTANTS[name]
    if name in WHOLE:
        return WHOLE[name](*arguments)
    return _elementwise({**UNARY, **BINARY, "interp": interp}[name], *arguments)


def flushed(x):
    """Numbers too small to be normal as zeros of their sign."""
    return np.where(np.abs(x) < TINY, np.copysign(0.0, x), x)


def step(
    program: Program,
    w: list[np.ndarray],
    g: list[np.ndarray],
    states: list[list[np.ndarray]],
    lr: float,
    *,
    flush: Callable[[int], bool] = lambda statement: False,
    disturb: np.random.Generator | None = None,
) -> tuple[list[np.ndarray], list[list[np.ndarray]]]:
    """One step on lists of A arrays: the update and the new states, float32.

    Args:
      flush: statement number -> whether it takes subnormal numbers for zeros.
      disturb: draws what every statement's result is off by.
    """
    trees = [[single(leaf) for leaf in tree] for tree in (w, g, *states)]
    variables = dict(zip(program.inputs, [*trees, single(lr)]))
    with np.errstate(all="ignore"):
        for i, statement in enumerate(program.statements):
            arguments = [
                variables[a] if isinstance(a, str) else single(a) for a in statement.arguments
            ]
            rounded = _rounding(flush(i), disturb)
            if flush(i):
                arguments = [_elementwise(flushed, a) for a in arguments]
            value = apply(statement.function, arguments)
            terms = _terms(statement.function, arguments)
            variables[statement.target] = _elementwise(rounded, value, terms)
    update, *after = ([np.float32(leaf) for leaf in variables[name]] for name in program.outputs)
    return update, after


def _rounding(flush, disturb):
    """(exact result, size of its largest term) -> what an engine may give for it."""

    def rounded(value, terms):
        if disturb is not None:
            size = np.maximum(np.abs(value), terms)
            off = disturb.uniform(-ROUNDED_OFF, ROUNDED_OFF, np.shape(value))
            value = np.where(np.isfinite(value), value + off * UNIT * size, value)
        value = single(value)
        return flushed(value) if flush else value

    return rounded
