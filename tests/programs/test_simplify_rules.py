"""Every row of the table of rewrite rules holds: numerically, and for kinds."""

import itertools
import random
from fractions import Fraction

import numpy as np
import pytest

from programs import Program, Statement, analyse
from programs.functions import FUNCTIONS
from programs.kinds import Kind
from programs.simplify.check import SETTINGS, check
from programs.simplify.egglog_text import rule_text
from programs.simplify.egraph import Rewrites, saturate
from programs.simplify.pattern import (
    CONSTANTS,
    SCALARS,
    VALUES,
    kind_choices,
    letters,
    parse_pattern,
)
from programs.simplify.rules import RULES, Claim, Rule
from programs.simplify.terms import from_program
from programs.simplify.work import Work

# Programs that give a letter a value of some kind. Scalars that divide stay away from 0.
_SOURCES = {
    ("x", Kind.TENSOR): ("multiply", "g", 1.5),
    ("y", Kind.TENSOR): ("add", "w", 0.25),
    ("z", Kind.TENSOR): ("subtract", "g", "w"),
    ("x", Kind.PER_ARRAY): ("norm", "g"),
    ("y", Kind.PER_ARRAY): ("norm", "w"),
    ("z", Kind.PER_ARRAY): ("norm", "z_tensor"),
    ("x", Kind.SCALAR): ("dot", "g", "w"),
    ("y", Kind.SCALAR): ("sin", "lr"),
    ("z", Kind.SCALAR): ("global_norm", "w"),
    ("s", Kind.SCALAR): ("add", "lr", 0.2),
    ("t", Kind.SCALAR): ("multiply", "lr", -0.7),
}


class _Writer:
    """Writes one side of a rule as statements."""

    def __init__(
        self, kinds: dict[str, Kind], constants: dict[str, float], functions: dict[str, str]
    ):
        """functions: what letters are put through that must be nonnegative, or the like."""
        self.statements: list[Statement] = [
            Statement("z_tensor", "subtract", ("g", "w")),
        ]
        self.constants = constants
        for letter, kind in kinds.items():
            if letter not in CONSTANTS:
                function, *arguments = _SOURCES[letter, kind]
                self.statements.append(Statement(letter, function, tuple(arguments)))
                if letter in functions:
                    self.statements.append(Statement(letter, functions[letter], (letter,)))

    def write(self, pattern):
        if isinstance(pattern, Fraction):
            return float(pattern)
        if letters(pattern) <= set(CONSTANTS):
            return _number(pattern, self.constants)  # done on the spot, without the guard
        if isinstance(pattern, str):
            return pattern
        arguments = tuple(self.write(argument) for argument in pattern[1:])
        name = f"v{len(self.statements)}"
        self.statements.append(Statement(name, pattern[0], arguments))
        return name

    def program(self, side: str) -> Program:
        result = self.write(parse_pattern(side))
        # Whatever its kind, it becomes a tree; w * 0 changes no number.
        self.statements.append(Statement("zero", "multiply", ("w", 0.0)))
        self.statements.append(Statement("update", "add", ("zero", result)))
        program = Program((), tuple(self.statements))
        analyse(program)
        return program


def _constants(rule: Rule, count: int):
    """Constants that meet a rule's conditions."""
    names = sorted(letters(parse_pattern(rule.left)) & set(CONSTANTS))
    rng = random.Random(rule.name)
    found: list[dict[str, float]] = []
    draws = itertools.chain(
        # Small and large ones, so that every condition can be met.
        (
            {name: rng.choice([-1, 1]) * 10 ** rng.uniform(-1, 1) for name in names}
            for _ in range(300)
        ),
        (
            {name: rng.choice([-1, 1]) * 10 ** rng.uniform(-9, -3) for name in names}
            for _ in range(300)
        ),
    )
    for values in draws:
        if any("a + b - 1" in condition for condition in rule.when):
            values["b"] = 1 - values["a"]
        if "root(c, a)" in rule.when:
            values["a"] = abs(values["c"]) ** 0.5
        if all(_holds(condition, values) for condition in rule.when):
            found.append(values)
        if len(found) == count:
            break
    assert found, f"no constants meet {rule.when}"
    return found


# A function whose results have the property.
_OF_PROPERTY = {"nonneg": "abs", "positive": "cosh", "unit": "sin", "angle": "arctan"}


def _functions(rule: Rule) -> dict[str, str]:
    conditions = [c.rstrip(")").split("(") for c in rule.when if c.endswith(")")]
    return {letter: _OF_PROPERTY[fact] for fact, letter in conditions if fact in _OF_PROPERTY}


def _holds(condition: str, values: dict[str, float]) -> bool:
    if condition.endswith(")"):  # nonneg(x), known(c)
        return True
    left, operator, right = condition.rsplit(" ", 2)
    number = _number(parse_pattern(left), values)
    bound = float(right)
    return {
        "<": number < bound,
        "<=": number <= bound,
        ">": number > bound,
        ">=": number >= bound,
        "!=": number != bound,
    }[operator]


def _number(pattern, values) -> float:
    if isinstance(pattern, Fraction):
        return float(pattern)
    if isinstance(pattern, str):
        return values[pattern]
    arguments = [np.float64(_number(p, values)) for p in pattern[1:]]
    if pattern[0] == "divide":
        return float(arguments[0] / arguments[1])
    return float(FUNCTIONS[pattern[0]].meaning(np, *arguments))


def _ids(rules):
    return [rule.name for rule in rules]


def test_names_are_distinct_and_every_rule_says_why():
    names = _ids(RULES)
    assert len(set(names)) == len(names)
    assert all(rule.why for rule in RULES)


@pytest.mark.parametrize("rule", RULES, ids=_ids(RULES))
def test_rule_holds_numerically(rule):
    """50 steps, trees of several shapes, magnitudes from 1e-30 to 1e30, every choice of kinds."""
    functions = _functions(rule)
    choices = [kinds for kinds, same in kind_choices(rule) if same]
    assert choices
    tensors = max(choices, key=lambda kinds: sum(kinds.values()))
    some = [tensors, *random.Random(rule.name).sample(choices, min(2, len(choices)))]
    for kinds in some:
        for constants in _constants(rule, 2):
            left, right = (
                _Writer(kinds, constants, functions).program(side)
                for side in (rule.left, rule.right)
            )
            settings = SETTINGS[:1] if rule.rounds else SETTINGS
            result = check(left, right, claim=rule.claim, settings=settings)
            assert result.passed, f"{kinds} {constants}\n{left}\n{right}\n{result.note}"
            if not letters(parse_pattern(rule.left)) & set(CONSTANTS):
                break


@pytest.mark.parametrize("rule", RULES, ids=_ids(RULES))
def test_rule_keeps_kinds(rule):
    """Where a rule would change a kind it must not apply: egglog fails if two kinds are equated."""
    mismatched = [kinds for kinds, same in kind_choices(rule) if not same]
    for kinds in random.Random(rule.name).sample(mismatched, min(2, len(mismatched))):
        program = _Writer(kinds, _constants(rule, 1)[0], {}).program(rule.left)
        others = frozenset(other.name for other in RULES if other is not rule)
        saturate([from_program(program)], Rewrites(tuple(Claim), 1, others), Work(10**7))
    assert ("_kind" in rule_text(rule, "r")) == bool(mismatched)


def test_letters_have_one_meaning():
    for rule in RULES:
        used = letters(parse_pattern(rule.left))
        assert used <= set(CONSTANTS + SCALARS + VALUES)
        defined = {"a"} if "root(c, a)" in rule.when else set()
        assert letters(parse_pattern(rule.right)) <= used | defined
