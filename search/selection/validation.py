"""The delivered program once more: as good as what it was made of, better than the baselines?

Ablation is judged on the search's small tasks. What comes out is scored on the funnel's last ones,
on fresh seeds and the meta-validation split, beside the winner that it was made of and the
baselines as the funnel tuned them. Nothing is chosen by these scores but whether to fall back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from search.config.selection import AblationSettings, FinalsSettings
from search.evaluation.request import META, Request, Scorer
from search.evaluation.seeds import VALIDATION
from search.selection.comparison import Comparison, compare, mean_over_tasks, tolerance
from search.selection.stages import Named


@dataclass(frozen=True)
class Validation:
    """Programs on fresh seeds: the winner first, then what was made of it, then the baselines."""

    tasks: tuple[str, ...]
    level: float
    tolerance: float  # loss of fitness against the winner that counts as none
    names: tuple[str, ...]
    fitness: tuple[tuple[float, ...], ...]  # [programs, seeds], mean over tasks
    baselines: int  # how many of the programs, the last ones

    def less(self, program: int, other: int) -> Comparison:
        """One program less another, seed by seed."""
        margin = -self.tolerance if other == 0 else 0.0
        return compare(self.fitness[program], self.fitness[other], self.level, margin)

    def clearly_worse(self, program: int) -> bool:
        """Whether a program is worse than the winner by more than the tolerance, beyond doubt, or
        fails where the winner does not."""
        found = self.less(program, 0)
        return found.failed > found.dropped or found.high < found.margin

    def verdict(self, program: int) -> str:
        """A program beside the winner, in words."""
        if self.clearly_worse(program):
            return "clearly worse than the winner"
        if self.less(program, 0).low > -self.tolerance:
            return "not worse than the winner by more than the tolerance"
        return "not clearly worse than the winner, nor shown to be as good: the seeds are too few"


def validate(
    programs: Sequence[Named],
    baselines: Sequence[Named],
    score: Scorer,
    tasks: Sequence[str],
    weights: Sequence[float] | None,
    finals: FinalsSettings,
    ablation: AblationSettings,
) -> Validation:
    """Scores programs, the winner first, and baselines on fresh seeds."""
    seeds = VALIDATION.take(finals.seeds)
    named = [*programs, *baselines]
    asked = [Request(p, task, seed, META) for _, p in named for task in tasks for seed in seeds]
    fitness = iter(score(asked))
    rows = tuple(
        tuple(mean_over_tasks([[next(fitness) for _ in seeds] for _ in tasks], weights))
        for _ in named
    )
    names = tuple(name for name, _ in named)
    allowed = tolerance(rows[0], ablation)
    return Validation(tuple(tasks), finals.level, allowed, names, rows, len(baselines))
