"""Hand-designed optimizers: `optax:adamw(learning_rate=1e-3)` as text, read and never evaluated."""

from __future__ import annotations

import ast
import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import optax

from programs import Program, ProgramError
from programs.suggest import did_you_mean
from search.arguments import program_of

PREFIX = "optax:"
_RATE = "learning_rate"
_NAMES = (
    "adabelief", "adadelta", "adagrad", "adam", "adamax", "adamaxw", "adamw", "adan", "amsgrad",
    "fromage", "lamb", "lars", "lion", "nadam", "nadamw", "novograd", "optimistic_adam_v2",
    "optimistic_gradient_descent", "radam", "rmsprop", "sgd", "sign_sgd", "yogi",
)  # fmt: skip  # those of optax that take a schedule

OPTIMIZERS: dict[str, Callable[..., optax.GradientTransformation]] = {
    name: getattr(optax, name) for name in _NAMES if hasattr(optax, name)
}


@dataclass(frozen=True)
class HandDesigned:
    """One of OPTIMIZERS with its settings.

    learning_rate: the peak; the task's schedule is multiplied by it.
    """

    name: str
    learning_rate: float
    settings: tuple[tuple[str, float | bool], ...] = ()

    def optimizer(self, schedule: optax.Schedule) -> optax.GradientTransformation:
        """The optimizer on a schedule whose peak is 1."""
        rate = self.learning_rate
        return OPTIMIZERS[self.name](lambda step: rate * schedule(step), **dict(self.settings))


def read_program(program: Program | HandDesigned | str | Path) -> Program | HandDesigned:
    """A program from its text, a file, `library:NAME` or `optax:NAME(...)`. Raises ProgramError."""
    if isinstance(program, HandDesigned):
        return program
    if isinstance(program, str) and not program.strip():
        raise ProgramError(f"expected FILE, library:NAME or optax:NAME(...), got {program!r}")
    if isinstance(program, str) and program.startswith(PREFIX):
        return parse_hand_designed(program)
    return program_of(program)


def parse_hand_designed(text: str) -> HandDesigned:
    """Reads `optax:NAME(learning_rate=NUMBER, KEY=NUMBER, ...)`.

    Raises:
      ProgramError: in one line: what is wrong, and what would be right.
    """
    shown = repr(text if len(text) <= 80 else text[:77] + "...")
    example = f"expected {PREFIX}NAME({_RATE}=1e-3, ...)"
    try:
        if len(text) > 1000:
            raise SyntaxError
        call = ast.parse(text.removeprefix(PREFIX).strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ProgramError(f"{shown}: {example}") from None
    if isinstance(call, ast.Name):
        call = ast.Call(call, [], [])
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        raise ProgramError(f"{shown}: {example}")
    name = call.func.id
    if name not in OPTIMIZERS:
        raise ProgramError(
            f"{shown}: no optimizer '{name}'{did_you_mean(name, OPTIMIZERS, or_list=True)}"
        )
    if call.args:
        raise ProgramError(f"{shown}: settings are given by name, as in {_RATE}=1e-3")
    known = [key for key in inspect.signature(OPTIMIZERS[name]).parameters]
    settings: dict[str, float | bool] = {}
    for keyword in call.keywords:
        key = keyword.arg or "**"
        if key not in known:
            raise ProgramError(
                f"{shown}: {name} has no setting '{key}'{did_you_mean(key, known, or_list=True)}"
            )
        if key in settings:
            raise ProgramError(f"{shown}: {key} is given twice")
        settings[key] = _number(keyword.value, key, shown)
    rate = settings.pop(_RATE, None)
    if rate is None or isinstance(rate, bool):
        raise ProgramError(f"{shown}: {_RATE} is missing; {example}")
    hand_designed = HandDesigned(name, rate, tuple(settings.items()))
    try:
        hand_designed.optimizer(lambda step: 1.0)
    except (TypeError, ValueError) as error:
        raise ProgramError(f"{shown}: {str(error).splitlines()[0]}") from None
    return hand_designed


def _number(node: ast.expr, key: str, shown: str) -> float | bool:
    sign = 1
    while isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        node, sign = node.operand, -sign
    value = node.value if isinstance(node, ast.Constant) else None
    if isinstance(value, bool) and sign == 1:
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            if math.isfinite(value):
                return sign * float(value)
        except OverflowError:
            pass
    raise ProgramError(f"{shown}: {key} must be a finite number, True or False")
