"""From an evolved program to a readable one: exact passes, ablation, exact passes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from programs import Program
from programs.simplify import Simplification, simplify
from search.config.selection import AblationSettings, ShrinkSettings, TuningSettings
from search.evaluation.seeds import FINAL_ABLATION, AblationSeeds
from search.selection.families import structure
from search.selection.objective import Objective
from search.selection.tuning import TuningResult, tune
from search.shortening.ablation import Ablation, Change, ablate
from search.shortening.evolution_without_insertion import shrink


class Origin(Enum):
    """Where a shortened program's constants are from."""

    UNTUNED = "Its constants were not tuned."
    ORIGINAL = "It keeps the constants that it came with, not the ones tuned for the ablation."
    TUNED = (
        "It has the constants tuned for the ablation; they cannot be traced back to those that it "
        "came with."
    )


@dataclass(frozen=True)
class ShorteningResult:
    """All that was done to a program, in order."""

    exact: Simplification
    tuned: TuningResult | None
    proposal: Program | None  # of evolution without insertion, before its test
    ablation: Ablation
    again: Simplification
    original: Program | None  # the result with the constants that came in, where they are known

    @property
    def program(self) -> Program:
        """The result, with the constants it came with where that is possible."""
        return self.again.program if self.original is None else self.original

    @property
    def constants(self) -> Origin:
        if self.tuned is None:
            return Origin.UNTUNED
        return Origin.TUNED if self.original is None else Origin.ORIGINAL


Step = Simplification | TuningResult | Program | Change
"""What `shorten` shows: exact passes, tuning, a proposal, a removal that was tried."""


def shorten(
    program: Program,
    objective: Objective,
    *,
    ablation: AblationSettings,
    tuning: TuningSettings | None = None,
    shrinking: ShrinkSettings | None = None,
    seeds: AblationSeeds = FINAL_ABLATION,
    begin: Callable[[str], None] = lambda _: None,
    show: Callable[[Step], None] = lambda _: None,
) -> ShorteningResult:
    """Exact passes, tuning, ablation, exact passes again.

    Args:
      objective: the tasks as they are; `ablation.scale` makes their trainings longer.
      tuning: none, or with one draw: the constants are left as they are.
      shrinking: evolution without insertion proposes a program first, the paper's way; it is
        accepted if it passes the same test as a removal.
      seeds: of tuning and ablation.
      begin: called with the name of each phase of trainings as it begins; show: with each step.

    Raises:
      InvalidProgram: the program is not valid. Untrainable: it does not train on the tasks.
    """
    if ablation.scale != 1:
        objective = objective.scaled(ablation.scale)
    exact = simplify(program)
    show(exact)
    start, tuned = exact.program, None
    if tuning is not None and tuning.draws > 1:
        begin("tuning for the ablation")
        first = seeds.tuning.take(tuning.seeds, block=seeds.block).start
        [tuned] = tune([start], objective, settings=tuning, first_seed=first)
        start = tuned.program
        show(tuned)
    proposal = None
    if shrinking is not None:
        begin("evolution without insertion")
        proposal = simplify(shrink(start, objective, settings=shrinking)).program
        show(proposal)
    begin("ablation")
    done = ablate(
        start,
        objective,
        settings=ablation,
        original=None if tuned is None else tuned.start,
        proposal=proposal,
        seeds=seeds,
        simplify=lambda p: simplify(p).program,
        show=show,
    )
    again = simplify(done.program)
    return ShorteningResult(
        exact=exact,
        tuned=tuned,
        proposal=proposal,
        ablation=done,
        again=again,
        original=_with_first_constants(done, again.program),
    )


def keeping_half(ablation: AblationSettings, shown: float | None) -> AblationSettings:
    """The settings with a tolerance that leaves at least half of a gain."""
    if not shown or shown <= 0:
        return ablation
    most = min(shown / 2, ablation.tolerance_most or shown)
    return ablation.model_copy(update={"tolerance_most": most})


def _with_first_constants(done: Ablation, final: Program) -> Program | None:
    """The final program with the constants that came in; None where they are not known."""
    if done.original is None:
        return None
    original = simplify(done.original).program
    return original if structure(original) == structure(final) else None
