"""One meaning for every engine: the numpy executor, the interpreter, the compiled engine and the
exported source give what reference.py gives, and those that train give the same numbers.

Expressions of two functions are tried on special values: zeros of both signs, tiny, huge and
subnormal numbers, and infinity on the way. Random and mutated programs are tried whole.
"""

import itertools
import random
from collections import Counter

import numpy as np
import pytest

from programs import InvalidProgram, Program, Statement, analyse, live_across_steps, parse
from programs.functions import FUNCTIONS
from tests.programs import reference
from tests.programs.engines import ENGINES, flat
from tests.strategies import random_programs, trees

# --- expressions of two functions ----------------------------------------------------------------

SPECIAL = (0, 0.5, 1, 1e-8, 3e-9, 1e-20, 1e-30, 1e-39, 1e-45, 2, 3, 30, 89, 1e4, 1e10, 1e20, 3e38)
SPECIAL = (*SPECIAL, *(-x for x in SPECIAL))
HUGE = 1e25
# Where a function sums all numbers, the order of the sum decides whether it overflows.
MILD = (0, 0.5, 1, -1, 1e-8, 1e-20, -2, 3, 30, -4, 1e4)
UNITS = 4  # in the last place, between engines that train
SUBNORMAL_UNDEFINED = {"power", "cbrt"}  # of subnormal numbers XLA makes something of its own


def _points(values):
    """All pairs of values."""
    return [
        x.ravel() for x in np.meshgrid(np.array(values, np.float32), np.array(values, np.float32))
    ]


def _arguments(name, x):
    """Argument lists of a function with `x` in each place: beside w, itself, and constants."""
    row = FUNCTIONS[name]
    if row.arity < 2:
        return [(x,) * row.arity]
    if row.arity == 3:
        return [(x, "w", 0.9), ("w", x, 0.9), (x, x, 0.5), (x, "w", 1.1)]
    if row.scalar_arguments:
        return [(x, 1.0)]
    return [(x, "w"), ("w", x), (x, x)] + [p for c in (1e-5, HUGE) for p in ((x, c), (c, x))]


def expressions(whole_tree):
    """Every expression of two functions, as a program; with functions of whole trees or without."""
    for first, second in itertools.product(FUNCTIONS, FUNCTIONS):
        rows = FUNCTIONS[first], FUNCTIONS[second]
        if not rows[1].arity or any(row.whole_tree for row in rows) != whole_tree:
            continue
        for one, other in itertools.product(_arguments(first, "g"), _arguments(second, "a")):
            if whole_tree and HUGE in (*one, *other):
                continue
            lines = Statement("a", first, one), Statement("update", second, other)
            try:
                analyse(Program((), lines))
            except InvalidProgram:  # no tensor, so no update: let it scale the weights
                scaled = Statement("update", "multiply", ("w", "b"))
                lines = lines[0], Statement("b", second, other), scaled
            yield Program((), lines)


