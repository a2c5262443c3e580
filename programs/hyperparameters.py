"""The constants of a program by the names that a user of optimizers knows, and where they stand.

    rate      a factor of the schedule value, or of what a program makes of it: lr * c, cbrt(lr) * c
    decay     a factor of the weights, w * c, where that product is weight decay (see decay.py)
    momentum  a factor of a state: m * c
    beta      the coefficient of an interpolation: interp(x, y, c)
    c1, c2    any other, by its position among all constants of the program

More than one of a kind are counted, beta1 and beta2 in Adam and Lion.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from programs.decay import weight_decay
from programs.program import Program, Statement


@dataclass(frozen=True, slots=True)
class Hyperparameter:
    """A constant of a program: argument `argument` of statement `statement`, both from 0 on."""

    name: str
    value: float
    statement: int
    argument: int


def hyperparameters(program: Program) -> tuple[Hyperparameter, ...]:
    """The constants in the order of the text, each under a name of its own."""
    constants, decaying = [], weight_decay(program)
    for i, (statement, inputs) in enumerate(zip(program, _roles_before(program))):
        for j, value in enumerate(statement.arguments):
            if not isinstance(value, str):
                role = _role(statement, j, inputs)
                role = "" if role == "decay" and i not in decaying else role
                constants.append((role, value, i, j))
    count, seen, named = Counter(role for role, *_ in constants), Counter[str](), []
    for position, (role, value, i, j) in enumerate(constants, 1):
        seen[role] += 1
        number = "" if count[role] == 1 else str(seen[role])
        named.append(Hyperparameter(f"{role}{number}" if role else f"c{position}", value, i, j))
    return tuple(named)


def _roles_before(program: Program) -> list[Mapping[str, str]]:
    """For each statement the roles of variables: of the inputs that still hold what they came with,
    and of functions of the schedule value alone, before any factor."""
    roles = {"w": "decay", "g": "", "lr": "rate"} | dict.fromkeys(program.states, "momentum")
    before: list[Mapping[str, str]] = []
    for statement in program:
        before.append(dict(roles))
        of = [roles.get(a) for a in statement.arguments if isinstance(a, str)]
        roles.pop(statement.target, None)
        if len(statement.arguments) == 1 and of == ["rate"]:
            roles[statement.target] = "rate"
    return before


def _role(statement: Statement, argument: int, inputs: Mapping[str, str]) -> str:
    if statement.function == "interp" and argument == 2:
        return "beta"
    if statement.function == "multiply":
        other = statement.arguments[1 - argument]
        return inputs.get(other, "") if isinstance(other, str) else ""
    return ""


def reads_schedule(program: Program) -> bool:
    """Whether any statement reads the schedule value `lr`."""
    inputs = _roles_before(program)
    return any("lr" in s.arguments and i.get("lr") == "rate" for s, i in zip(program, inputs))


def with_inputs(
    program: Program, names: Mapping[Hyperparameter, str], decay_mask: str | None = None
) -> Program:
    """The program with constants read from further variables, which it does not define.

    Args:
      names: the variable for each constant that becomes one.
      decay_mask: a variable by which every statement of `weight_decay` is multiplied.
    """
    variables = {(h.statement, h.argument): name for h, name in names.items()}
    masked = weight_decay(program) if decay_mask is not None else ()
    statements = []
    for i, s in enumerate(program):
        arguments = tuple(variables.get((i, j), a) for j, a in enumerate(s.arguments))
        statements.append(Statement(s.target, s.function, arguments))
        if i in masked:
            assert decay_mask is not None
            statements.append(Statement(s.target, "multiply", (s.target, decay_mask)))
    return Program(program.states, tuple(statements))
