"""The three mutations: insert, delete, modify (Chen et al. 2023, section 2.1).

Draws and constants are such that the same generator gives the same child on any machine: see
draws.py; constants are rounded to six significant digits. A mutation that leaves no valid program
is drawn again from the same parent. Frozen statements are neither deleted nor modified; statements
are inserted before, between and behind them.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from programs.abstract import (
    Abstract,
    Analysis,
    InvalidProgram,
    analyse,
    finish,
    inputs_of,
    remove_redundant,
    statement_value,
)
from programs.counted import counted
from programs.draws import standard_normal, uniform_index
from programs.function import Function
from programs.function_draws import FunctionWeights, check_weights, draw_function, of_trees
from programs.functions import FUNCTIONS
from programs.kinds import Kind
from programs.program import (
    MAX_STATEMENTS,
    OUTPUT,
    ZERO_UP_TO,
    Argument,
    Program,
    ProgramError,
    Statement,
)

MAX_CONSTANT = 1e10  # a constant's magnitude, as in the authors' release
MAX_ATTEMPTS = 10_000  # draws from one parent before its mutations are drawn alike, then given up


@dataclass(frozen=True, slots=True)
class MutationOptions:
    """How children are drawn.

    Attributes:
      insert, delete, modify: relative weights of the three mutations; equal in the authors'
        release. They are weights of draws: an invalid child is drawn again, its mutation included,
        as in the paper, where the parent is mutated again until a child is valid. Deletions are
        invalid most often: of AdamW's children 39 % are insertions, 22 % deletions and 39 %
        modifications; of programs of 25 to 40 statements, with more that is redundant, it is
        37, 30 and 33 %. Where MAX_ATTEMPTS draws are invalid, for the heaviest mutation has no
        valid child, those with a weight are drawn alike.
      rescale: chance that a mutated constant is multiplied by 2^a, a ~ N(0, 1), rather than
        replaced by a variable or a new constant. A constant 0 becomes a new constant then.
      max_length: statements a program may have; at the limit nothing is inserted. None:
        MAX_STATEMENTS, the longest program that can be read again.
      max_redundant: redundant statements that a child may have; above it all of them go, but for
        frozen ones, and what it computes stays. None: any number, as in the paper, where they are
        stepping stones.
      mode: "all"; or "constants", to tune the constants that it has and change nothing else (the
        paper's hyperparameter baseline).
      functions: names of the functions that an insertion draws, with their relative weights. None:
        every function of the language, all alike.
    """

    insert: float = 1.0
    delete: float = 1.0
    modify: float = 1.0
    rescale: float = 0.5
    max_length: int | None = None
    max_redundant: int | None = None
    mode: Literal["all", "constants"] = "all"
    functions: FunctionWeights | None = None

    def __post_init__(self) -> None:
        weights = (self.insert, self.delete, self.modify)
        if min(weights) < 0 or not sum(weights) > 0 or not 0 <= self.rescale <= 1:
            raise ValueError(f"weights must be >= 0, not all 0, and rescale in [0, 1]: {self}")
        check_weights(self.functions)


@dataclass(frozen=True, slots=True)
class Mutation:
    """A child and how it came to be.

    kind: "insert", "delete", "modify" or "constant"; attempts: draws until the child was valid.
    """

    program: Program
    analysis: Analysis
    kind: str
    attempts: int


def mutate(
    program: Program,
    rng: random.Random,
    *,
    options: MutationOptions = MutationOptions(),
    analysis: Analysis | None = None,
) -> Mutation:
    """Draws one valid child of `program`.

    Args:
      program: the parent, valid.
      rng: only its `random()` is used.
      options: the distribution.
      analysis: the parent's, to save time.

    Raises:
      ProgramError: no child was found in twice MAX_ATTEMPTS draws, or there is none (e.g. there is
        no constant to tune).
    """
    analysis = analysis or analyse(program)
    for attempt in range(1, 2 * MAX_ATTEMPTS + 1):
        if attempt == MAX_ATTEMPTS + 1:
            options = _evenly(options)
        kind = _draw_kind(program, rng, options)
        child: Analysis | None
        try:
            if kind == "insert":
                child = _insert(program, rng, options=options, analysis=analysis)
            elif kind == "delete":
                child = _delete(program, rng, analysis)
            elif kind == "modify":
                child = _modify(program, rng, options=options, analysis=analysis)
            else:
                child = _rescale(program, rng, analysis)
        except InvalidProgram:
            continue
        if child is not None:
            child = _pruned(child, options.max_redundant)
            return Mutation(child.program, child, kind, attempt)
    raise ProgramError(
        f"no valid child in {2 * MAX_ATTEMPTS} draws with mode '{options.mode}' from a program of "
        f"{counted(len(program), 'statement')}"
    )


def random_program(
    rng: random.Random,
    length: int,
    states: tuple[str, ...] = ("m", "v"),
    *,
    functions: FunctionWeights | None = None,
) -> Program:
    """A valid program of `length` random statements, for random search.

    Statements are drawn one after the other as `mutate` draws the one that it inserts. One of them,
    at an index drawn evenly, is drawn until it gives a whole tree, and assigns it to the update.

    functions: see MutationOptions; one of them at least gives whole trees.
    """
    check_weights(functions)
    for_update = None if functions is None else of_trees(functions)
    check_weights(for_update)
    if not 1 <= length <= MAX_STATEMENTS:
        raise ProgramError(f"a program has 1 to {MAX_STATEMENTS} statements, not {length}")
    program = Program(states, ())
    variables = inputs_of(program)
    index = uniform_index(rng, length)
    statements: list[Statement] = []
    for i in range(length):
        drawn_from = for_update if i == index else functions
        function, arguments, kind = _draw_call(rng, variables, drawn_from)
        while i == index and kind is not Kind.TENSOR:
            function, arguments, kind = _draw_call(rng, variables, drawn_from)
        target = OUTPUT if i == index else _draw_target(rng, kind, variables, taken=variables)
        statements.append(Statement(target, function.name, arguments))
        variables[target] = statement_value(statements[-1], variables, 0)
    return Program(states, tuple(statements))


def _draw_kind(program: Program, rng: random.Random, options: MutationOptions) -> str:
    if options.mode == "constants":
        return "constant"
    longest = MAX_STATEMENTS if options.max_length is None else options.max_length
    insert = 0.0 if len(program) >= min(longest, MAX_STATEMENTS) else options.insert
    if not insert + options.delete + options.modify:
        raise ProgramError(
            f"a program of {counted(len(program), 'statement')} cannot grow any further"
        )
    draw = rng.random() * (insert + options.delete + options.modify)
    if draw < insert:
        return "insert"
    return "delete" if draw < insert + options.delete else "modify"


def _evenly(options: MutationOptions) -> MutationOptions:
    """With the same weight for each mutation that has one."""
    return replace(
        options,
        insert=float(options.insert > 0),
        delete=float(options.delete > 0),
        modify=float(options.modify > 0),
    )


def _insert(
    program: Program, rng: random.Random, *, options: MutationOptions, analysis: Analysis
) -> Analysis:
    """A random statement at a random position."""
    index = uniform_index(rng, len(program) + 1)
    variables = _variables(program, analysis, index)
    function, arguments, kind = _draw_call(rng, variables, options.functions)
    taken = {*program.inputs, *(statement.target for statement in program.statements)}
    target = _draw_target(rng, kind, variables, taken=taken)
    new = Statement(target, function.name, arguments)
    return _replace(program, analysis, variables, start=index, stop=index, new=(new,))


def _pruned(child: Analysis, most: int | None) -> Analysis:
    """Without its redundant statements, if there are too many of them."""
    if most is None or len(child.values) - len(child.live) <= most:
        return child
    return analyse(remove_redundant(child.program, child, keep_frozen=True))


def _delete(program: Program, rng: random.Random, analysis: Analysis) -> Analysis | None:
    """Without a random statement."""
    free = _free(program)
    if not free:
        return None
    index = free[uniform_index(rng, len(free))]
    variables = _variables(program, analysis, index)
    return _replace(program, analysis, variables, start=index, stop=index + 1)


def _modify(
    program: Program, rng: random.Random, *, options: MutationOptions, analysis: Analysis
) -> Analysis | None:
    """Another argument at a random position of a random statement."""
    free = _free(program)
    if not free:
        return None
    index = free[uniform_index(rng, len(free))]
    statement = program.statements[index]
    if not statement.arguments:
        return None
    argument = uniform_index(rng, len(statement.arguments))
    old = statement.arguments[argument]
    new: Argument
    if not isinstance(old, str) and rng.random() < options.rescale:
        new = _rescaled(old, rng)
    else:
        scalar = argument in FUNCTIONS[statement.function].scalar_arguments
        variables = _variables(program, analysis, index)
        new = _draw_argument(rng, variables, scalar=scalar, without=old)
    return _with_argument(program, analysis, index=index, argument=argument, new=new)


def _free(program: Program) -> Sequence[int]:
    """The indices of the statements that may be deleted or modified."""
    if not program.frozen:
        return range(len(program))
    return [i for i, statement in enumerate(program.statements) if not statement.frozen]


def _rescale(program: Program, rng: random.Random, analysis: Analysis) -> Analysis:
    """One of its constants times 2^a."""
    constants = program.free_constants()
    if not constants:
        raise ProgramError("there is no constant to tune in this program")
    constant = constants[uniform_index(rng, len(constants))]
    new = _rescaled(constant.value, rng)
    index, argument = constant.statement, constant.argument
    return _with_argument(program, analysis, index=index, argument=argument, new=new)


def _variables(program: Program, analysis: Analysis, index: int) -> dict[str, Abstract]:
    """What is defined before statement number `index`."""
    variables = inputs_of(program)
    for i in range(index):
        variables[program.statements[i].target] = analysis.values[i]
    return variables


def _replace(
    program: Program,
    analysis: Analysis,
    variables: dict[str, Abstract],
    *,
    start: int,
    stop: int,
    new: tuple[Statement, ...] = (),
) -> Analysis:
    """The program with statements [start:stop] replaced, analysed from there on."""
    statements = program.statements[:start] + new + program.statements[stop:]
    return finish(Program(program.states, statements), variables, list(analysis.values[:start]))


def _with_argument(
    program: Program, analysis: Analysis, *, index: int, argument: int, new: Argument
) -> Analysis:
    """The program with another argument in statement number `index`."""
    changed = program.statements[index].with_argument(argument, new)
    variables = _variables(program, analysis, index)
    return _replace(program, analysis, variables, start=index, stop=index + 1, new=(changed,))


def _draw_call(
    rng: random.Random, variables: dict[str, Abstract], functions: FunctionWeights | None
) -> tuple[Function, tuple[Argument, ...], Kind]:
    """A random function on random arguments that it takes, and the kind of its result."""
    function = draw_function(rng, functions)
    arguments = tuple(
        _draw_argument(rng, variables, scalar=argument in function.scalar_arguments)
        for argument in range(function.arity)
    )
    kinds = tuple(variables[a][0] if isinstance(a, str) else Kind.SCALAR for a in arguments)
    return function, arguments, function.kinds[kinds]


def _draw_argument(
    rng: random.Random,
    variables: dict[str, Abstract],
    *,
    scalar: bool,
    without: Argument | None = None,
) -> Argument:
    """An existing variable (a scalar, if need be) or a new constant, all equally likely."""
    names = [
        name
        for name, value in variables.items()
        if name != without and (value[0] is Kind.SCALAR or not scalar)
    ]
    choice = uniform_index(rng, len(names) + 1)
    return names[choice] if choice < len(names) else _rounded(standard_normal(rng))


def _draw_target(
    rng: random.Random, kind: Kind, variables: dict[str, Abstract], *, taken: Container[str]
) -> str:
    """A new variable or an existing one of the same kind, all equally likely."""
    names = [name for name, value in variables.items() if value[0] is kind]
    choice = uniform_index(rng, len(names) + 1)
    if choice < len(names):
        return names[choice]
    return next(f"v{i}" for i in itertools.count(1) if f"v{i}" not in taken)


def _rescaled(constant: float, rng: random.Random) -> float:
    """Times 2^a, a ~ N(0, 1); of 0, which any factor leaves 0, a new constant a."""
    drawn = standard_normal(rng)
    return _rounded(constant * 2.0**drawn if constant else drawn)


def _rounded(number: float) -> float:
    # Six digits hide the last bits, in which mathematical libraries differ; float32 keeps seven.
    number = max(-MAX_CONSTANT, min(MAX_CONSTANT, float(f"{number:.6g}")))
    return number if abs(number) > ZERO_UP_TO else 0.0