class Allowed:
    """What an engine may give for a program, point by point, by the reference.

    readings: [R, N] what it is at N points, for every choice of which statements take subnormal
      numbers for zeros.
    disturbed: [D, R, N] the same with every result a little off.
    """

    DRAWS = 8

    def __init__(self, program, g, w):
        def readings(**options):
            choices = itertools.product((False, True), repeat=len(program))
            return np.array([self._update(program, g, w, f, **options) for f in choices], float)

        rng = np.random.default_rng(0)
        self.readings = readings()
        self.disturbed = np.array([readings(disturb=rng) for _ in range(self.DRAWS)])
        with np.errstate(invalid="ignore"):
            finite = np.isfinite(self.disturbed) & np.isfinite(self.readings)
            self.off = np.where(finite, np.abs(self.disturbed - self.readings), 0).max(0)
        same = (self.readings == self.readings[0]) | np.isnan(self.readings + self.readings[0])
        self.reading_matters = ~same.all(0)
        self.undefined = np.zeros(len(g), bool)
        names = {statement.function for statement in program}
        if names & SUBNORMAL_UNDEFINED:
            tiny = [(np.abs(x) < reference.TINY) & (x != 0) for x in (g, w)]
            self.undefined |= tiny[0] | tiny[1] | self.reading_matters
        if "tan" in names:  # beside a pole a last bit decides all
            self.undefined |= (self.off > np.abs(self.readings)).all(0)
        self.cancels = bool(names & {"interp", "dot", "cosine_sim"})

    @staticmethod
    def _update(program, g, w, flush, **options):
        (update,), _ = reference.step(
            program, [w], [g], [], 1.0, flush=flush.__getitem__, **options
        )
        return -update

    def wrong(self, got):
        """Where an engine's result is none that the reference allows."""
        got, wanted = np.asarray(got, float), self.readings
        with np.errstate(invalid="ignore"):
            slack = 4 * self.off + 16 * reference.UNIT * np.abs(wanted) + 2 * reference.TINY
            right = (
                (np.abs(got - wanted) <= slack) | (got == wanted) | np.isnan(got) & np.isnan(wanted)
            )
        # At the edge of the finite numbers a last bit decides.
        edge = (self.disturbed == got) | np.isnan(self.disturbed) & np.isnan(got)
        right |= edge.any(0) & ~np.isfinite(got)
        right |= np.isfinite(self.disturbed).any(0) & ~np.isfinite(wanted) & np.isfinite(got)
        return ~right.any(0) & ~self.undefined

    def different(self, one, other):
        """Where two engines differ that should agree but for a few last bits."""
        apart = units_apart(one, other)
        slack = self.off.max(0) if self.cancels else 0
        with np.errstate(invalid="ignore"):
            near = (apart <= UNITS) | (np.abs(one.astype(float) - other) <= slack)
        # A last bit of an exponent decides whether a power of a negative number is one.
        is_nan = np.isnan(self.disturbed)
        near |= is_nan.any((0, 1)) & ~is_nan.all((0, 1)) & (np.isnan(one) != np.isnan(other))
        return ~near & ~self.reading_matters & ~self.undefined


def units_apart(a, b):
    """How many float32 numbers lie between; two NaN are alike, and so are two subnormal numbers."""

    def ordered(x):
        bits = np.asarray(x, np.float32).view(np.int32).astype(np.int64)
        return np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)

    far = np.where(np.isnan(a) | np.isnan(b), np.iinfo(np.int64).max, abs(ordered(a) - ordered(b)))
    small = (np.abs(a) < reference.TINY) & (np.abs(b) < reference.TINY)
    return np.where(np.isnan(a) & np.isnan(b) | small, 0, far)


def _check_expressions(programs, g, w):
    programs = list(programs)
    for start in range(0, len(programs), 100):
        batch = programs[start : start + 100]
        results = {name: engine(batch, [w], [g], [], 1.0) for name, engine in ENGINES.items()}
        for i, program in enumerate(batch):
            allowed = Allowed(program, g, w)
            by_engine = {name: outputs[i][0] for name, outputs in results.items()}
            bad = {name: allowed.wrong(update) for name, update in by_engine.items()}
            for name in ("compiled", "exported"):
                bad[name] |= allowed.different(by_engine[name], by_engine["interpreter"])
            for name, points in bad.items():
                for n in np.flatnonzero(points)[:1]:
                    seen = ", ".join(f"{other} {u[n]}" for other, u in by_engine.items())
                    pytest.fail(
                        f"{name} at g = {g[n]}, w = {w[n]}: {seen}; reference "
                        f"{allowed.readings[:, n]}\n{program}"
                    )


@pytest.mark.parametrize(("whole_tree", "values"), [(False, SPECIAL), (True, MILD)])
def test_expressions_of_two_functions_on_special_values(whole_tree, values):
    found = list(expressions(whole_tree))
    random.Random(0).shuffle(found)
    _check_expressions(found[:50], *_points(values))


@pytest.mark.slow
@pytest.mark.parametrize(("whole_tree", "values"), [(False, SPECIAL), (True, MILD)])
def test_all_expressions_of_two_functions_on_special_values(whole_tree, values):
    _check_expressions(expressions(whole_tree), *_points(values))


LENGTHS = [  # of x, in a
    "a = norm(x)", "a = global_norm(x)", "a = clip(x, 1e-12)", "a = clip(x, 0.0)",
    "y = reciprocal(x); a = cosine_sim(x, y)", "b = norm(x); a = norm(b)",
    "b = norm(x); a = global_norm(b)",
]  # fmt: skip


def _lengths_of(x):
    for text in LENGTHS:
        lines = "".join(f"  {line}\n" for line in text.replace("x", x).split("; "))
        yield parse(f"def train(w, g, lr):\n{lines}  update = w * a\n  return update\n")


