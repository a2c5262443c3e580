"""What egglog keeps beside every class of equal values, and the rules that keep it.

    kind        what it holds; egglog stops with an error should two kinds ever be equated
    val         the one number that all its numbers are, if they are; `is` keeps every number that
                was derived, so that a proof of 0 = 1 is noticed
    const       the same for scalars: what the letters a, b, c match
    nonneg, positive    the sign of its numbers (see signs.py)
    unit, angle         its numbers lie between -1 and 1, or -pi / 2 and pi / 2

and, of constants, `known`: the program was given with it; and `(root c a)`: a is the square root of
|c|, for the constants of the program.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import cast

import numpy as np

from programs.function import EPS, EPS_IS_LOST_FROM
from programs.functions import FUNCTIONS
from programs.simplify.egglog_text import Arithmetic, kind_formula, number, usable
from programs.simplify.signs import (
    ALWAYS_NONNEGATIVE,
    ALWAYS_POSITIVE,
    NONNEGATIVE_IF,
    POSITIVE_IF,
)

# Functions of numbers that are worked out in the e-graph, with what egglog calls them where
# `exact` compares and so cannot be written down by applying it.
_COMPARING = {"maximum": "max", "minimum": "min"}
_WORKED_OUT = ("add", "subtract", "multiply", "negative", "square", "cube", "abs", "interp")

_UNIT = ("sin", "cos", "tanh", "sign")  # always between -1 and 1
_ANGLE = ("arcsin", "arctan")  # always between -pi / 2 and pi / 2
# Between -1 and 1 if all arguments are.
_KEEPS_UNIT = ("abs", "negative", "square", "cube", "sqrt", "cbrt", "multiply", "maximum",
               "minimum")  # fmt: skip


def declarations() -> Iterator[str]:
    """The language in egglog: constructors and analyses."""
    yield "(sort E) (constructor Num (BigRat) E) (constructor In (String) E)"
    for f in tuple(FUNCTIONS.values()):
        yield f"(constructor f-{f.name} ({' '.join(['E'] * f.arity)}) E)"
    yield "(function kind (E) i64 :no-merge)"
    yield "(function val (E) BigRat :merge old)"
    yield "(function const (E) BigRat :merge old)"
    for name in ("nonneg", "positive", "unit", "angle"):
        yield f"(relation {name} (E))"
    yield "(relation is (E BigRat))"
    yield "(relation known (BigRat))"
    yield "(relation root (BigRat BigRat))"
    yield "(ruleset analysis)"
    yield "(ruleset settle)"


def analyses() -> Iterator[str]:
    """The rules that keep them."""
    yield from _kinds()
    yield from _numbers()
    yield from _settled()
    yield from _signs()
    yield from _bounds()


def _rule(facts: str, actions: str) -> str:
    return f"(rule ({facts}) ({actions}) :ruleset analysis)"


def _call(name: str) -> str:
    return f"(f-{name} {' '.join('xyz'[: FUNCTIONS[name].arity])})"


def _is(name: str) -> str:
    return f"(= e {_call(name)})"


def _holds(value: str | int) -> str:
    text = value if isinstance(value, str) else number(value)
    return f"(set (val e) {text}) (is e {text})"


def _kinds() -> Iterator[str]:
    yield _rule("(= e (Num n))", "(set (kind e) 0)")
    yield _rule('(= e (In "lr"))', "(set (kind e) 0)")
    yield _rule('(= e (In name)) (!= name "lr")', "(set (kind e) 2)")
    for f in tuple(FUNCTIONS.values()):
        names = "xyz"[: f.arity]
        kinds = " ".join(f"(= {n}k (kind {n}))" for n in names)
        formula = kind_formula(f)([f"{n}k" for n in names])
        yield _rule(f"{_is(f.name)} {kinds}", f"(set (kind e) {formula})")


def _numbers() -> Iterator[str]:
    """What all the numbers of a class are, as far as float32 holds them and the guard is kept."""
    yield _rule(f"(= e (Num n)) {usable('n')}", _holds("n"))
    yield _rule("(= n (val e)) (= 0 (kind e))", "(set (const e) n) (union e (Num n))")
    yield _rule(
        f"(= n (val e)) (= 2 (kind e)) (= n {number(0)})",
        f'(union e (f-multiply (In "w") (Num {number(0)})))',
    )
    for name in (*_WORKED_OUT, *_COMPARING):
        names = "xyz"[: FUNCTIONS[name].arity]
        facts = " ".join(f"(= {n}v (val {n}))" for n in names)
        yield _rule(f"{_is(name)} {facts} (= r {_formula(name)}) {usable('r')}", _holds("r"))
    yield _rule("(= e (f-subtract x x))", _holds(0))
    yield _rule(f"{_is('multiply')} (= {number(0)} (val y))", _holds(0))
    yield _rule(f"{_is('divide')} (= {number(0)} (val x))", _holds(0))
    yield _rule(f"{_is('power')} (= {number(0)} (val y))", _holds(1))
    yield _rule(f"{_is('minimum')} (nonneg x) (= {number(0)} (val y))", _holds(0))
    guarded = f"{_is('divide')} (= xv (val x)) (= yv (val y))"
    lost_from, guard = number(EPS_IS_LOST_FROM), number(Fraction(repr(EPS)))
    large, small = f"(>= (abs yv) {lost_from})", f"(< (abs yv) {lost_from})"
    yield _rule(f"{guarded} {large} (= r (/ xv yv)) {usable('r')}", _holds("r"))
    not_zero = f"(!= (+ yv {guard}) {number(0)})"
    quotient = f"(= r (/ xv (+ yv {guard}))) {usable('r')}"
    yield _rule(f"{guarded} {small} {not_zero} {quotient}", _holds("r"))
    for name, row in tuple(FUNCTIONS.items()):
        if row.arity == 1 and not row.whole_tree:
            with np.errstate(all="ignore"):
                at_zero = row.meaning(np, np.float64(0))
            if at_zero in (0, 1):
                yield _rule(f"{_is(name)} (= {number(0)} (val x))", _holds(int(at_zero)))


def _formula(name: str) -> str:
    names = [f"{n}v" for n in "xyz"[: FUNCTIONS[name].arity]]
    if name in _COMPARING:
        return f"({_COMPARING[name]} {' '.join(names)})"
    exact = FUNCTIONS[name].exact
    assert exact is not None
    formula = cast(Arithmetic, exact(*map(Arithmetic, names)))  # as it is given, not Fractions
    return formula.text


def _settled() -> Iterator[str]:
    """What is one number needs no more rewriting: 0 = 0 * c = 0 * (c * c) would never end. This is
    done when all kinds and values are known: what is subsumed takes no part in finding them."""
    for name in (*_WORKED_OUT, *_COMPARING, "divide"):
        yield f"(rule ({_is(name)} (= n (val e))) ((subsume {_call(name)})) :ruleset settle)"
    # A tree of one number next to another tree is that number.
    for name in ("add", "subtract", "multiply", "divide", "maximum", "minimum"):
        facts = "(= n (val y)) (= yk (kind y)) (= xk (kind x)) (> yk 0) (<= yk xk)"
        yield _rule(f"(= e (f-{name} x y)) {facts}", f"(union e (f-{name} x (Num n)))")


def _signs() -> Iterator[str]:
    yield _rule(f"(= n (val e)) (>= n {number(0)})", "(nonneg e)")
    yield _rule(f"(= n (val e)) (> n {number(0)})", "(positive e)")
    yield _rule("(positive e)", "(nonneg e)")
    yield _rule("(= e (f-multiply x x))", "(nonneg e)")
    for name in sorted(ALWAYS_NONNEGATIVE):
        yield _rule(_is(name), "(nonneg e)")
    for name in sorted(ALWAYS_POSITIVE):
        yield _rule(_is(name), "(positive e)")
    for name, choices in NONNEGATIVE_IF.items():
        for arguments in choices:
            facts = " ".join(f"(nonneg {'xyz'[i]})" for i in arguments)
            yield _rule(f"{_is(name)} {facts}", "(nonneg e)")
    for name, pairs in POSITIVE_IF.items():
        for above, from_zero in pairs:
            wanted = [f"(positive {'xyz'[i]})" for i in above]
            wanted += [f"(nonneg {'xyz'[i]})" for i in from_zero]
            yield _rule(f"{_is(name)} {' '.join(wanted)}", "(positive e)")
    for fact in ("nonneg", "positive"):
        yield _interp(fact)


def _bounds() -> Iterator[str]:
    yield _rule(f"(= n (val e)) (<= (abs n) {number(1)})", "(unit e)")
    yield _rule("(unit e)", "(angle e)")
    for name in _UNIT:
        yield _rule(_is(name), "(unit e)")
    for name in _ANGLE:
        yield _rule(_is(name), "(angle e)")
    for name in _KEEPS_UNIT:
        facts = " ".join(f"(unit {n})" for n in "xyz"[: FUNCTIONS[name].arity])
        yield _rule(f"{_is(name)} {facts}", "(unit e)")
    yield _interp("unit")


def _interp(fact: str) -> str:
    """What holds for two values holds for all that lie between them."""
    between = f"(= n (const z)) (>= n {number(0)}) (<= n {number(1)})"
    return _rule(f"{_is('interp')} ({fact} x) ({fact} y) {between}", f"({fact} e)")
