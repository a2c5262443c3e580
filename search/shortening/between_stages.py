"""The candidates of a funnel made short before a stage that asks for it, and how that was done."""

from __future__ import annotations

from collections.abc import Callable

from programs import Program
from programs.simplify import Simplification, simplify
from search.config.selection import AblationSettings, TuningSettings
from search.evaluation.seeds import BEFORE_STAGES
from search.selection.objective import Objective
from search.selection.results import NamedProgram
from search.shortening.judge import Untrainable
from search.shortening.shorten import ShorteningResult, keeping_half, shorten


class Shortener:
    """A funnel's `Shorten`. What does not train on the ablation's tasks gets exact passes alone.

    Each time has seeds of its own, none of them the final ablation's, by which a start that earlier
    seeds chose would look too good.
    """

    def __init__(
        self,
        objective: Objective,
        *,
        ablation: AblationSettings,
        tuning: TuningSettings,
        begin: Callable[[str], None] = lambda _: None,
    ):
        """begin: called with the name of each phase of trainings."""
        self._objective, self._begin = objective, begin
        self._ablation, self._tuning = ablation, tuning
        self.steps: dict[str, list[ShorteningResult | Simplification]] = {}  # by candidate

    def __call__(self, candidate: NamedProgram, shown: float | None) -> Program:
        done: ShorteningResult | Simplification
        steps = self.steps.setdefault(candidate.name, [])
        try:
            done = shorten(
                candidate.program,
                self._objective,
                ablation=keeping_half(self._ablation, shown),
                tuning=self._tuning,
                seeds=BEFORE_STAGES._replace(block=len(steps)),
                begin=self._begin,
            )
        except Untrainable:
            done = simplify(candidate.program)
        steps.append(done)
        return done.program
