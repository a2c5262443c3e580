"""Whether a removal is harmless: a non-inferiority test against the best program so far."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import groupby

import numpy as np

from programs import Program
from search.config.selection import AblationSettings
from search.selection.comparison import Comparison, compare, tolerance, worst_case
from search.selection.objective import Objective, fitness_table

HOPELESS = 3.0  # a mean loss of so many tolerances on the first seeds ends a removal's test

Cases = Sequence[tuple[int, str]]
"""Seeds with the split that each is scored on."""


class Untrainable(ValueError):
    """A program that does not train on the tasks, so that nothing can be measured on it."""


class Verdict(Enum):
    """What came of a removal."""

    ACCEPTED = "accepted: not worse by the tolerance on any task"
    WORSE = "worse by more than the tolerance"
    NOT_SHOWN = "not shown to be harmless: the interval reaches below the tolerance"
    HOPELESS = "given up: far worse on the first seeds, or without a fitness there"
    UNCONFIRMED = "reverted: not confirmed on fresh seeds, which now join the evidence"
    TAKEN_BACK = "not confirmed on fresh seeds: the last of them is taken back"
    CONFIRMED = "confirmed on fresh seeds and the meta-validation split"


@dataclass(frozen=True)
class TaskComparison:
    """A program on one task beside the reference that it comes out worst against."""

    task: str
    comparison: Comparison
    reference: str  # START or BEST


START, BEST = "start", "best so far"


class Judge:
    """Compares programs, on given cases, with the start and with the best so far on each task.

    The best so far is the start, or the last program that was shown to be better than the best
    before it. So what one removal gains on a task no other may lose again.
    """

    def __init__(
        self,
        start: Program,
        objective: Objective,
        *,
        cases: Cases,
        settings: AblationSettings,
        best: Mapping[str, Program] | None = None,
        tolerance: Mapping[str, float] | None = None,
    ):
        """best: by task, the start if none; tolerance: by task, from the start's fitness if none.

        Raises Untrainable when the tolerance is asked for and the start has no fitness on a seed.
        """
        self._start, self._objective = start, objective
        self.cases, self.settings = list(cases), settings
        self.best = dict(best or dict.fromkeys(objective.tasks, start))
        self.asked = 0  # trainings
        self._known: dict[tuple[Program, str], np.ndarray] = {}  # by program and task, [cases]
        self.tolerance = tolerance or self._tolerances()

    def verdict(self, program: Program) -> tuple[Verdict, tuple[TaskComparison, ...]]:
        """What a program is; its comparisons end at the first task that decides."""
        scouted = self._compared(program, min(self.settings.scout_seeds, len(self.cases)))
        for on_task in scouted:
            one = on_task.comparison
            if one.failed or one.mean < -HOPELESS * self.tolerance[on_task.task]:
                return Verdict.HOPELESS, scouted
        measured = self._compared(program, len(self.cases))
        last = measured[-1].comparison
        if len(measured) == len(self._objective.tasks) and last.low > last.margin:
            return Verdict.ACCEPTED, measured
        if last.failed or last.high < last.margin:
            return Verdict.WORSE, measured
        return Verdict.NOT_SHOWN, measured

    def accept(self, program: Program) -> None:
        """Makes it the best so far on each task where it is shown to be better than the best."""
        for task, best in self.best.items():
            ours, theirs = (self._fitness(p, task, len(self.cases)) for p in (program, best))
            if compare(ours, theirs, level=self.settings.level, sign_flip=False).low > 0:
                self.best[task] = program

    def _compared(self, program: Program, count: int) -> tuple[TaskComparison, ...]:
        """On the first `count` cases; all cases: up to the first task that decides."""
        measured = []
        for task in self._objective.tasks:
            measured.append(self._on_task(program, task, count))
            last = measured[-1].comparison
            if count == len(self.cases) and not last.low > last.margin:
                break
        return tuple(measured)

    def _on_task(self, program: Program, task: str, count: int) -> TaskComparison:
        ours, margin = self._fitness(program, task, count), -self.tolerance[task]
        references = {START: self._start} | (
            {BEST: self.best[task]} if self.best[task] != self._start else {}
        )
        comparisons = {
            name: compare(
                ours,
                self._fitness(reference, task, count),
                level=self.settings.level,
                margin=margin,
                sign_flip=False,
            )
            for name, reference in references.items()
        }
        worst = worst_case(list(comparisons.values()))
        return TaskComparison(task, worst, next(n for n, c in comparisons.items() if c is worst))

    def _fitness(self, program: Program, task: str, count: int) -> np.ndarray:
        """[count] by case, of the first `count`."""
        known = self._known.get((program, task), np.empty(0))
        parts = [known]
        for split, cases in groupby(self.cases[len(known) : count], key=lambda case: case[1]):
            seeds = [seed for seed, _ in cases]
            table = fitness_table(
                self._objective.score, [program], tasks=[task], seeds=seeds, split=split
            )
            parts.append(table[0, 0])
            self.asked += len(seeds)
        self._known[program, task] = np.concatenate(parts)
        return self._known[program, task][:count]

    def _tolerances(self) -> dict[str, float]:
        by_task = {
            task: self._fitness(self._start, task, len(self.cases)).tolist()
            for task in self._objective.tasks
        }
        if not all(math.isfinite(value) for fitness in by_task.values() for value in fitness):
            raise Untrainable("the program to ablate does not train on all seeds of the ablation")
        return {task: tolerance(fitness, self.settings) for task, fitness in by_task.items()}
