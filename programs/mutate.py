"""The three mutations: insert, delete, modify (Chen et al. 2023, section 3.1).

A child is drawn from a `random.Random` by its `random()` alone, whose stream Python guarantees, and
new constants are rounded to six significant digits, so the same generator gives the same child on
any machine. A mutation that leaves no valid program is drawn again from the same parent.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Container
from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal

from programs.abstract import (
    Abstract,
    Analysis,
    InvalidProgram,
    analyse,
    finish,
    inputs_of,
    statement_value,
)
from programs.functions import FUNCTIONS, Function
from programs.kinds import Kind
from programs.program import OUTPUT, Argument, Program, ProgramError, Statement

MAX_CONSTANT = 1e10  # a constant's magnitude, as in the authors' release
MAX_ATTEMPTS = 10_000  # draws from one parent before giving up

_FUNCTIONS = tuple(FUNCTIONS.values())


@dataclass(frozen=True, slots=True)
class MutationOptions:
    """How children are drawn.

    Attributes:
      insert, delete, modify: relative weights of the three mutations; equal in the paper.
      rescale: chance that a mutated constant is multiplied by 2^a, a ~ N(0, 1), rather than
        replaced by a variable or a new constant.
      max_length: statements a program may have; at the limit nothing is inserted. None: no limit.
      mode: "all"; "no_insertion", to shrink a program; "constants", to tune the constants that it
        has and change nothing else (the paper's hyperparameter baseline).
    """

    insert: float = 1.0
    delete: float = 1.0
    modify: float = 1.0
    rescale: float = 0.5
    max_length: int | None = None
    mode: Literal["all", "no_insertion", "constants"] = "all"

    def __post_init__(self) -> None:
        weights = (self.insert, self.delete, self.modify)
        if min(weights) < 0 or not sum(weights) > 0 or not 0 <= self.rescale <= 1:
            raise ValueError(f"weights must be >= 0, not all 0, and rescale in [0, 1]: {self}")


@dataclass(frozen=True, slots=True)
class Mutation:
    """A child and how it came to be.

    kind: "insert", "delete", "modify" or "constant"; attempts: draws until the child was valid.
    """

    program: Program
    analysis: Analysis
    kind: str
    attempts: int


def child_rng(seed: int, repeat: int, child: int) -> random.Random:
    """The generator of child number `child` in one repeat of a search: the same on any machine."""
    data = b"%d/%d/%d" % (seed, repeat, child)
    return random.Random(int.from_bytes(blake2b(data, digest_size=8).digest(), "little"))


def mutate(
    program: Program,
    rng: random.Random,
    options: MutationOptions = MutationOptions(),
    analysis: Analysis | None = None,
    is_new: Callable[[bytes], bool] | None = None,
) -> Mutation:
    """Draws one valid child of `program`.

    Args:
      program: the parent, valid.
      rng: only its `random()` is used.
      options: the distribution.
      analysis: the parent's, to save time.
      is_new: on request, draws until this holds for the child's functional hash.

    Raises:
      ProgramError: no child was found in MAX_ATTEMPTS draws (e.g. there is no constant to tune).
    """
    analysis = analysis or analyse(program)
    for attempt in range(1, MAX_ATTEMPTS + 1):
        kind = _draw_kind(program, rng, options)
        child: Analysis | None
        try:
            if kind == "insert":
                child = _insert(program, rng, analysis)
            elif kind == "delete":
                child = _delete(program, rng, analysis)
            elif kind == "modify":
                child = _modify(program, rng, options, analysis)
            else:
                child = _rescale(program, rng, analysis)
        except InvalidProgram:
            continue
        if child is not None and (is_new is None or is_new(child.functional_hash)):
            return Mutation(child.program, child, kind, attempt)
    raise ProgramError(
        f"no {'new ' if is_new else ''}valid child in {MAX_ATTEMPTS} draws with mode "
        f"'{options.mode}' from a program of {len(program)} statements"
    )


def random_program(
    rng: random.Random, length: int, states: tuple[str, ...] = ("m", "v")
) -> Program:
    """A valid program of `length` random statements, for random search.

    Statements are drawn one after the other as `mutate` draws the one that it inserts. One of them,
    at a place drawn evenly, is drawn until it gives a whole tree, and assigns it to the update.
    """
    if length < 1:
        raise ProgramError(f"a program has at least 1 statement, not {length}")
    program = Program(states, ())
    variables = inputs_of(program)
    place = _index(rng, length)
    statements: list[Statement] = []
    for i in range(length):
        function, arguments, kind = _draw_call(rng, variables)
        while i == place and kind is not Kind.TENSOR:
            function, arguments, kind = _draw_call(rng, variables)
        target = OUTPUT if i == place else _draw_target(rng, kind, variables, variables)
        statements.append(Statement(target, function.name, arguments))
        variables[target] = statement_value(statements[-1], variables, 0)
    return Program(states, tuple(statements))


def _draw_kind(program: Program, rng: random.Random, options: MutationOptions) -> str:
    if options.mode == "constants":
        return "constant"
    full = options.max_length is not None and len(program) >= options.max_length
    insert = 0.0 if full or options.mode == "no_insertion" else options.insert
    draw = rng.random() * (insert + options.delete + options.modify)
    if draw < insert:
        return "insert"
    return "delete" if draw < insert + options.delete else "modify"


def _insert(program: Program, rng: random.Random, analysis: Analysis) -> Analysis:
    """A random statement at a random place."""
    place = _index(rng, len(program) + 1)
    variables = _variables(program, analysis, place)
    function, arguments, kind = _draw_call(rng, variables)
    taken = {statement.target for statement in program.statements}
    target = _draw_target(rng, kind, variables, taken)
    return _replace(
        program, analysis, variables, place, place, Statement(target, function.name, arguments)
    )


def _delete(program: Program, rng: random.Random, analysis: Analysis) -> Analysis | None:
    """Without a random statement."""
    if not len(program):
        return None
    place = _index(rng, len(program))
    return _replace(program, analysis, _variables(program, analysis, place), place, place + 1)


def _modify(
    program: Program, rng: random.Random, options: MutationOptions, analysis: Analysis
) -> Analysis | None:
    """Another argument at a random place of a random statement."""
    if not len(program):
        return None
    place = _index(rng, len(program))
    statement = program.statements[place]
    if not statement.arguments:
        return None
    slot = _index(rng, len(statement.arguments))
    old = statement.arguments[slot]
    variables = _variables(program, analysis, place)
    new: Argument
    if not isinstance(old, str) and rng.random() < options.rescale:
        new = _rescaled(old, rng)
    else:
        scalar = slot in FUNCTIONS[statement.function].scalar_slots
        new = _draw_argument(rng, variables, scalar, without=old)
    return _replace(
        program, analysis, variables, place, place + 1, _with_argument(statement, slot, new)
    )


def _rescale(program: Program, rng: random.Random, analysis: Analysis) -> Analysis:
    """One of its constants times 2^a."""
    constants = [
        (place, slot)
        for place, statement in enumerate(program.statements)
        for slot, argument in enumerate(statement.arguments)
        if not isinstance(argument, str)
    ]
    if not constants:
        raise ProgramError("there is no constant to tune in this program")
    place, slot = constants[_index(rng, len(constants))]
    statement = program.statements[place]
    new = _rescaled(statement.arguments[slot], rng)  # type: ignore[arg-type]
    variables = _variables(program, analysis, place)
    return _replace(
        program, analysis, variables, place, place + 1, _with_argument(statement, slot, new)
    )


def _variables(program: Program, analysis: Analysis, place: int) -> dict[str, Abstract]:
    """What is defined before statement number `place`."""
    variables = inputs_of(program)
    for i in range(place):
        variables[program.statements[i].target] = analysis.values[i]
    return variables


def _replace(
    program: Program,
    analysis: Analysis,
    variables: dict[str, Abstract],
    start: int,
    stop: int,
    *new: Statement,
) -> Analysis:
    """The program with statements [start:stop] replaced, analysed from there on."""
    statements = program.statements[:start] + new + program.statements[stop:]
    return finish(Program(program.states, statements), variables, list(analysis.values[:start]))


def _with_argument(statement: Statement, slot: int, new: Argument) -> Statement:
    arguments = statement.arguments
    return Statement(
        statement.target, statement.function, arguments[:slot] + (new,) + arguments[slot + 1 :]
    )


def _draw_call(
    rng: random.Random, variables: dict[str, Abstract]
) -> tuple[Function, tuple[Argument, ...], Kind]:
    """A random function on random arguments that it takes, and the kind of its result."""
    function = _FUNCTIONS[_index(rng, len(_FUNCTIONS))]
    arguments = tuple(
        _draw_argument(rng, variables, slot in function.scalar_slots)
        for slot in range(function.arity)
    )
    kinds = tuple(variables[a][0] if isinstance(a, str) else Kind.SCALAR for a in arguments)
    return function, arguments, function.kinds[kinds]


def _draw_argument(
    rng: random.Random,
    variables: dict[str, Abstract],
    scalar: bool,
    without: Argument | None = None,
) -> Argument:
    """An existing variable (a scalar, if need be) or a new constant, all equally likely."""
    names = [
        name
        for name, value in variables.items()
        if name != without and (value[0] is Kind.SCALAR or not scalar)
    ]
    choice = _index(rng, len(names) + 1)
    return names[choice] if choice < len(names) else _rounded(_normal(rng))


def _draw_target(
    rng: random.Random, kind: Kind, variables: dict[str, Abstract], taken: Container[str]
) -> str:
    """A new variable or an existing one of the same kind, all equally likely."""
    names = [name for name, value in variables.items() if value[0] is kind]
    choice = _index(rng, len(names) + 1)
    if choice < len(names):
        return names[choice]
    return next(f"v{i}" for i in itertools.count(1) if f"v{i}" not in taken)


def _rescaled(constant: float, rng: random.Random) -> float:
    return _rounded(constant * 2.0 ** _normal(rng))


def _rounded(number: float) -> float:
    # Six digits hide the last bits, in which mathematical libraries differ; float32 keeps seven.
    return max(-MAX_CONSTANT, min(MAX_CONSTANT, float(f"{number:.6g}")))


def _index(rng: random.Random, count: int) -> int:
    return int(rng.random() * count)


def _normal(rng: random.Random) -> float:
    """One number from N(0, 1) (Box and Muller), from `random()` alone."""
    radius = math.sqrt(-2.0 * math.log(1.0 - rng.random()))
    return radius * math.cos(2.0 * math.pi * rng.random())
