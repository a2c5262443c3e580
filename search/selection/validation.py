"""The delivered program once more: as good as what it was made of, better than the baselines?

Ablation is judged on the search's small tasks. What comes out is scored on the funnel's last ones,
on fresh seeds and the meta-validation split, beside the winner that it was made of and the
baselines as the funnel tuned them. Nothing is chosen by these scores but whether to fall back.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from search.config.selection import AblationSettings, FinalsSettings
from search.evaluation.request import META
from search.evaluation.seeds import VALIDATION
from search.selection.comparison import Comparison, compare, tolerance
from search.selection.objective import Objective
from search.selection.results import NamedProgram


class Standing(Enum):
    """A program beside the winner that it was made of."""

    WORSE = "clearly worse than the winner"
    AS_GOOD = "not worse than the winner by more than the tolerance"
    UNDECIDED = "not clearly worse than the winner, nor shown to be as good: the seeds are too few"


@dataclass(frozen=True)
class Validation:
    """Programs on fresh seeds: the winner first, then what was made of it, then the baselines."""

    tasks: tuple[str, ...]
    level: float
    tolerance: float  # loss of fitness against the winner that counts as none
    names: tuple[str, ...]
    fitness: tuple[tuple[float, ...], ...]  # [programs, seeds], mean over tasks
    baselines: int  # how many of the programs, the last ones
    margins: tuple[float, ...] = ()  # [baselines] to exceed, as in the funnel

    def difference(self, program: int, other: int) -> Comparison:
        """One program minus another, seed by seed: minus the winner, p is of the hypothesis that
        the program is worse by the tolerance; minus a baseline, that it is not better by more
        than the least gain, or worse by the margin that fewer states have."""
        margin = self.margin(other)
        return compare(self.fitness[program], self.fitness[other], level=self.level, margin=margin)

    def margin(self, other: int) -> float:
        """What the difference to another program must exceed."""
        if other == 0:
            return -self.tolerance
        first = len(self.names) - self.baselines
        return self.margins[other - first] if self.margins and other >= first else 0.0

    def clearly_worse(self, program: int) -> bool:
        """Whether a program is worse than the winner by more than the tolerance, beyond doubt, or
        fails on a seed where the winner does not."""
        difference = self.difference(program, 0)
        pairs = zip(self.fitness[program], self.fitness[0], strict=True)
        failed = any(math.isfinite(winners) and not math.isfinite(own) for own, winners in pairs)
        return failed or difference.high < difference.margin

    def standing(self, program: int) -> Standing:
        """A program beside the winner."""
        if self.clearly_worse(program):
            return Standing.WORSE
        if self.difference(program, 0).p <= self.level:  # by both tests, and so by the interval
            return Standing.AS_GOOD
        return Standing.UNDECIDED


def validate(
    programs: Sequence[NamedProgram],
    baselines: Sequence[NamedProgram],
    *,
    objective: Objective,
    finals: FinalsSettings,
    ablation: AblationSettings,
    margins: Sequence[float] = (),
) -> Validation:
    """Scores programs, the winner first, and baselines on fresh seeds; margins: [baselines]."""
    named = [*programs, *baselines]
    seeds = VALIDATION.take(finals.tunings * finals.seeds)
    table = objective.by_seed([program for _, program in named], seeds, split=META).tolist()
    return Validation(
        tasks=objective.tasks,
        level=finals.level,
        tolerance=tolerance(table[0], ablation),
        names=tuple(name for name, _ in named),
        fitness=tuple(map(tuple, table)),
        baselines=len(baselines),
        margins=tuple(margins),
    )
