"""Which states an optimizer has to remember: the one place that says how they are counted.

A state is needed where an update, now or later, reads what a step has left in it, and not where
each step assigns it before it is read: `v = square(m)` as a step begins costs no memory, so AdamW
with that line has one state, a damped sign `m / sqrt(c m'^2 + (1 - c) g^2)`. As a step ends the
same line does, though v could be computed anew from m: the program, its simplified form and its
exports store v, and what is computed anew from zeros is not always the zero that a state begins
with (`cos(m)`).

`sign(m / sqrt(v))` is `sign(m)`, whatever v is: a program that takes it needs one state, though the
text reads two. Rewriting programs to see that takes a simplifier seconds; here the statements are
gone through once, backwards from the update, and of what only a sign is taken of, factors and
divisors that are not negative are left out. Not exact where a divisor is infinite or its guard
decides.
"""

from __future__ import annotations

from programs.abstract import Analysis, reaching
from programs.function import NONNEGATIVE, SIGN_KEEPING
from programs.functions import FUNCTIONS
from programs.program import OUTPUT, Argument, Program

_OF_NONNEGATIVE = frozenset({"add", "multiply", "divide", "maximum", "minimum"})


def needed_states(analysis: Analysis) -> tuple[int, ...]:
    """Indices of the states that any update, now or later, depends on (see above)."""
    program = analysis.program
    if not any(program.statements[i].function == "sign" for i in analysis.live):
        return reaching(analysis)[0]
    return _Backwards(program).states()


class _Backwards:
    """Goes back from the update to the states."""

    def __init__(self, program: Program):
        self._program = program
        self._needed: set[str] = set()
        self._seen: set[tuple[int, bool]] = set()  # statements, and whether for their sign alone

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
            if name in self._program.states:
                self._needed.add(str(name))
            return
        if (index, False) in self._seen or (index, sign_alone) in self._seen:
            return
        self._seen.add((index, sign_alone))
        statement = self._program.statements[index]
        arguments = statement.arguments
        if statement.function == "sign":
            self._ask(arguments[0], index, sign_alone=True)
            return
        if sign_alone and (kept := self._of_same_sign(index)) is not None:
            self._ask(arguments[kept], index, sign_alone=True)
            return
        for argument in arguments:
            self._ask(argument, index, sign_alone=False)

    def _of_same_sign(self, index: int) -> int | None:
        """The argument that has the statement's sign, or the opposite one; None: none has."""
        statement = self._program.statements[index]
        properties = FUNCTIONS[statement.function].properties
        if statement.function == "negative" or SIGN_KEEPING in properties:
            return 0
        if statement.function not in ("multiply", "divide"):
            return None
        x, y = statement.arguments
        if self._is_known(y, index):
            return 0
        return 1 if statement.function == "multiply" and self._is_known(x, index) else None

    def _is_known(self, argument: Argument, before: int) -> bool:
        """Whether the sign of a factor or divisor is the same at all times."""
        if not isinstance(argument, str):
            return argument != 0
        return self._is_nonnegative(argument, before)

    def _is_nonnegative(self, argument: Argument, before: int) -> bool:
        if not isinstance(argument, str):
            return argument >= 0
        index = self._assigned(argument, before)
        if index is None:
            return argument == "lr"
        statement = self._program.statements[index]
        properties = FUNCTIONS[statement.function].properties
        if NONNEGATIVE in properties:
            return True
        if statement.function in _OF_NONNEGATIVE or SIGN_KEEPING in properties:
            return all(self._is_nonnegative(one, index) for one in statement.arguments)
        return False
