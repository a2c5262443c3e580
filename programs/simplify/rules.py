"""The table of rewrite rules: one row per rule.

A row reads `left = right` in the notation of programs. Letters stand for

    x, y, z    any value
    s, t       any scalar
    a, b, c    a constant

and arithmetic among constants alone is done on the spot, where the result is a number that float32
holds; else the row does not apply. Every row holds over the real numbers; its
claim says what that means for a program:

    EXACT   equal for all finite numbers up to float rounding (the order of roundings may differ)
    GUARDS  equal except within the guards: where a divisor is not large against 1e-8; or where a
            number on the way leaves float32's range, as the cube of 1e-16 does

A row never changes the kind of a value: where x + y becomes x, it applies only if y broadcasts to
x. That condition is worked out from the kinds of both sides (see egglog_text.py), not written here.
Nothing is claimed where the left side is not finite: sqrt(x * x) = |x| also where x * x overflows.

Rows that make a program smaller or bring it nearer to a normal form SHRINK it; the others EXPLORE,
which costs time, and are applied a bounded number of rounds.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Iterator
from dataclasses import dataclass

from programs.function import COMMUTATIVE, EVEN, ODD
from programs.functions import BUILT_IN, FUNCTIONS


class Claim(enum.Enum):
    """In what sense a rewrite keeps the outputs."""

    EXACT = "exact"  # up to float rounding
    UP_TO_GUARDS = (
        "up to guards"  # the same, away from the 1e-8 guards of divisions and the ends of float32
    )


class Phase(enum.Enum):
    """When a rule is applied."""

    SHRINK = "shrink"
    EXPLORE = "explore"


EXACT, GUARDS = Claim.EXACT, Claim.UP_TO_GUARDS
SHRINK, EXPLORE = Phase.SHRINK, Phase.EXPLORE


@dataclass(frozen=True, slots=True)
class Rule:
    """left = right, when all of `when` hold: comparisons of constants, or what is known of a value
    or a constant, as nonneg(x) (see analyses.py)."""

    name: str
    left: str
    right: str
    claim: Claim
    phase: Phase
    why: str
    when: tuple[str, ...] = ()
    rounds: bool = False  # float32 may keep few digits of the left side, so that a check refuses
    final: bool = False  # the left side takes no more part: x = interp(x, x, s) for ever new s


_NEAR_ONE = ("abs(a + b - 1) < 1e-9",)  # far below float32's 6e-8
_MODERATE = ("abs(c) >= 0.01", "abs(c) <= 100")  # moves a guard of 1e-8 to 1e-6 at most

_AT_ONE = {  # of odd functions
    "sin": math.sin(1), "tan": math.tan(1), "arcsin": math.asin(1), "arctan": math.atan(1),
    "sinh": math.sinh(1), "tanh": math.tanh(1), "arcsinh": math.asinh(1),
}  # fmt: skip

# fmt: off
_ROWS = (
    # --- neutral elements and inverses ----------------------------------------------------------
    Rule("add zero", "x + 0", "x", EXACT, SHRINK, "0 is neutral"),
    Rule("subtract zero", "x - 0", "x", EXACT, SHRINK, "0 is neutral"),
    Rule("subtract from zero", "0 - x", "-x", EXACT, SHRINK, "definition"),
    Rule("times one", "x * 1", "x", EXACT, SHRINK, "1 is neutral"),
    Rule("times minus one", "x * -1", "-x", EXACT, SHRINK, "definition"),
    Rule("negative twice", "-(-x)", "x", EXACT, SHRINK, "an involution"),
    Rule("add, then subtract", "(x + y) - y", "x", EXACT, SHRINK, "inverse", rounds=True),
    Rule("subtract, then add", "(x - y) + y", "x", EXACT, SHRINK, "inverse", rounds=True),
    Rule("subtract a sum", "x - (x + y)", "-y", EXACT, SHRINK, "inverse", rounds=True),
    Rule("subtract a difference", "x - (x - y)", "y", EXACT, SHRINK, "inverse", rounds=True),
    Rule("reciprocal twice", "reciprocal(reciprocal(x))", "x", EXACT, SHRINK, "an involution"),
    # --- constants flow together ----------------------------------------------------------------
    Rule("add constants", "(x + a) + b", "x + (a + b)", EXACT, SHRINK, "associative"),
    Rule("subtract a constant", "x - c", "x + -c", EXACT, SHRINK, "definition"),
    Rule("subtract from constants", "a - (x + b)", "(a - b) - x", EXACT, SHRINK, "associative"),
    Rule("add to a difference", "(a - x) + b", "(a + b) - x", EXACT, SHRINK, "associative"),
    Rule("subtract differences", "a - (b - x)", "x + (a - b)", EXACT, SHRINK, "associative"),
    Rule("multiply constants", "(x * a) * b", "x * (a * b)", EXACT, SHRINK, "associative"),
    Rule("same plus same", "x + x", "x * 2", EXACT, SHRINK, "distributive"),
    Rule("add a multiple", "x + x * c", "x * (1 + c)", EXACT, SHRINK, "distributive"),
    Rule("subtract a multiple", "x - x * c", "x * (1 - c)", EXACT, SHRINK, "distributive"),
    Rule("subtract from a multiple", "x * c - x", "x * (c - 1)", EXACT, SHRINK, "distributive"),
    Rule("divide by a constant", "x / c", "x * (1 / c)", EXACT, SHRINK, "float32 loses a guard of 1e-8 in c", ("abs(c) >= 0.25",)),
    Rule("divide by a small constant", "x / c", "x * (1 / c)", GUARDS, SHRINK, "the guard is a part in 100,000 of c or less", ("abs(c) < 0.25", "abs(c) >= 0.001")),
    Rule("divide by a tiny constant", "x / c", "x * (1 / (c + 1e-8))", EXACT, SHRINK, "the guard is kept", ("abs(c) < 0.001", "c + 1e-8 != 0")),
    # --- signs move outwards --------------------------------------------------------------------
    Rule("add a negative", "x + -y", "x - y", EXACT, SHRINK, "definition"),
    Rule("subtract a negative", "x - -y", "x + y", EXACT, SHRINK, "definition"),
    Rule("negative of a difference", "-(x - y)", "y - x", EXACT, SHRINK, "anticommutative"),
    Rule("negative of a multiple", "-(x * c)", "x * -c", EXACT, SHRINK, "associative"),
    Rule("multiply a negative", "-x * y", "-(x * y)", EXACT, SHRINK, "associative"),
    Rule("divide a negative", "-x / y", "-(x / y)", EXACT, SHRINK, "associative"),
    Rule("divide by a negative", "x / -y", "-(x / y)", GUARDS, SHRINK, "the guard changes its side"),
    Rule("subtract a multiple of y", "x - y * c", "x + y * -c", EXACT, SHRINK, "definition"),
    # --- sums and products ----------------------------------------------------------------------
    Rule("add in another order", "(x + y) + z", "x + (y + z)", EXACT, EXPLORE, "associative"),
    Rule("multiply in another order", "(x * y) * z", "x * (y * z)", EXACT, EXPLORE, "associative"),
    Rule("add before subtracting", "x + (y - z)", "(x + y) - z", EXACT, EXPLORE, "associative"),
    Rule("subtract before adding", "(x + y) - z", "x + (y - z)", EXACT, EXPLORE, "associative"),
    Rule("subtract a sum of two", "x - (y + z)", "(x - y) - z", EXACT, EXPLORE, "associative"),
    Rule("subtract two", "(x - y) - z", "x - (y + z)", EXACT, EXPLORE, "associative"),
    Rule("factor of a sum", "x * z + y * z", "(x + y) * z", EXACT, SHRINK, "distributive"),
    Rule("factor of a difference", "x * z - y * z", "(x - y) * z", EXACT, SHRINK, "distributive"),
    Rule("divisor of a sum", "x / z + y / z", "(x + y) / z", EXACT, SHRINK, "distributive"),
    Rule("divisor of a difference", "x / z - y / z", "(x - y) / z", EXACT, SHRINK, "distributive"),
    Rule("common multiple", "x * a + y * b", "(x + y * (b / a)) * a", EXACT, EXPLORE, "distributive; only towards constants of the program, since any would do", ("a != 0", "known(b / a)")),
    Rule("multiple of a sum", "(x + y) * c", "x * c + y * c", EXACT, EXPLORE, "distributive"),
    Rule("product of a sum", "(x + y) * z", "x * z + y * z", EXACT, EXPLORE, "distributive"),
    Rule("multiple of a difference", "(x - y) * z", "x * z - y * z", EXACT, EXPLORE, "distributive" ),
    Rule("same times same", "x * x", "square(x)", EXACT, SHRINK, "definition"),
    Rule("same times square", "x * square(x)", "cube(x)", EXACT, SHRINK, "definition"),
    Rule("square of a multiple", "square(x * c)", "square(x) * (c * c)", GUARDS, SHRINK, "one of the squares may leave float32"),
    Rule("square of a product", "square(x * y)", "square(x) * square(y)", GUARDS, EXPLORE, "one of the squares may leave float32"),
    Rule("product of squares", "square(x) * square(y)", "square(x * y)", GUARDS, SHRINK, "one of the squares may leave float32" ),
    Rule("cube of a multiple", "cube(x * c)", "cube(x) * (c * c * c)", GUARDS, SHRINK, "one of the cubes may leave float32"),
    # --- powers -----------------------------------------------------------------------------------
    Rule("power 1", "power(x, 1)", "x", EXACT, SHRINK, "definition"),
    Rule("power 2", "power(x, 2)", "square(x)", EXACT, SHRINK, "definition"),
    Rule("power 3", "power(x, 3)", "cube(x)", EXACT, SHRINK, "definition"),
    Rule("power -1", "power(x, -1)", "reciprocal(x)", EXACT, SHRINK, "definition"),
    Rule("power 1/2", "power(x, 0.5)", "sqrt(x)", EXACT, SHRINK, "definition; NaN for x < 0"),
    Rule("power -1/2", "power(x, -0.5)", "reciprocal(sqrt(x))", EXACT, SHRINK, "definition; NaN for x < 0"),
    Rule("reciprocal of sqrt", "reciprocal(sqrt(x))", "power(x, -0.5)", EXACT, SHRINK, "definition", ("nonneg(x)",)),
    Rule("power of power", "power(power(x, a), b)", "power(x, a * b)", GUARDS, SHRINK, "x >= 0; the inner power may leave float32", ("nonneg(x)",)),
    Rule("power of square", "power(square(x), b)", "power(abs(x), 2 * b)", GUARDS, SHRINK, "the square may leave float32"),
    Rule("power of sqrt", "power(sqrt(x), b)", "power(abs(x), b / 2)", EXACT, SHRINK, "sqrt takes |x|"),
    Rule("product of powers", "power(x, a) * power(x, b)", "power(x, a + b)", GUARDS, SHRINK, "one of the powers may leave float32"),
    Rule("power times x", "power(x, a) * x", "power(x, a + 1)", GUARDS, SHRINK, "the power may leave float32"),
    Rule("reciprocal of power", "reciprocal(power(x, a))", "power(x, -a)", GUARDS, SHRINK, "the power may leave float32"),
    Rule("power of reciprocal", "power(reciprocal(x), a)", "power(x, -a)", GUARDS, SHRINK, "the reciprocal may leave float32"),
    Rule("square of power", "square(power(x, a))", "power(x, 2 * a)", GUARDS, SHRINK, "one of the powers may leave float32", ("nonneg(x)",)),
    Rule("sqrt of power", "sqrt(power(x, a))", "power(x, a / 2)", GUARDS, SHRINK, "the power may leave float32", ("nonneg(x)",)),
    Rule("sqrt of a reciprocal", "sqrt(reciprocal(x))", "reciprocal(sqrt(x))", GUARDS, SHRINK, "the reciprocal may leave float32"),
    Rule("square of a reciprocal", "square(reciprocal(x))", "reciprocal(square(x))", GUARDS, SHRINK, "one of them may leave float32"),
    # --- division -------------------------------------------------------------------------------
    Rule("divide a product", "(x * y) / z", "x * (y / z)", EXACT, EXPLORE, "associative"),
    Rule("multiply a quotient", "x * (y / z)", "(x * y) / z", EXACT, EXPLORE, "associative"),
    Rule("divide by itself", "s / s", "1", GUARDS, SHRINK, "s is not near 0"),
    # Not for a tree y in place of s: a bias that starts at 0 stays there under (g * w) / w.
    Rule("multiply, then divide", "(x * s) / s", "x", GUARDS, SHRINK, "s is not near 0"),
    Rule("divide, then multiply", "(x / s) * s", "x", GUARDS, SHRINK, "s is not near 0"),
    Rule("divide by a multiple", "x / (y * c)", "(x / y) * (1 / c)", GUARDS, SHRINK, "the guard moves from 1e-8 to 1e-8 / c", _MODERATE),
    Rule("divide by a reciprocal", "x / reciprocal(y)", "x * y", GUARDS, SHRINK, "definition"),
    Rule("multiply by a reciprocal", "x * reciprocal(y)", "x / y", GUARDS, SHRINK, "definition"),
    Rule("square by itself", "square(x) / x", "x", GUARDS, SHRINK, "0 at 0 on both sides"),
    Rule("cube by itself", "cube(x) / x", "square(x)", GUARDS, SHRINK, "0 at 0 on both sides"),
    Rule("square by abs", "square(x) / abs(x)", "abs(x)", GUARDS, SHRINK, "0 at 0 on both sides"),
    Rule("x / |x|", "x / abs(x)", "sign(x)", GUARDS, SHRINK, "0 at 0 on both sides"),
    Rule("|x| / x", "abs(x) / x", "sign(x)", GUARDS, SHRINK, "0 at 0 on both sides"),
    Rule("x / sign(x)", "x / sign(x)", "abs(x)", GUARDS, SHRINK, "0 at 0 on both sides"),
    Rule("abs by sqrt", "abs(x) / sqrt(x)", "sqrt(x)", GUARDS, SHRINK, "0 at 0 on both sides"),
    Rule("x / sqrt(x)", "x / sqrt(x)", "sqrt(x)", GUARDS, SHRINK, "0 at 0 on both sides", ("nonneg(x)",)),
    # --- absolute value, square, root, sign ------------------------------------------------------
    Rule("abs of nonnegative", "abs(x)", "x", EXACT, SHRINK, "definition", ("nonneg(x)",)),
    Rule("sqrt of square", "sqrt(square(x))", "abs(x)", GUARDS, SHRINK, "the square may leave float32"),
    Rule("square of sqrt", "square(sqrt(x))", "abs(x)", EXACT, SHRINK, "sqrt takes |x|"),
    Rule("sqrt of a multiple", "sqrt(x * square(y))", "sqrt(x) * abs(y)", GUARDS, EXPLORE, "the square may leave float32"),
    Rule("sqrt of a constant multiple", "sqrt(x * c)", "sqrt(x) * a", EXACT, SHRINK, "homomorphism", ("root(c, a)",)),
    Rule("sqrt of a square multiple", "sqrt(x * c)", "sqrt(x) * sqrt(c)", EXACT, SHRINK, "homomorphism, for c = 4, 0.25 and the like", ("c > 0",)),
    Rule("multiple of a sqrt", "sqrt(x) * c", "sqrt(x * (c * c))", GUARDS, EXPLORE, "homomorphism", ("c > 0",)),
    Rule("cbrt of cube", "cbrt(cube(x))", "x", GUARDS, SHRINK, "the cube may underflow"),
    Rule("cube of cbrt", "cube(cbrt(x))", "x", EXACT, SHRINK, "inverse"),
    Rule("abs of a multiple", "abs(x * c)", "abs(x) * abs(c)", EXACT, SHRINK, "homomorphism"),
    Rule("abs of a product", "abs(x) * abs(y)", "abs(x * y)", EXACT, SHRINK, "homomorphism"),
    Rule("abs of a scaled value", "abs(x * y)", "abs(x) * y", EXACT, EXPLORE, "y >= 0", ("nonneg(y)",)),
    Rule("abs of sign", "sign(abs(x))", "abs(sign(x))", EXACT, EXPLORE, "0 at 0, else 1"),
    Rule("sign twice", "sign(sign(x))", "sign(x)", EXACT, SHRINK, "idempotent"),
    Rule("sign of a quotient", "sign(x / y)", "sign(x)", GUARDS, SHRINK, "with its guard y is positive; the quotient may underflow", ("nonneg(y)",)),
    Rule("sign of a product", "sign(x * y)", "sign(x)", GUARDS, SHRINK, "the product may underflow", ("positive(y)",)),
    Rule("sign of a multiple", "sign(x * c)", "sign(x)", EXACT, SHRINK, "c > 0", ("c >= 1e-6",)),
    Rule("sign of a negative multiple", "sign(x * c)", "-sign(x)", EXACT, SHRINK, "c < 0", ("c <= -1e-6",)),
    Rule("sign of a tiny multiple", "sign(x * c)", "sign(x)", GUARDS, SHRINK, "x * c may underflow", ("c > 0", "c < 1e-6")),
    Rule("sign of a tiny negative multiple", "sign(x * c)", "-sign(x)", GUARDS, SHRINK, "x * c may underflow", ("c < 0", "c > -1e-6")),
    Rule("sign times abs", "sign(x) * abs(x)", "x", EXACT, SHRINK, "definition"),
    Rule("sign times value", "sign(x) * x", "abs(x)", EXACT, SHRINK, "definition"),
    Rule("square of sign", "square(sign(x))", "abs(sign(x))", EXACT, EXPLORE, "0 at 0, else 1"),
    *(
        Rule(f"{f} of a scalar", f"{f}(s)", "abs(s)", EXACT, SHRINK, "the length of one number")
        for f in ("norm", "global_norm")
    ),
    Rule("cube of sign", "cube(sign(x))", "sign(x)", EXACT, SHRINK, "-1, 0 or 1"),
    Rule("sign of clip", "sign(clip(x, c))", "sign(x)", GUARDS, SHRINK, "scales by c > 0; the norm may overflow", ("c > 0",)),
    *(
        Rule(f"sign of {f}", f"sign({f}(x))", "sign(x)", EXACT, SHRINK, "increasing, 0 at 0")
        for f in ("sinh", "tanh", "arctan", "arcsinh", "cbrt", "expm1")
    ),
    *(
        Rule(f"{f} of sign", f"{f}(sign(x))", f"sign(x) * {at_one!r}", EXACT, SHRINK, "odd, 0 at 0")
        for f, at_one in _AT_ONE.items()
    ),
    Rule("cbrt of sign", "cbrt(sign(x))", "sign(x)", EXACT, SHRINK, "-1, 0 or 1"),
    Rule("sign of cube", "sign(cube(x))", "sign(x)", GUARDS, SHRINK, "the cube may underflow"),
    # --- maximum and minimum ----------------------------------------------------------------------
    *(
        row
        for f, other in (("maximum", "minimum"), ("minimum", "maximum"))
        for row in (
            Rule(f"{f} of same", f"{f}(x, x)", "x", EXACT, SHRINK, "idempotent"),
            Rule(f"{f} absorbs", f"{f}(x, {other}(x, y))", "x", EXACT, SHRINK, "lattice"),
            Rule(f"{f} again", f"{f}(x, {f}(x, y))", f"{f}(x, y)", EXACT, SHRINK, "idempotent"),
            Rule(
                f"{f} of three",
                f"{f}({f}(x, y), z)",
                f"{f}(x, {f}(y, z))",
                EXACT,
                EXPLORE,
                "associative",
            ),
        )
    ),
    Rule("maximum of x and -x", "maximum(x, -x)", "abs(x)", EXACT, SHRINK, "definition"),
    Rule("minimum of x and -x", "minimum(x, -x)", "-abs(x)", EXACT, SHRINK, "definition"),
    Rule("maximum of negatives", "maximum(-x, -y)", "-minimum(x, y)", EXACT, SHRINK, "decreasing"),
    Rule("minimum of negatives", "minimum(-x, -y)", "-maximum(x, y)", EXACT, SHRINK, "decreasing"),
    Rule("maximum with 0", "maximum(x, 0)", "x", EXACT, SHRINK, "x >= 0", ("nonneg(x)",)),
    Rule("maximum of x and |x|", "maximum(x, abs(x))", "abs(x)", EXACT, SHRINK, "x <= |x|"),
    Rule("minimum of x and |x|", "minimum(x, abs(x))", "x", EXACT, SHRINK, "x <= |x|"),
    Rule("maximum and minimum", "maximum(x, y) + minimum(x, y)", "x + y", EXACT, SHRINK, "one is x, the other y"),
    Rule("maximum times minimum", "maximum(x, y) * minimum(x, y)", "x * y", EXACT, SHRINK, "one is x, the other y"),
    Rule("maximum minus minimum", "maximum(x, y) - minimum(x, y)", "abs(x - y)", EXACT, SHRINK, "definition"),
    Rule("positive part", "x + abs(x)", "maximum(x, 0) * 2", EXACT, EXPLORE, "definition"),
    Rule("negative part", "x - abs(x)", "minimum(x, 0) * 2", EXACT, EXPLORE, "definition"),
    Rule("at most 1", "minimum(x, c)", "x", EXACT, SHRINK, "x <= 1", ("unit(x)", "c >= 1")),
    Rule("at least -1", "maximum(x, c)", "x", EXACT, SHRINK, "x >= -1", ("unit(x)", "c <= -1")),
    *(
        row
        for f in ("maximum", "minimum")
        for row in (
            Rule(f"{f} of multiples", f"{f}(x * c, y * c)", f"{f}(x, y) * c", EXACT, SHRINK, "increasing", ("c > 0",)),
            Rule(f"{f} of sums", f"{f}(x + z, y + z)", f"{f}(x, y) + z", EXACT, SHRINK, "increasing"),
        )
    ),
    # --- exponentials -----------------------------------------------------------------------------
    Rule("log of exp", "log(exp(x))", "x", EXACT, SHRINK, "inverse", rounds=True),
    Rule("exp of log", "exp(log(x))", "abs(x)", EXACT, SHRINK, "log takes |x|"),
    Rule("log2 of exp2", "log2(exp2(x))", "x", EXACT, SHRINK, "inverse", rounds=True),
    Rule("exp2 of log2", "exp2(log2(x))", "abs(x)", EXACT, SHRINK, "log2 takes |x|"),
    Rule("log10 of exp10", "log10(exp10(x))", "x", EXACT, SHRINK, "inverse", rounds=True),
    Rule("exp10 of log10", "exp10(log10(x))", "abs(x)", EXACT, SHRINK, "log10 takes |x|"),
    Rule("product of exp", "exp(x) * exp(y)", "exp(x + y)", GUARDS, SHRINK, "one of the exps may leave float32"),
    Rule("reciprocal of exp", "reciprocal(exp(x))", "exp(-x)", GUARDS, SHRINK, "exp may leave float32"),
    Rule("square of exp", "square(exp(x))", "exp(x * 2)", GUARDS, SHRINK, "exp may leave float32"),
    Rule("sqrt of exp", "sqrt(exp(x))", "exp(x * 0.5)", GUARDS, SHRINK, "exp may leave float32"),
    Rule("sum of logs", "log(x) + log(y)", "log(x * y)", GUARDS, SHRINK, "the product may leave float32"),
    Rule("difference of logs", "log(x) - log(y)", "log(x / y)", GUARDS, EXPLORE, "homomorphism"),
    Rule("log of a product", "log(x * y)", "log(x) + log(y)", GUARDS, EXPLORE, "the product may leave float32"),
    Rule("log of power", "log(power(x, c))", "log(x) * c", GUARDS, SHRINK, "the power may leave float32"),
    Rule("log of square", "log(square(x))", "log(x) * 2", GUARDS, SHRINK, "the square may leave float32"),
    Rule("log of cube", "log(cube(x))", "log(x) * 3", GUARDS, SHRINK, "the cube may leave float32"),
    Rule("log of sqrt", "log(sqrt(x))", "log(x) * 0.5", EXACT, SHRINK, "sqrt takes |x|, as log does"),
    Rule("log of reciprocal", "log(reciprocal(x))", "-log(x)", GUARDS, SHRINK, "the reciprocal may leave float32"),
    *(
        Rule(f"{exp} of a multiple of {log}", f"{exp}({log}(x) * c)", "power(abs(x), c)", EXACT, SHRINK, f"definition; {log} takes |x|")
        for exp, log in (("exp", "log"), ("exp2", "log2"), ("exp10", "log10"))
    ),
    *(
        Rule(f"{exp} of minus {log}", f"{exp}(-{log}(x))", "reciprocal(abs(x))", EXACT, SHRINK, f"definition; {log} takes |x|")
        for exp, log in (("exp", "log"), ("exp2", "log2"), ("exp10", "log10"))
    ),
    Rule("exp minus 1", "exp(x) + -1", "expm1(x)", EXACT, SHRINK, "definition", rounds=True),
    Rule("expm1 and 1", "expm1(x) + 1", "exp(x)", EXACT, SHRINK, "definition"),
    Rule("log of 1 and x", "log(x + 1)", "log1p(x)", EXACT, SHRINK, "definition"),
    Rule("log1p of x minus 1", "log1p(x + -1)", "log(x)", EXACT, SHRINK, "definition"),
    Rule("power of 10", "power(10, x)", "exp10(x)", EXACT, SHRINK, "definition"),
    Rule("power of 2", "power(2, x)", "exp2(x)", EXACT, SHRINK, "definition"),
    # --- inverse functions ------------------------------------------------------------------------
    *(
        Rule(f"{f} of {inverse}", f"{f}({inverse}(x))", "x", EXACT, SHRINK, f"inverse; {where}", rounds=f in ("tan", "cos", "log1p", "arctanh"))
        for f, inverse, where in (
            ("sinh", "arcsinh", "everywhere"),
            ("arcsinh", "sinh", "everywhere"),
            ("arctanh", "tanh", "everywhere"),
            ("tan", "arctan", "everywhere"),
            ("log1p", "expm1", "everywhere"),
            ("sin", "arcsin", "NaN outside [-1, 1]"),
            ("cos", "arccos", "NaN outside [-1, 1]"),
            ("tanh", "arctanh", "NaN outside [-1, 1]"),
            ("cosh", "arccosh", "NaN below 1"),
        )
    ),
    Rule("arcsin of sin", "arcsin(sin(x))", "x", EXACT, SHRINK, "inverse from -pi / 2 to pi / 2", ("angle(x)",)),
    Rule("arctan of tan", "arctan(tan(x))", "x", EXACT, SHRINK, "inverse from -pi / 2 to pi / 2", ("angle(x)",), rounds=True),
    Rule("arccos of cos", "arccos(cos(x))", "abs(x)", EXACT, SHRINK, "inverse from -pi to pi, and even", ("angle(x)",), rounds=True),
    Rule("arccosh of cosh", "arccosh(cosh(x))", "abs(x)", EXACT, SHRINK, "inverse, and even", rounds=True),
    Rule("expm1 of log1p", "expm1(log1p(x))", "x", EXACT, SHRINK, "inverse from -1 on", ("nonneg(x)",), rounds=True),
    Rule("expm1 of log1p near 0", "expm1(log1p(x))", "x", EXACT, SHRINK, "inverse from -1 on", ("unit(x)",), rounds=True),
    Rule("exp of log1p", "exp(log1p(x))", "abs(x + 1)", EXACT, SHRINK, "log1p takes |1 + x|"),
    # --- interp: (1 - a) x + a y -------------------------------------------------------------------
    Rule("interp of same", "interp(x, x, s)", "x", EXACT, SHRINK, "weights sum to 1", final=True),
    Rule("interp by 0", "interp(x, y, 0)", "x", EXACT, SHRINK, "definition"),
    Rule("interp by 1", "interp(x, y, 1)", "y", EXACT, SHRINK, "definition"),
    Rule("interp from 0", "interp(0, y, s)", "y * s", EXACT, SHRINK, "definition"),
    Rule("interp to 0", "interp(x, 0, c)", "x * (1 - c)", EXACT, SHRINK, "definition"),
    Rule("interp the other way", "interp(x, y, c)", "interp(y, x, 1 - c)", EXACT, EXPLORE, "definition"),
    Rule("interp of interp", "interp(x, interp(x, y, s), t)", "interp(x, y, s * t)", EXACT, SHRINK, "(1-t) x + t ((1-s) x + s y) = (1 - s t) x + s t y"),
    Rule("interp from interp", "interp(interp(x, y, a), y, b)", "interp(x, y, a + b - a * b)", EXACT, SHRINK, "(1-b) ((1-a) x + a y) + b y"),
    Rule("interp from reversed interp", "interp(x, interp(y, x, a), b)", "interp(x, y, (1 - a) * b)", EXACT, SHRINK, "(1-b) x + b ((1-a) y + a x)"),
    Rule("weighted mean", "x * a + y * b", "interp(x, y, b)", EXACT, SHRINK, "definition", _NEAR_ONE ),
    Rule("mean by a scalar", "x * (1 - s) + y * s", "interp(x, y, s)", EXACT, SHRINK, "definition"),
    Rule("step towards y", "x + (y - x) * s", "interp(x, y, s)", EXACT, SHRINK, "definition"),
    Rule("step back from y", "x - (x - y) * s", "interp(x, y, s)", EXACT, SHRINK, "definition"),
    Rule("sum of interp", "interp(x, y, c)", "x * (1 - c) + y * c", EXACT, EXPLORE, "definition"),
    Rule("factor of interp", "interp(x * z, y * z, s)", "interp(x, y, s) * z", EXACT, SHRINK, "linear"),
    Rule("divisor of interp", "interp(x / z, y / z, s)", "interp(x, y, s) / z", EXACT, SHRINK, "linear"),
    Rule("offset of interp", "interp(x + z, y + z, s)", "interp(x, y, s) + z", EXACT, SHRINK, "affine"),
    Rule("negative of interp", "interp(-x, -y, s)", "-interp(x, y, s)", EXACT, SHRINK, "linear"),
    # --- whole-tree functions ----------------------------------------------------------------------
    Rule("norm of a multiple", "norm(x * s)", "norm(x) * abs(s)", EXACT, SHRINK, "homogeneous"),
    Rule("global norm of a multiple", "global_norm(x * s)", "global_norm(x) * abs(s)", EXACT, SHRINK, "homogeneous"),
    Rule("dot of a multiple", "dot(x * s, y)", "dot(x, y) * s", EXACT, SHRINK, "bilinear"),
    Rule("dot of a negative", "dot(-x, y)", "-dot(x, y)", EXACT, SHRINK, "bilinear"),
    Rule("square of global norm", "square(global_norm(x))", "dot(x, x)", EXACT, SHRINK, "definition" ),
    Rule("sqrt of dot", "sqrt(dot(x, x))", "global_norm(x)", GUARDS, SHRINK, "the dot product may leave float32"),
    Rule("cosine of a multiple", "cosine_sim(x * c, y)", "cosine_sim(x, y)", EXACT, SHRINK, "c > 0 cancels", ("c > 0",)),
    Rule("clip twice", "clip(clip(x, a), b)", "clip(x, min(a, b))", EXACT, SHRINK, "the smaller radius wins", ("a > 0", "b > 0")),
    Rule("clip of a multiple", "clip(x * a, b)", "clip(x, b / a) * a", EXACT, EXPLORE, "homogeneous", ("a > 0",)),
)
# fmt: on


def _of_properties() -> Iterator[Rule]:
    """Rows that follow from the properties of the language's own functions: what users claim of
    theirs is for hashes."""
    for f in (FUNCTIONS[name] for name in FUNCTIONS if name in BUILT_IN):
        rest = "".join(f", {letter}" for letter in "yz"[: f.arity - 1])
        whole = f"{f.name}(x{rest})"
        if COMMUTATIVE in f.properties:
            turned = f"{f.name}(y, x)"
            yield Rule(f"{f.name} commutes", whole, turned, EXACT, SHRINK, "commutative")
        if EVEN in f.properties:
            for g in ("negative", "abs"):
                left = f"{f.name}({g}(x){rest})"
                yield Rule(f"{f.name} of {g}", left, whole, EXACT, SHRINK, "even")
        if ODD in f.properties and f.name != "negative":
            if f.arity == 2:  # its second argument is a scalar
                whole, rest = f"{f.name}(x, s)", ", s"
            left = f"{f.name}(-x{rest})"
            yield Rule(f"{f.name} of negative", left, f"-{whole}", EXACT, SHRINK, "odd")


RULES: tuple[Rule, ...] = (*_ROWS, *_of_properties())
