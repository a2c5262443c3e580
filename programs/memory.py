"""Which states an optimizer has to remember: the one place that says how they are counted.

A state is needed where an update, now or later, reads what a step has left in it, and not where
each step assigns it before it is read: `v = square(m)` as a step begins costs no memory, so AdamW
with that line has one state, a damped sign `m / sqrt(c m'^2 + (1 - c) g^2)`. As a step ends the
same line does, though v could be computed anew from m: the program, its simplified form and its
exports store v, and what is computed anew from zeros is not always the zero that a state begins
with (`cos(m)`). A state that is zero for ever, such as one that no statement assigns, is remembered
by nobody. What a program computes twice counts once, so that programs of one functional hash need
the same states.

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

from programs.abstract import Analysis, inputs_of, reaching
from programs.function import NONNEGATIVE, SIGN_KEEPING
from programs.functions import FUNCTIONS
from programs.normal_forms import states_that_may_be_zero
from programs.program import Argument, Statement

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
    functions = {program.statements[i].function for i in analysis.live}
    if functions.isdisjoint(("sign", "subtract")):  # nearly all programs: names are enough
        states = {name: name for name in program.states}
        if not states_that_may_be_zero(program.statements, states):
            return reaching(analysis)[0]
    values = _Values(analysis)
    zeros = states_that_may_be_zero(values.statements.values(), values.next)
    needed = _Backwards(values, zeros).states()
    return tuple(i for i, name in enumerate(program.states) if name in needed)


class _Values:
    """The values of a program's live statements, each with a name of its own.

    statements: by the name of its value; arguments are names of values, states or inputs.
    update: the name of the update. next: by state the name of its next value.
    """

    def __init__(self, analysis: Analysis):
        program = analysis.program
        self.statements: dict[str, Statement] = {}
        names = {digest: name for name, (_, digest, _) in inputs_of(program).items()}
        held = {name: name for name in program.inputs}  # by variable the name of its value
        for i in analysis.live:
            statement, digest = program.statements[i], analysis.values[i][1]
            if digest not in names:
                name = names[digest] = f"value {i}"
                arguments = tuple(held[a] if isinstance(a, str) else a for a in statement.arguments)
                self.statements[name] = Statement(name, statement.function, arguments)
            held[statement.target] = names[digest]
        self.update, *states = (held[name] for name in program.outputs)
        self.next = dict(zip(program.states, states, strict=True))


class _Backwards:
    """Goes back from the update to the states."""

    def __init__(self, values: _Values, zeros: Collection[str]):
        self._values, self._zeros = values, zeros
        self._needed: set[str] = set()
        self._seen: set[tuple[str, bool]] = set()  # values, and whether for their sign alone

    @cached_property
    def _signs(self) -> dict[str, list[_Sign]]:
        return _signs(self._values)

    def states(self) -> set[str]:
        self._ask(self._values.update)
        asked: set[str] = set()
        while asked != self._needed:
            for name in self._needed - asked:
                asked.add(name)
                self._ask(self._values.next[name])
        return self._needed

    def _ask(self, value: Argument) -> None:
        """Notes the states that a value depends on."""
        asked = [(value, False)]  # and whether the sign of a value is all that counts
        while asked:
            name, sign_alone = asked.pop()
            statement = self._values.statements.get(str(name))
            if statement is None:
                if name in self._values.next and name not in self._zeros:
                    self._needed.add(str(name))
                continue
            known = (statement.target, False), (statement.target, sign_alone)
            if not self._seen.isdisjoint(known):
                continue
            self._seen.add((statement.target, sign_alone))
            of_sign = sign_alone or statement.function == "sign"
            kept = self._of_same_sign(statement) if of_sign else None
            arguments = statement.arguments if kept is None else kept
            asked += [(argument, kept is not None) for argument in arguments]

    def _of_same_sign(self, statement: Statement) -> Sequence[Argument] | None:
        """The arguments whose signs make the statement's; None: their sizes do, too."""
        function, arguments = statement.function, statement.arguments
        if function in _KEEP_SIGNS or SIGN_KEEPING in FUNCTIONS[function].properties:
            return arguments[:1]
        signs = self._signs[statement.target]
        if function == "multiply":
            return [x for x, sign in zip(arguments, signs, strict=True) if sign < _Sign.POSITIVE]
        if function == "divide" and (not isinstance(arguments[1], str) or signs[1]):
            return arguments[:1]
        return None


def _signs(values: _Values) -> dict[str, list[_Sign]]:
    """For each value what is known of the arguments it is computed from.

    A state starts at zero, and stays nonnegative if its next value is whenever the states are.
    """
    states = set(values.next)
    while True:
        known = dict.fromkeys(states, _Sign.NONNEGATIVE) | {"lr": _Sign.NONNEGATIVE}
        of_arguments = {}
        for name, statement in values.statements.items():
            of_arguments[name] = [_of(argument, known) for argument in statement.arguments]
            known[name] = _of_call(statement, of_arguments[name])
        negative = {name for name in states if not known.get(values.next[name])}
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
