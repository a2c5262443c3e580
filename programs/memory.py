"""Which states an optimizer has to remember: the one place that says how they are counted.

A state is needed where an update, now or later, reads what a step has left in it, and not where
each step assigns it before it is read: `v = square(m)` as a step begins costs no memory, so AdamW
with that line has one state, a damped sign `m / sqrt(c m'^2 + (1 - c) g^2)`. As a step ends the
same line does, though v could be computed anew from m: the program, its simplified form and its
exports store v, and what is computed anew from zeros is not always the zero that a state begins
with (`cos(m)`). A state that is zero for ever, such as one that no statement assigns, is remembered
by nobody.

`sign(m / sqrt(v))` is `sign(m)`, whatever v is: a program that takes it needs one state, though the
text reads two. Rewriting programs to see that takes a simplifier seconds; here the statements are
gone through once, backwards from the update. Of what only a sign is taken of, divisors that are not
negative and factors that are positive are left out, and other factors count for their sign alone
(`m * mask` is zero where the mask is). Not exact where a number overflows or underflows, or a
divisor's guard decides.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import IntEnum
from functools import cached_property

from programs.abstract import Analysis, reaching
from programs.function import NONNEGATIVE, SIGN_KEEPING
from programs.functions import FUNCTIONS
from programs.normal_forms import states_that_may_be_zero
from programs.program import OUTPUT, Argument, Program, Statement

_POSITIVE = frozenset({"exp", "exp2", "exp10", "cosh"})
_KEEP_SIGNS = frozenset({"sign", "negative", "sqrt", "cbrt", "cube"})  # or turn them round


class _Sign(IntEnum):
    """What is known of the sign of every number of a variable."""

    UNKNOWN = 0
    NONNEGATIVE = 1
    POSITIVE = 2


def needed_states(analysis: Analysis) -> tuple[int, ...]:
    """Indices of the states that any update, now or later, depends on (see above)."""
    program = analysis.program
    zeros = states_that_may_be_zero(program.statements, program.states)
    if not zeros and not any(program.statements[i].function == "sign" for i in analysis.live):
        return reaching(analysis)[0]
    return _Backwards(program, zeros).states()


class _Backwards:
    """Goes back from the update to the states."""

    def __init__(self, program: Program, zeros: Collection[str]):
        self._program, self._zeros = program, zeros
        self._needed: set[str] = set()
        self._seen: set[tuple[int, bool]] = set()  # statements, and whether for their sign alone

    @cached_property
    def _signs(self) -> list[list[_Sign]]:
        return _signs(self._program)

    def states(self) -> tuple[int, ...]:
        names, end = self._program.states, len(self._program.statements)
        self._ask(OUTPUT, end, sign_alone=False)
        asked: set[str] = set()
        while asked != self._needed:
            for name in sorted(self._needed - asked):
                asked.add(name)
                self._ask(name, end, sign_alone=False)  # its next value
        return tuple(i for i, name in enumerate(names) if name in self._needed)

    def _assigned(self, name: Argument, before: int) -> int | None:
        """The last statement before another that assigns a variable; None: none does."""
        statements = self._program.statements
        return next((i for i in reversed(range(before)) if statements[i].target == name), None)

    def _ask(self, name: Argument, before: int, *, sign_alone: bool) -> None:
        """Notes the states that a variable depends on, as it is before a statement."""
        index = self._assigned(name, before)
        if index is None:
            if name in self._program.states and name not in self._zeros:
                self._needed.add(str(name))
            return
        if (index, False) in self._seen or (index, sign_alone) in self._seen:
            return
        self._seen.add((index, sign_alone))
        statement = self._program.statements[index]
        sign_alone = sign_alone or statement.function == "sign"
        kept = self._of_same_sign(index) if sign_alone else None
        for argument in statement.arguments if kept is None else kept:
            self._ask(argument, index, sign_alone=kept is not None)

    def _of_same_sign(self, index: int) -> Sequence[Argument] | None:
        """The arguments whose signs make the statement's; None: their sizes do, too."""
        statement = self._program.statements[index]
        function, arguments = statement.function, statement.arguments
        if function in _KEEP_SIGNS or SIGN_KEEPING in FUNCTIONS[function].properties:
            return arguments[:1]
        if function == "multiply":
            signs = self._signs[index]
            return [x for x, sign in zip(arguments, signs, strict=True) if sign < _Sign.POSITIVE]
        if function == "divide" and (not isinstance(arguments[1], str) or self._signs[index][1]):
            return arguments[:1]
        return None


def _signs(program: Program) -> list[list[_Sign]]:
    """For each statement what is known of its arguments.

    A state starts at zero, and stays nonnegative if its next value is whenever the states are.
    """
    states = set(program.states)
    while True:
        known = dict.fromkeys(states, _Sign.NONNEGATIVE) | {"lr": _Sign.NONNEGATIVE}
        of_arguments = []
        for statement in program.statements:
            of_arguments.append([_of(argument, known) for argument in statement.arguments])
            known[statement.target] = _of_call(statement, of_arguments[-1])
        negative = {name for name in states if not known[name]}
        if not negative:
            return of_arguments
        states -= negative


def _of(argument: Argument, known: dict[str, _Sign]) -> _Sign:
    if isinstance(argument, str):
        return known.get(argument, _Sign.UNKNOWN)
    return _Sign((argument >= 0) + (argument > 0))


def _of_call(statement: Statement, signs: Sequence[_Sign]) -> _Sign:
    """What is known of a result."""
    function, arguments = statement.function, statement.arguments
    least, most = min(signs, default=_Sign.UNKNOWN), max(signs, default=_Sign.UNKNOWN)
    properties = FUNCTIONS[function].properties
    if function in _POSITIVE:
        return _Sign.POSITIVE
    if function == "multiply" and arguments[0] == arguments[1]:
        return max(least, _Sign.NONNEGATIVE)
    if NONNEGATIVE in properties:
        keeps = function in ("abs", "square", "sqrt")
        return max(least, _Sign.NONNEGATIVE) if keeps else _Sign.NONNEGATIVE
    if function == "maximum":
        return most
    if function == "add":
        return most if least else _Sign.UNKNOWN
    if function == "divide":
        return signs[0] if least else _Sign.UNKNOWN
    if function == "interp":
        weight = arguments[2]
        between = not isinstance(weight, str) and 0 <= weight <= 1
        return min(signs[:2]) if between else _Sign.UNKNOWN
    if function in ("multiply", "minimum"):
        return least
    if function in _KEEP_SIGNS - {"negative"} or SIGN_KEEPING in properties:
        return signs[0]
    return _Sign.UNKNOWN
