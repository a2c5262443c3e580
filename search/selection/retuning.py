"""All tunings that a funnel's programs have gone through, once more with other draws and seeds.

A tuning is a search by chance, so what it gives is a matter of luck, as much as of the program: two
tunings of one AdamW differ by more than what a funnel looks for. Only whole tunings that know
nothing of each other tell how much, from the constants that a program came with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from programs import Program
from search.config.selection import TuningSettings
from search.evaluation.seeds import FINALS_TUNING
from search.selection.objective import Expected, Objective
from search.selection.results import NamedProgram
from search.selection.tuning import most_trainings, tune


class Step(NamedTuple):
    """One tuning: on what, and how."""

    objective: Objective
    settings: TuningSettings


class Origin(NamedTuple):
    """Where the tunings of a program began."""

    program: Program
    first: int  # the step that it was tuned by first
    others: tuple[Program, ...] = ()  # the same with other constants, further starting points


@dataclass
class Tunings:
    """The steps of a funnel so far, and where each of its programs came in, by name."""

    steps: list[Step] = field(default_factory=list)
    origins: dict[str, Origin] = field(default_factory=dict)

    def enter(self, named: NamedProgram, *others: Program) -> None:
        """From the next step on this program is tuned, and nothing of what it was before counts."""
        self.origins[named.name] = Origin(named.program, len(self.steps), others)

    def enter_all(self, named: Sequence[NamedProgram]) -> None:
        for one in named:
            self.enter(one)

    def again(
        self, named: Sequence[NamedProgram], numbers: Sequence[int], *, seed: int
    ) -> list[list[Program]]:
        """These programs, tuned anew from where they came in, once for each number.

        numbers: of the repetitions; each has seeds and, with this `seed`, draws of its own. The
        trainings of all are asked for together.
        """
        all_named = [(number, one) for number in numbers for one in named]
        programs = [self.origins[one.name].program for _, one in all_named]
        skip = 0
        for step, (objective, settings) in enumerate(self.steps):
            tuned = [
                i for i, (_, one) in enumerate(all_named) if self.origins[one.name].first <= step
            ]
            seeds = {n: FINALS_TUNING.take(settings.seeds, skip=skip, block=n) for n in numbers}
            results = tune(
                [programs[i] for i in tuned],
                objective,
                settings=settings,
                first_seed=[seeds[all_named[i][0]].start for i in tuned],
                draw_seed=[seed + all_named[i][0] * len(self.steps) + step for i in tuned],
                others=[self._others(all_named[i][1], step) for i in tuned],
            )
            for i, result in zip(tuned, results, strict=True):
                programs[i] = result.program
            skip += settings.seeds
        return [programs[i : i + len(named)] for i in range(0, len(programs), len(named))]

    def expected(self, named: Sequence[NamedProgram]) -> Expected:
        """What one repetition takes at most."""
        most = Expected(0, 0.0)
        for step, (objective, settings) in enumerate(self.steps):
            starts = [
                1 + len(self._others(one, step))
                for one in named
                if self.origins[one.name].first <= step
            ]
            each = objective.expected(sum(most_trainings(settings, count) for count in starts))
            most = Expected(most.trainings + each.trainings, most.compute + each.compute)
        return most

    def _others(self, one: NamedProgram, step: int) -> tuple[Program, ...]:
        origin = self.origins[one.name]
        return origin.others if origin.first == step else ()
