"""What all exports are made from: a program with its constants as named, typed hyperparameters."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from programs.abstract import analyse, live_across_steps
from programs.decay import weight_decay
from programs.export.formula import equations, lines
from programs.export.names import check_program, renamed
from programs.hyperparameters import (
    Hyperparameter,
    hyperparameters,
    reads_schedule,
    with_inputs,
)
from programs.program import OUTPUT, Program, Statement

RATE = "lr"
MASK = "decay_mask"
_INPUTS = {"w", "g", RATE, OUTPUT}
_ROLES = {"rate": "learning_rate", "decay": "weight_decay"}
_WIDTH = 92


@dataclass(frozen=True)
class Origin:
    """Where a program is from.

    name: a file, library:NAME, or -. comment: what stands at the head of its text.
    """

    name: str = ""
    comment: str = ""


@dataclass(frozen=True)
class Form:
    """A program ready to be written down.

    Attributes:
      original: as it was given.
      program: without what never reaches an update; its variables have names that are free in the
        generated module, and it reads constants and mask as variables that it does not define.
      unmasked: the same without a mask.
      parameters: hyperparameters by name, with their values; in the order of the text.
      rate: the value of `lr`; None if the program does not read it.
      merged: whether `lr` is the learning rate, since the program only ever reads lr * constant;
        else it is the schedule value, with a peak of 1.
      mask: the variable that weight decay is multiplied by, if there is any to leave out.
    """

    original: Program
    program: Program
    unmasked: Program
    parameters: dict[str, float]
    rate: float | None
    merged: bool
    mask: tuple[str, ...]

    @property
    def states(self) -> tuple[str, ...]:
        return self.program.states


def form_of(
    program: Program,
    *,
    needed: Iterable[str],
    merge_rate: bool,
    masked: Callable[[Program], bool],
    mask: str = MASK,
) -> Form:
    """Prepares a program for a target.

    Args:
      needed: names that the generated module needs for itself.
      merge_rate: whether `lr` becomes the learning rate itself where it can.
      masked: whether the weight decay of a program is multiplied by a variable.
      mask: the name of that variable.

    Raises:
      ProgramError: a name or number in it is none in Python.
    """
    check_program(program)
    live = live_across_steps(program)
    constants = hyperparameters(live)
    names = {h: _role(h) for h in constants}
    merged = _only_rate(live, constants) if merge_rate else None
    rate = 1.0 if reads_schedule(live) else None
    inputs = _INPUTS if rate is not None else _INPUTS - {RATE}
    code = renamed(live, {*needed, *names.values(), MASK, mask, RATE} - inputs)
    variables = {h: name for h, name in names.items() if h != merged}
    masks = (mask,) if masked(live) else ()
    codes = with_inputs(code, variables, *masks), with_inputs(code, variables)
    if merged is not None:
        rate = merged.value
        codes = _without_rate(codes[0], merged), _without_rate(codes[1], merged)
    parameters = {name: h.value for h, name in variables.items()}
    return Form(program, *codes, parameters, rate, merged is not None, masks)


def _role(constant: Hyperparameter) -> str:
    """The name that users of optimizers know it by."""
    word = constant.name.rstrip("0123456789")
    return _ROLES.get(word, word) + constant.name.removeprefix(word)


def has_decay(program: Program) -> bool:
    """Whether a term of its updates is weight decay."""
    return bool(weight_decay(program))


def has_other_decay(program: Program) -> bool:
    """Whether it has weight decay whose factor is no constant, so no hyperparameter to set to 0."""
    decaying = (program.statements[i] for i in weight_decay(program))
    return any(isinstance(a, str) and a != "w" for s in decaying for a in s.arguments)


def _only_rate(program: Program, constants: Iterable[Hyperparameter]) -> Hyperparameter | None:
    """The learning rate, if it is all that the schedule value is read for."""
    rates = [h for h in constants if h.name == "rate"]
    if len(rates) != 1:
        return None
    i = rates[0].statement
    target, later = program.statements[i].target, program.statements[i + 1 :]
    others = [s for s in program.statements[:i] if "lr" in s.arguments]
    if target != "lr":  # then it is lr that is read later, which must still be there
        others += [s for s in later if "lr" in s.arguments or s.target in ("lr", target)]
    return None if others else rates[0]


def _without_rate(code: Program, rate: Hyperparameter) -> Program:
    """The program, in which `lr` stands for lr * constant from the start."""
    i = next(i for i, s in enumerate(code) if {"lr", rate.value} == {*s.arguments})
    target, later = code.statements[i].target, code.statements[i + 1 :]
    if target != "lr":
        later = tuple(_reading_rate(s, target) for s in later)
    return replace(code, statements=code.statements[:i] + later)


def _reading_rate(statement: Statement, name: str) -> Statement:
    arguments = tuple("lr" if a == name else a for a in statement.arguments)
    return replace(statement, arguments=arguments)


_ABOUT = {
    "lr": "the learning rate.",
    "schedule": "the schedule value, with a peak of about 1; the rule has a learning rate inside.",
    "factor": "a factor of the whole update; the rule never reads a learning rate.",
    "learning_rate": "what the schedule value is multiplied by.",
    "weight_decay": "what the weights are multiplied by; 0: no weight decay.",
    "momentum": "what a state is multiplied by.",
    "beta": "the coefficient of an average, (1 - beta) * x + beta * y.",
    "c": "a constant of the rule, by its position.",
    MASK: "whether there is weight decay.",
}


def about(form: Form) -> dict[str, str]:
    """What each scalar of a rule is, `lr` first; those of one role stand together."""
    rate = "factor" if form.rate is None else "lr" if form.merged else "schedule"
    found = {RATE: _ABOUT[rate]}
    roles: dict[str, list[str]] = {}
    for name in form.parameters:
        roles.setdefault(name.rstrip("0123456789"), []).append(name)
    found |= {", ".join(names): _ABOUT[role] for role, names in roles.items()}
    return found | dict.fromkeys(form.mask, _ABOUT[MASK])


def plain(text: str) -> str:
    """Text from a file as one that can stand in a docstring: nothing in it ends or escapes it."""
    text = "".join(c if c.isprintable() or c == "\n" else " " for c in text)
    return text.replace("\\", "\\\\").replace('"""', "'''")


