"""What comes of a comparison, before any statistics.

Letters for shapes: R tuning runs, N draws, S seeds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, stdev

from search.comparing.trial import Measured

Table = Sequence[Sequence[float]]
"""[R][S] a value for each tuning run and seed."""


@dataclass(frozen=True)
class RunResult:
    """One tuning run of an optimizer on a condition."""

    draws: tuple[float, ...]  # [N] fitness on validation, one seed each
    values: Mapping[str, float]  # the constants that were chosen
    validation: float  # mean over the tuning seeds: biased upwards, it was chosen by it
    edges: Mapping[str, str]  # constants at an end of their range, and which
    finals: tuple[Measured, ...]  # [S] on fresh seeds, fitness on the test split

    @property
    def test(self) -> float:
        """Mean test fitness; -inf where any seed has none."""
        return mean([one.fitness for one in self.finals])

    @property
    def failed(self) -> int:
        """Seeds without a fitness."""
        return sum(not math.isfinite(one.fitness) for one in self.finals)

    def measure(self, name: str) -> float:
        """Mean of a measure over the seeds; NaN where any has none."""
        values = [one.measures.get(name, math.nan) for one in self.finals]
        return fmean(values) if values else math.nan

    def curve(self) -> list[tuple[int, float]]:
        """(steps done, mean fitness) on the way, as far as all seeds went."""
        curves = [one.curve for one in self.finals]
        length = min(map(len, curves), default=0)
        return [(curves[0][i][0], mean([curve[i][1] for curve in curves])) for i in range(length)]


@dataclass(frozen=True)
class OptimizerResult:
    """All tuning runs of an optimizer on a condition."""

    name: str
    runs: tuple[RunResult, ...]  # [R]

    @property
    def tests(self) -> list[float]:
        """[R] mean test fitness."""
        return [run.test for run in self.runs]

    def table(self, measure: str = "") -> Table:
        """[R][S] test fitness, or a measure; NaN where it has none."""
        return [
            [one.measures.get(measure, math.nan) if measure else one.fitness for one in run.finals]
            for run in self.runs
        ]

    @property
    def failed(self) -> int:
        """Final trainings without a fitness."""
        return sum(run.failed for run in self.runs)

    @property
    def trainings(self) -> int:
        """Final trainings."""
        return sum(len(run.finals) for run in self.runs)

    def measures(self, name: str) -> list[float]:
        """[R] means of a measure."""
        return [run.measure(name) for run in self.runs]

    def measure(self, name: str) -> float:
        """The mean of a measure; NaN if there is none."""
        return fmean(self.measures(name))

    def fact(self, name: str) -> float:
        """What is the same for all trainings, of any that measured it; NaN: none did."""
        finals = (final for run in self.runs for final in run.finals)
        return next((one.measures[name] for one in finals if name in one.measures), math.nan)

    @property
    def seed_deviation(self) -> float:
        """Standard deviation of test fitness between seeds, within tuning runs; NaN: not known."""
        spreads = []
        for run in self.runs:
            fitness = [one.fitness for one in run.finals if math.isfinite(one.fitness)]
            spreads += [stdev(fitness) ** 2] if len(fitness) > 1 else []
        return math.sqrt(fmean(spreads)) if spreads else math.nan


@dataclass(frozen=True)
class HeatMap:
    """Fitness over a grid of two constants."""

    optimizer: str
    constants: tuple[str, str]  # across, up
    across: tuple[float, ...]
    up: tuple[float, ...]
    fitness: tuple[tuple[float, ...], ...]  # [up, across] mean over seeds, on validation


@dataclass(frozen=True)
class ConditionResult:
    """All optimizers on one condition, in the order of the config."""

    label: str
    series: str  # the label without the batch size
    batch_size: int | None
    optimizers: tuple[OptimizerResult, ...]
    seconds_per_step: Mapping[str, float] = field(default_factory=dict)
    heat_maps: tuple[HeatMap, ...] = ()

    def optimizer(self, name: str) -> OptimizerResult:
        return next(one for one in self.optimizers if one.name == name)

    @property
    def steps(self) -> int:
        """Of a training; 0 where none ended."""
        return int(self._fact("steps"))

    @property
    def parameters(self) -> int:
        """Weights; 0 where no training ended."""
        return int(self._fact("parameters"))

    def _fact(self, name: str) -> float:
        facts = (one.fact(name) for one in self.optimizers)
        return next((fact for fact in facts if not math.isnan(fact)), 0.0)


def mean(values: Sequence[float]) -> float:
    """The mean; -inf where any value is not finite or there is none."""
    return fmean(values) if values and all(map(math.isfinite, values)) else -math.inf