@pytest.mark.parametrize("size", [1e-30, 1e25, -1e-30])
def test_one_number_has_a_length_where_its_square_has_none(size):
    """A scalar, and an array of one number, alone and beside another."""
    one, number = np.ones(1, np.float32), np.array([size], np.float32)
    alone = [[*_lengths_of("g"), *_lengths_of("lr")], [one], [number], number[0]]
    beside = [[*_lengths_of("g")][:1], [one, one], [number, 0 * number], 1.0]
    for programs, w, g, lr in (alone, beside):
        for name, engine in ENGINES.items():
            for program, [got, *_] in zip(programs, engine(programs, w, g, [], lr), strict=True):
                update, _ = reference.step(program, w, g, [], lr)
                np.testing.assert_allclose(
                    got, -flat(update), 1e-6, 0, err_msg=f"{name}\n{program}"
                )


# --- random and mutated programs -----------------------------------------------------------------

WEIGHTS, GRADIENT = trees(0), trees(1, 0.3)
STATES = [trees(10 + i) for i in range(8)]  # before the step
RATE = 0.7
LAST_BITS = 1e-6  # between engines that train, relative to an output's largest number
DRAWS = (24, 480)  # of last bits: more where the first do not meet those that cancel a term


def _reference(program, **options):
    """What the reference gives, as the engines give it."""
    used = STATES[: len(program.states)]
    update, after = reference.step(program, WEIGHTS, GRADIENT, used, RATE, **options)
    return [-flat(update), *map(flat, after)]


def _excused(program, got, wanted):
    """Whether an output that differs from the reference's is one that it could have given, too.

    Results are disturbed in their last bits and subnormal numbers taken for zeros, at random. What
    comes out spans the numbers that an engine may give; beyond them, ten times their spread.
    """
    return any(_spanned(program, got, wanted, draws=draws) for draws in DRAWS)


def _spanned(program, got, wanted, *, draws):
    rng = np.random.default_rng(0)
    spans = []
    for draw in range(draws):
        flush = rng.random(len(program)) < (draw % 3) / 2
        spans.append(_reference(program, disturb=rng, flush=flush.__getitem__))
    for output, plain, others in zip(got, wanted, zip(*spans), strict=True):
        others = np.array([plain, *others], float)
        finite = np.isfinite(others)
        low = np.where(finite, others, np.inf).min(0)
        high = np.where(finite, others, -np.inf).max(0)
        with np.errstate(invalid="ignore"):
            spread = 10 * (high - low) + 64 * reference.UNIT * np.abs(others).max(0)
            inside = (output >= low - spread) & (output <= high + spread) & finite.any(0)
        as_others = (others == output) | np.isnan(others) & np.isnan(output)
        if not (inside | as_others.any(0) | ~np.isfinite(output) & ~finite.all(0)).all():
            return False
    return True


def _near(got, wanted, relative):
    """Whether all outputs are finite alike and as near to each other, relative to each."""
    for a, b in zip(got, wanted, strict=True):
        finite = np.isfinite(a)
        if (finite != np.isfinite(b)).any():
            return False
        a, b = a[finite].astype(float), b[finite].astype(float)
        if len(a) and np.abs(a - b).max() > relative * np.abs(b).max():
            return False
    return True


def _check_random(count, seed):
    """Every engine against the reference, and the engines that train against each other."""
    programs, seen = random_programs(count, seed), Counter()
    for start in range(0, count, 25):
        batch = programs[start : start + 25]
        results = {
            name: engine(batch, WEIGHTS, GRADIENT, STATES, RATE) for name, engine in ENGINES.items()
        }
        for i, program in enumerate(map(live_across_steps, batch)):
            wanted = _reference(program)
            for name, outputs in results.items():
                if not _near(outputs[i], wanted, 1e-5):
                    seen[name, "excused by last bits"] += 1
                    assert _excused(program, outputs[i], wanted), f"{name}\n{program}"
            for name in ("compiled", "exported"):
                one, other = results[name][i], results["interpreter"][i]
                if not _near(one, other, LAST_BITS):
                    seen[name, "differs from the interpreter"] += 1
                    assert _excused(program, one, other), f"{name}\n{program}"
    print(f"\n{count} programs: {dict(seen)}")
    for name in ("compiled", "exported"):
        assert seen[name, "differs from the interpreter"] <= max(1, 0.01 * count)


def test_random_programs():
    _check_random(25, seed=21)


@pytest.mark.slow
def test_20000_random_programs():
    _check_random(20_000, seed=22)
