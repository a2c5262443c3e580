"""From an evolved program to a readable one: exact passes, ablation, exact passes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from programs import Program, live_across_steps
from programs.simplify import Simplification, simplify
from search.config.selection import AblationSettings, ShrinkSettings, TuningSettings
from search.evaluation.request import Scorer
from search.evaluation.seeds import ABLATION_TUNING
from search.selection.tuning import Tuned, tune
from search.shortening.ablation import Ablation, ablate
from search.shortening.evolution_without_insertion import shrink


@dataclass(frozen=True)
class Shortened:
    """All that was done to a program, in order."""

    exact: Simplification
    tuned: Tuned | None
    proposal: Program | None  # of evolution without insertion, before its test
    ablation: Ablation
    again: Simplification
    restored: Program | None  # the result with the constants that came in, where they are known
    seconds: float

    @property
    def program(self) -> Program:
        """The result, with the constants it came with where that is possible."""
        return self.again.program if self.restored is None else self.restored

    @property
    def constants(self) -> str:
        """Which constants the result has, in words."""
        if self.restored is not None:
            return "Its constants are those that it came with, not the ones tuned to the tasks."
        if self.tuned is not None:
            return (
                "Its constants are the ones tuned to the tasks: which of those that it came with "
                "stand behind each of them is not known."
            )
        return "Its constants were not tuned."


def shorten(
    program: Program,
    score: Scorer,
    tasks: Sequence[str],
    ablation: AblationSettings | None = None,
    tuning: TuningSettings | None = None,
    shrinking: ShrinkSettings | None = None,
    show: Callable[[str], None] = lambda _: None,
) -> Shortened:
    """Exact passes, tuning, ablation, exact passes again.

    Args:
      tuning: none: the constants are taken as they are.
      shrinking: evolution without insertion proposes a program first, the paper's way; it is taken
        if it passes the same test as a removal.

    Raises:
      InvalidProgram: the program is not valid. ValueError: it does not train on the tasks.
    """
    begin = time.monotonic()
    exact = simplify(program)
    show(f"exact passes: {len(program)} -> {len(exact.program)} statements")
    start, tuned = exact.program, None
    if tuning is not None:
        [tuned] = tune([start], score, tasks, tuning, ABLATION_TUNING.first)
        start = tuned.program
        show(f"tuned: mean fitness {tuned.fitness:.5g} with the best of {tuned.draws} draws")
    proposal = None
    if shrinking is not None:
        proposal = simplify(shrink(start, score, tasks, shrinking)).program
        show(f"evolution without insertion proposes {len(proposal)} statements")
    done = ablate(
        start,
        score,
        tasks,
        ablation,
        lambda p: simplify(p).program,
        lambda change: show(str(change)),
        proposal,
    )
    again = simplify(done.program)
    restored: Program | None = None
    if tuned is not None:
        restored = again.program
        for before, after in ((exact.program, start), *done.retuned)[::-1]:
            restored = restored and with_first_constants(restored, after, before)
    return Shortened(exact, tuned, proposal, done, again, restored, time.monotonic() - begin)


def with_first_constants(final: Program, tuned: Program, first: Program) -> Program | None:
    """`final` with the constants of `first` in place of those of `tuned`, matched by value.

    tuned and first: the same statements with other constants. None where a constant of `final` is
    none of the tuned ones, or could be either of two.
    """
    by_value: dict[str, set[float]] = {}
    for new, old in zip(tuned.constants(), live_across_steps(first).constants()):
        by_value.setdefault(_six_digits(new.value), set()).add(old.value)
    values: list[float] = []
    for constant in final.constants():
        candidates = by_value.get(_six_digits(constant.value), set())
        if len(candidates) != 1:
            return None
        values.extend(candidates)
    return final.with_constants(values)


def _six_digits(number: float) -> str:
    return f"{number:.6g}"
