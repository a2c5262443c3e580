"""Rules as text for egglog, with the conditions on kinds and numbers that keep them sound.

In egglog each function is a constructor `f-name`, a constant is `(Num rational)` and an input is
`(In "w")`; analyses.py says what else is kept beside each class of equal values.

egglog has a typed Python API, too (`rewrite(a).to(b)`). It is slower, since every command is
translated from Python objects; docs/design.md has the measurement.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from fractions import Fraction

from programs.function import Function
from programs.functions import FUNCTIONS
from programs.kinds import Kind
from programs.simplify.pattern import (
    CONSTANTS,
    SCALARS,
    VALUES,
    Pattern,
    kind_choices,
    letters,
    parse_pattern,
    pattern_of,
)
from programs.simplify.rules import Rule
from programs.terms import LARGEST, SMALLEST

# Function of the language -> egglog's, on rational numbers.
_ARITHMETIC = {
    "add": "+",
    "subtract": "-",
    "multiply": "*",
    "divide": "/",
    "negative": "neg",
    "abs": "abs",
    "minimum": "min",
    "maximum": "max",
    "sqrt": "sqrt",  # of squares of rationals alone; a rule that needs another does not match
}
_COMPARE = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.NotEq: "!="}
_DIGITS = 60  # of a denominator, at most


def number(value: Fraction | int) -> str:
    value = Fraction(value)
    return f'(bigrat (from-string "{value.numerator}") (from-string "{value.denominator}"))'


def usable(value: str) -> str:
    """The facts that a number is 0 or of a size that float32 holds, and has not too many digits."""
    size = f"(abs {value})"
    not_tiny = f"(<= (* {size} (- {number(SMALLEST)} {size})) {number(0)})"  # 0, or not below it
    few_digits = f'(< (denom {value}) (from-string "{10**_DIGITS}"))'
    return f"(<= {size} {number(LARGEST)}) {not_tiny} {few_digits}"


class _Writer:
    """Writes the two sides of one rule, collecting the facts that they need."""

    def __init__(self, left: Pattern) -> None:
        self.facts: list[str] = []
        self._given = letters(left)
        self._numbers: dict[Fraction, str] = {}
        self._results: dict[str, str] = {}

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
            return pattern if pattern in self._given else f"(Num {pattern}_)"
        if letters(pattern) <= set(CONSTANTS):
            return f"(Num {self._result(self.arithmetic(pattern))})"
        assert isinstance(pattern, tuple)
        return f"(f-{pattern[0]} {' '.join(map(self.right, pattern[1:]))})"

    def _result(self, arithmetic: str) -> str:
        """A new constant, made only where it is usable."""
        if arithmetic not in self._results:
            name = self._results[arithmetic] = f"r{len(self._results)}"
            self.facts.append(f"(= {name} {arithmetic}) {usable(name)}")
        return self._results[arithmetic]

    def arithmetic(self, pattern: Pattern) -> str:
        """A number in egglog; the letter c has the number c_."""
        if isinstance(pattern, str):
            return f"{pattern}_"
        if isinstance(pattern, Fraction):
            return number(pattern)
        return f"({_ARITHMETIC[pattern[0]]} {' '.join(map(self.arithmetic, pattern[1:]))})"

    def condition(self, text: str) -> str:
        node = ast.parse(text, mode="eval").body
        if isinstance(node, ast.Call):
            assert isinstance(node.func, ast.Name)
            arguments = [pattern_of(argument) for argument in node.args]
            constant = all(letters(argument) <= set(CONSTANTS) for argument in arguments)
            write = self.arithmetic if constant else self.left
            return f"({node.func.id} {' '.join(map(write, arguments))})"
        assert isinstance(node, ast.Compare)
        sides = (pattern_of(node.left), pattern_of(node.comparators[0]))
        return f"({_COMPARE[type(node.ops[0])]} {' '.join(map(self.arithmetic, sides))})"


def rule_text(rule: Rule, ruleset: str) -> str:
    """One rule as an egglog command."""
    left, right = parse_pattern(rule.left), parse_pattern(rule.right)
    writer = _Writer(left)
    matched = writer.left(left)
    facts = [f"(= e {matched})", *writer.facts]
    writer.facts.clear()
    names = sorted(letters(left))
    facts += [f"(= {name}_ (const {name}))" for name in names if name in CONSTANTS]
    facts += [f"(= 0 (kind {name}))" for name in names if name in SCALARS]
    facts += [writer.condition(text) for text in rule.when]
    result = writer.right(right)
    facts += writer.facts
    if not all(same for _, same in kind_choices(rule)):
        facts += [f"(= {name}_kind (kind {name}))" for name in names if name in VALUES]
        facts.append(f"(= {_kind_text(left)} {_kind_text(right)})")
    last = f" (subsume {matched})" if rule.final else ""
    head = f"(rule ({' '.join(facts)}) ((union e {result}){last})"
    return f'{head} :ruleset {ruleset} :name "{rule.name}")'


def _kind_text(pattern: Pattern) -> str:
    if isinstance(pattern, str):
        return f"{pattern}_kind" if pattern in VALUES else "0"
    if isinstance(pattern, Fraction):
        return "0"
    return kind_formula(FUNCTIONS[pattern[0]])([_kind_text(p) for p in pattern[1:]])


def kind_formula(function: Function) -> Callable[[Sequence[str]], str]:
    """How egglog computes a function's kind from its arguments', from the table of kinds."""

    def widest(kinds: Sequence[str]) -> str:
        text = kinds[0]
        for kind in kinds[1:]:
            text = f"(max {text} {kind})"
        return text

    formulas: tuple[tuple[Callable[..., Kind], Callable[[Sequence[str]], str]], ...] = (
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


class Arithmetic:
    """A number in egglog that Python can calculate with: `FUNCTIONS[...].exact` applied to such
    numbers gives the egglog text of what it does."""

    def __init__(self, text: str):
        self.text = text

    def __add__(self, other: Arithmetic | int) -> Arithmetic:
        return _combined("+", self, other)

    def __sub__(self, other: Arithmetic | int) -> Arithmetic:
        return _combined("-", self, other)

    def __rsub__(self, other: int) -> Arithmetic:
        return _combined("-", other, self)

    def __mul__(self, other: Arithmetic | int) -> Arithmetic:
        return _combined("*", self, other)

    def __neg__(self) -> Arithmetic:
        return Arithmetic(f"(neg {self.text})")

    def __abs__(self) -> Arithmetic:
        return Arithmetic(f"(abs {self.text})")


def _combined(function: str, *arguments: Arithmetic | int) -> Arithmetic:
    texts = [a.text if isinstance(a, Arithmetic) else number(a) for a in arguments]
    return Arithmetic(f"({function} {' '.join(texts)})")
