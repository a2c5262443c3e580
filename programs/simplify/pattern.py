"""One side of a rule as a pattern: reading it, its letters, its kind."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator
from fractions import Fraction

from programs.functions import ALIASES, FUNCTIONS
from programs.kinds import Kind
from programs.simplify.rules import Rule

CONSTANTS, SCALARS, VALUES = "abc", "st", "xyz"

OPERATORS: dict[type[ast.AST], str] = {
    ast.Add: "add",
    ast.Sub: "subtract",
    ast.Mult: "multiply",
    ast.Div: "divide",
}

# A pattern: a letter, a Fraction, or (function, pattern, ...).
Pattern = str | Fraction | tuple[str, *tuple["Pattern", ...]]


def parse_pattern(text: str) -> Pattern:
    """Reads one side of a rule."""
    return pattern_of(ast.parse(text, mode="eval").body)


def pattern_of(node: ast.expr) -> Pattern:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Constant):
        return Fraction(repr(node.value))
    if isinstance(node, ast.UnaryOp):
        inner = pattern_of(node.operand)
        return -inner if isinstance(inner, Fraction) else ("negative", inner)
    if isinstance(node, ast.BinOp):
        name = OPERATORS[type(node.op)]
        return (name, pattern_of(node.left), pattern_of(node.right))
    assert isinstance(node, ast.Call) and isinstance(node.func, ast.Name), ast.dump(node)
    return (ALIASES[node.func.id], *(pattern_of(argument) for argument in node.args))


def letters(pattern: Pattern) -> set[str]:
    if isinstance(pattern, str):
        return {pattern}
    return set().union(*map(letters, pattern[1:])) if isinstance(pattern, tuple) else set()


def kind_of(pattern: Pattern, kinds: dict[str, Kind]) -> Kind | None:
    """The kind of a pattern for given kinds of its letters; None if it is invalid."""
    if isinstance(pattern, str):
        return Kind.SCALAR if pattern in CONSTANTS else kinds[pattern]
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