def formula(form: Form) -> str:
    """The equations in plain text, wrapped."""
    found = lines(equations(form.unmasked, tuple(form.parameters)))
    found.append("w[t] = w - update" if form.rate is not None else "w[t] = w - lr * update")
    wrapped = (
        textwrap.fill(line, _WIDTH, initial_indent="    ", subsequent_indent="        ")
        for line in found
    )
    return "\n".join(wrapped)


def listed(descriptions: dict[str, str]) -> str:
    """Descriptions of arguments as they stand in a docstring, indented by 6."""
    rows = (f"{names}: {text}" for names, text in descriptions.items())
    return "\n".join(
        textwrap.fill(row, _WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 8)
        for row in rows
    ).lstrip()


def tuple_of(names: Sequence[str]) -> str:
    """Names as the source of a tuple of strings."""
    inside = ", ".join(f'"{name}"' for name in names)
    return f"({inside},)" if len(names) == 1 else f"({inside})"


def provenance(form: Form, origin: Origin) -> str:
    """Where the program is from, its hash and its text, for a docstring."""
    name = plain(" ".join(origin.name.split())) or "a program"
    digest = analyse(form.original).functional_hash.hex()
    comment = "".join(f"    # {line}\n" for line in plain(origin.comment).splitlines())
    body = textwrap.indent(str(form.original).rstrip(), "    ")
    return f"From {name}, functional hash {digest}:\n\n{comment}{body}"
