"""What comes of a funnel: its stages, and each program in them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import fmean
from typing import NamedTuple

from programs import Program, analyse
from programs.memory import needed_states
from search.config.selection import FINALS_STAGE
from search.selection.comparison import Comparison


@dataclass(frozen=True)
class StageEntry:
    """One program in one stage."""

    name: str
    program: Program  # with the constants that this stage's tuning gave it, or the stage before
    # [pairs] on fresh seeds, mean over tasks; a candidate's are those of the look that counts
    fitness: tuple[float, ...]
    against: Comparison | None  # with the strongest baseline; None for a baseline
    baseline: str = ""  # that baseline's name
    # Of `against`, at the look with the smallest, times the looks; in the finals adjusted for all.
    p: float = 1.0
    promoted: bool = False
    worse_on: str = ""  # the task that `against` is of, if it is clearly worse on one
    by_baseline: Mapping[str, Comparison] = field(default_factory=dict)  # on the mean over tasks

    @property
    def need_not_beat(self) -> list[str]:
        """The baselines that it may be worse than by a margin, since it needs fewer states."""
        return [name for name, one in self.by_baseline.items() if one.is_non_inferiority]

    @property
    def margin(self) -> float:
        """Below 0: minus what it may be worse by than these."""
        return min([0.0, *(one.margin for one in self.by_baseline.values())])

    @property
    def shown(self) -> float | None:
        """It is above the margin of each baseline by this at least; None for a baseline."""
        return min((one.low - one.margin for one in self.by_baseline.values()), default=None)

    @property
    def rival(self) -> str:
        """What it comes out worst against."""
        return f"{self.baseline} on {self.worse_on}" if self.worse_on else self.baseline

    @property
    def mean(self) -> float:
        return fmean(self.fitness) if all(map(math.isfinite, self.fitness)) else -math.inf

    @property
    def states(self) -> int:
        """How many states it needs."""
        return states_of(self.program)


@dataclass(frozen=True)
class StageResult:
    """What came of one stage: entries and baselines, each the best first."""

    name: str
    tasks: tuple[str, ...]
    level: float
    beat: bool  # whether only those that beat every baseline were promoted
    entries: tuple[StageEntry, ...]
    baselines: tuple[StageEntry, ...]
    weights: tuple[float, ...] | None = None  # of the tasks; None: all equal
    unit: str = "seeds"  # what is compared in pairs: these, or "tunings"

    @property
    def promoted(self) -> tuple[StageEntry, ...]:
        return tuple(entry for entry in self.entries if entry.promoted)

    @property
    def going_on(self) -> tuple[NamedProgram, ...]:
        """The promoted programs as the stage tuned them."""
        return tuple(NamedProgram(entry.name, entry.program) for entry in self.promoted)


@dataclass(frozen=True)
class FunnelResult:
    """All stages; none if every candidate was a baseline with other constants."""

    stages: tuple[StageResult, ...]
    variants: tuple[str, ...] = ()  # what was a baseline with other constants

    @property
    def confirmed(self) -> tuple[StageEntry, ...]:
        """Better than every baseline, tuned alike, on fresh seeds, or not worse than those that
        need more states by more than the margin for that; the best first."""
        return next((stage.promoted for stage in self.stages if stage.name == FINALS_STAGE), ())


class NamedProgram(NamedTuple):
    name: str
    program: Program


def states_of(program: Program) -> int:
    """How many of a program's states any later update depends on: its memory, in weights. The sign
    of a quotient needs no positive divisor, see programs/memory.py."""
    return len(needed_states(analyse(program)))
