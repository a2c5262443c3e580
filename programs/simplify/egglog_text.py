"""Rules as text for egglog, with the conditions on kinds that keep them sound.

In egglog each function is a constructor `f-name`, a constant is `(Num rational)` and an input is
`(In "w")`. Four analyses are kept beside every class of equal values:

    kind    what it holds; egglog stops with an error should two kinds ever be equated
    val     the one number that all its numbers are, if they are; `is` keeps every number that was
            found, so that a proof of 0 = 1 is noticed
    const   the same for scalars: what the letters a, b, c match
    nonneg, positive  the sign of its numbers (see signs.py)

and `known` holds the constants that the program was given with.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction

from programs.functions import ALIASES, EPS, FUNCTIONS, Function
from programs.kinds import Kind
from programs.simplify.rules import Rule
from programs.simplify.signs import (
    ALWAYS_NONNEGATIVE,
    ALWAYS_POSITIVE,
    NONNEGATIVE_IF,
    POSITIVE_IF,
)

CONSTANTS, SCALARS, VALUES = "abc", "st", "xyz"

_OPERATORS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
_NAMES = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide"}
_COMPARE = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.NotEq: "!="}

# A pattern: a letter, a Fraction, or (function, pattern, ...).
Pattern = str | Fraction | tuple


def parse_pattern(text: str) -> Pattern:
    """Reads one side of a rule."""
    return _pattern(ast.parse(text, mode="eval").body)


def _pattern(node: ast.expr) -> Pattern:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Constant):
        return Fraction(repr(node.value))
    if isinstance(node, ast.UnaryOp):
        inner = _pattern(node.operand)
        return -inner if isinstance(inner, Fraction) else ("negative", inner)
    if isinstance(node, ast.BinOp):
        name = _NAMES[_OPERATORS[type(node.op)]]
        return (name, _pattern(node.left), _pattern(node.right))
    assert isinstance(node, ast.Call) and isinstance(node.func, ast.Name), ast.dump(node)
    return (ALIASES[node.func.id], *(_pattern(argument) for argument in node.args))


def letters(pattern: Pattern) -> set[str]:
    if isinstance(pattern, str):
        return {pattern}
    return set().union(*map(letters, pattern[1:])) if isinstance(pattern, tuple) else set()


def kind_of(pattern: Pattern, kinds: dict[str, Kind]) -> Kind | None:
    """The kind of a pattern for given kinds of its letters; None if it is invalid."""
    if isinstance(pattern, str):
        return kinds[pattern]
    if isinstance(pattern, Fraction):
        return Kind.SCALAR
    arguments = tuple(kind_of(argument, kinds) for argument in pattern[1:])
    return FUNCTIONS[pattern[0]].kinds.get(arguments)  # type: ignore[arg-type]


def kind_choices(rule: Rule) -> Iterator[tuple[dict[str, Kind], bool]]:
    """Every choice of kinds for a rule's letters on which its left side is valid, and whether the
    right side then has the same kind."""
    left, right = parse_pattern(rule.left), parse_pattern(rule.right)
    names = sorted(letters(left))
    choices = [list(Kind) if name in VALUES else [Kind.SCALAR] for name in names]
    for kinds in itertools.product(*choices):
        chosen = dict(zip(names, kinds))
        kind = kind_of(left, chosen)
        if kind is not None:
            yield chosen, kind == kind_of(right, chosen)


def number(value: Fraction) -> str:
    return f'(bigrat (from-string "{value.numerator}") (from-string "{value.denominator}"))'


class _Writer:
    """Writes the two sides of one rule, collecting the facts that they need."""

    def __init__(self) -> None:
        self.facts: list[str] = []
        self._numbers: dict[Fraction, str] = {}

    def left(self, pattern: Pattern) -> str:
        if isinstance(pattern, str):
            return pattern
        if isinstance(pattern, Fraction):
            if pattern not in self._numbers:
                self._numbers[pattern] = f"n{len(self._numbers)}"
                self.facts.append(f"(= {number(pattern)} (const {self._numbers[pattern]}))")
            return self._numbers[pattern]
        return f"(f-{pattern[0]} {' '.join(map(self.left, pattern[1:]))})"

    def right(self, pattern: Pattern) -> str:
        if isinstance(pattern, str):
            return pattern
        if letters(pattern) <= set(CONSTANTS):
            return f"(Num {self.arithmetic(pattern)})"
        assert isinstance(pattern, tuple)
        return f"(f-{pattern[0]} {' '.join(map(self.right, pattern[1:]))})"

    def arithmetic(self, pattern: Pattern) -> str:
        """A number in egglog; the letter c has the number c_."""
        if isinstance(pattern, str):
            return f"{pattern}_"
        if isinstance(pattern, Fraction):
            return number(pattern)
        name = {"negative": "neg", "abs": "abs", "minimum": "min", "maximum": "max"}.get(
            pattern[0]
        ) or next(symbol for symbol, function in _NAMES.items() if function == pattern[0])
        return f"({name} {' '.join(map(self.arithmetic, pattern[1:]))})"

    def condition(self, text: str) -> str:
        node = ast.parse(text, mode="eval").body
        if isinstance(node, ast.Call):
            assert isinstance(node.func, ast.Name)
            argument = _pattern(node.args[0])
            if node.func.id == "known":
                return f"(known {self.arithmetic(argument)})"
            return f"({node.func.id} {self.left(argument)})"
        assert isinstance(node, ast.Compare)
        sides = (_pattern(node.left), _pattern(node.comparators[0]))
        return f"({_COMPARE[type(node.ops[0])]} {' '.join(map(self.arithmetic, sides))})"


def _kind_text(pattern: Pattern) -> str:
    if isinstance(pattern, str):
        return f"{pattern}_kind" if pattern in VALUES else "0"
    if isinstance(pattern, Fraction):
        return "0"
    return kind_formula(FUNCTIONS[pattern[0]])([_kind_text(p) for p in pattern[1:]])


def kind_formula(function: Function) -> Callable[[Sequence[str]], str]:
    """How egglog computes a function's kind from its arguments', found from the table of kinds."""

    def widest(kinds: Sequence[str]) -> str:
        text = kinds[0]
        for kind in kinds[1:]:
            text = f"(max {text} {kind})"
        return text

    formulas: tuple[tuple[Callable, Callable], ...] = (
        (lambda *kinds: Kind.SCALAR, lambda kinds: "0"),
        (lambda *kinds: max(kinds), widest),
        (lambda *kinds: kinds[0], lambda kinds: kinds[0]),
        (lambda *kinds: min(kinds[0], Kind.PER_ARRAY), lambda kinds: f"(min {kinds[0]} 1)"),
    )
    for meaning, text in formulas:
        if function.arity == 0 or all(
            meaning(*kinds) == kind for kinds, kind in function.kinds.items()
        ):
            return text
    raise AssertionError(f"no formula for the kinds of {function.name}")


def rule_text(rule: Rule, ruleset: str) -> str:
    """One rule as an egglog command."""
    left, right = parse_pattern(rule.left), parse_pattern(rule.right)
    assert letters(right) <= letters(left), rule
    writer = _Writer()
    matched = writer.left(left)
    facts = [f"(= e {matched})"]
    facts += writer.facts
    names = sorted(letters(left))
    facts += [f"(= {name}_ (const {name}))" for name in names if name in CONSTANTS]
    facts += [f"(= 0 (kind {name}))" for name in names if name in SCALARS]
    facts += [writer.condition(text) for text in rule.when]
    if not all(same for _, same in kind_choices(rule)):
        facts += [f"(= {name}_kind (kind {name}))" for name in names if name in VALUES]
        facts.append(f"(= {_kind_text(left)} {_kind_text(right)})")
    last = f" (subsume {matched})" if rule.final else ""
    return (
        f"(rule ({' '.join(facts)}) ((union e {writer.right(right)}){last}) "
        f':ruleset {ruleset} :name "{rule.name}")'
    )


def declarations() -> Iterator[str]:
    """The language in egglog: constructors and analyses."""
    yield "(sort E) (constructor Num (BigRat) E) (constructor In (String) E)"
    for f in FUNCTIONS.values():
        yield f"(constructor f-{f.name} ({' '.join(['E'] * f.arity)}) E)"
    yield "(function kind (E) i64 :no-merge)"
    yield "(function val (E) BigRat :merge old)"
    yield "(function const (E) BigRat :merge old)"
    yield "(relation nonneg (E))"
    yield "(relation positive (E))"
    yield "(relation is (E BigRat))"
    yield "(relation known (BigRat))"
    yield "(ruleset analysis)"
    yield "(ruleset settle)"


def analyses() -> Iterator[str]:
    """The rules that keep kind, val, const and nonneg."""

    def rule(facts: str, actions: str) -> str:
        return f"(rule ({facts}) ({actions}) :ruleset analysis)"

    def holds(number: str) -> str:
        return f"(set (val e) {number}) (is e {number})"

    yield rule("(= e (Num n))", f"(set (kind e) 0) {holds('n')}")
    yield rule('(= e (In "lr"))', "(set (kind e) 0)")
    yield rule('(= e (In name)) (!= name "lr")', "(set (kind e) 2)")
    yield rule("(= n (val e)) (= 0 (kind e))", "(set (const e) n) (union e (Num n))")
    yield rule(
        f"(= n (val e)) (= 2 (kind e)) (= n {number(Fraction(0))})",
        f'(union e (f-multiply (In "w") (Num {number(Fraction(0))})))',
    )
    yield rule(f"(= n (val e)) (>= n {number(Fraction(0))})", "(nonneg e)")
    yield rule(f"(= n (val e)) (> n {number(Fraction(0))})", "(positive e)")
    for f in FUNCTIONS.values():
        names = ["x", "y", "z"][: f.arity]
        call = f"(= e (f-{f.name} {' '.join(names)}))"
        kinds = " ".join(f"(= {n}k (kind {n}))" for n in names)
        yield rule(f"{call} {kinds}", f"(set (kind e) {kind_formula(f)([n + 'k' for n in names])})")
    for name, formula in _VALUES.items():
        names = ["x", "y", "z"][: FUNCTIONS[name].arity]
        facts = " ".join(f"(= {n}v (val {n}))" for n in names)
        yield rule(f"(= e (f-{name} {' '.join(names)})) {facts}", holds(formula))
    yield rule("(= e (f-subtract x x))", holds(number(Fraction(0))))
    yield rule(
        f"(= e (f-multiply x y)) (= {number(Fraction(0))} (val y))",
        holds(number(Fraction(0))),
    )
    yield rule(
        f"(= e (f-divide x y)) (= {number(Fraction(0))} (val x))", holds(number(Fraction(0)))
    )
    guarded = "(= e (f-divide x y)) (= xv (val x)) (= yv (val y))"
    quarter, guard = number(Fraction(1, 4)), number(Fraction(repr(EPS)))
    yield rule(f"{guarded} (>= (abs yv) {quarter})", holds("(/ xv yv)"))
    yield rule(
        f"{guarded} (< (abs yv) {quarter}) (!= (+ yv {guard}) {number(Fraction(0))})",
        holds(f"(/ xv (+ yv {guard}))"),
    )
    # What is one number needs no more rewriting: 0 = 0 * c = 0 * (c * c) would never end. This is
    # said when all kinds and values are known: what is subsumed takes no part in finding them.
    for name in (*_VALUES, "divide"):
        call = f"(f-{name} {' '.join(['x', 'y', 'z'][: FUNCTIONS[name].arity])})"
        yield f"(rule ((= e {call}) (= n (val e))) ((subsume {call})) :ruleset settle)"
    # A tree of one number next to another tree is that number.
    for name in ("add", "subtract", "multiply", "divide", "maximum", "minimum"):
        facts = "(= n (val y)) (= yk (kind y)) (= xk (kind x)) (> yk 0) (<= yk xk)"
        yield rule(f"(= e (f-{name} x y)) {facts}", f"(union e (f-{name} x (Num n)))")
    yield from _signs(rule)


def _signs(rule: Callable[[str, str], str]) -> Iterator[str]:
    """The rules that keep nonneg and positive; see signs.py."""
    for name in sorted(ALWAYS_NONNEGATIVE):
        yield rule(f"(= e {_call(name)})", "(nonneg e)")
    for name in sorted(ALWAYS_POSITIVE):
        yield rule(f"(= e {_call(name)})", "(positive e)")
    yield rule("(= e (f-multiply x x))", "(nonneg e)")
    for name, choices in NONNEGATIVE_IF.items():
        for arguments in choices:
            facts = " ".join(f"(nonneg {'xyz'[i]})" for i in arguments)
            yield rule(f"(= e {_call(name)}) {facts}", "(nonneg e)")
    for name, pairs in POSITIVE_IF.items():
        for above, from_zero in pairs:
            facts = " ".join(f"(positive {'xyz'[i]})" for i in above)
            facts += " ".join(f"(nonneg {'xyz'[i]})" for i in from_zero)
            yield rule(f"(= e {_call(name)}) {facts}", "(positive e)")
    between = f"(= n (const z)) (>= n {number(Fraction(0))}) (<= n {number(Fraction(1))})"
    for fact in ("nonneg", "positive"):
        yield rule(f"(= e (f-interp x y z)) ({fact} x) ({fact} y) {between}", f"({fact} e)")
    yield rule("(positive e)", "(nonneg e)")


def _call(name: str) -> str:
    return f"(f-{name} {' '.join('xyz'[: FUNCTIONS[name].arity])})"


_VALUES = {
    "add": "(+ xv yv)",
    "subtract": "(- xv yv)",
    "multiply": "(* xv yv)",
    "negative": "(neg xv)",
    "square": "(* xv xv)",
    "abs": "(abs xv)",
    "maximum": "(max xv yv)",
    "minimum": "(min xv yv)",
    "interp": f"(+ (* (- {number(Fraction(1))} zv) xv) (* zv yv))",
}
