"""The winner shortened, as far as it stays as good as it was where the funnel ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import NamedTuple

from programs import Program, discovered, library, load
from programs.simplify import Simplification, simplify
from search.config.selection import (
    AblationSettings,
    FunnelSettings,
    TuningSettings,
)
from search.selection.families import is_variant
from search.selection.finalists import Finalist
from search.selection.objective import Objective
from search.selection.results import FunnelResult, NamedProgram, StageEntry, states_of
from search.selection.update_form import UpdateForm, update_form
from search.selection.validation import Validation, validate
from search.shortening.judge import Untrainable
from search.shortening.shorten import ShorteningResult, keeping_half, shorten


@dataclass(frozen=True)
class Winner:
    """The program that a final one is made of."""

    name: str
    program: Program
    confirmed: bool  # by the funnel; else it is the search's best
    margin: float = 0.0  # below 0: what it may be worse by, as it needs fewer states
    stage: str = ""  # not confirmed, but the best there with as many states
    shown: float | None = None  # confirmed to be above the margin by this at least
    larger: tuple[str, ...] = ()  # the baselines that it may be worse than by the margin
    beaten: tuple[str, ...] = ()  # those that it is confirmed to be better than

    def keeping_gain(self, ablation: AblationSettings) -> AblationSettings:
        """The settings with a tolerance that leaves at least half of what was shown."""
        return keeping_half(ablation, self.shown)

    @property
    def states(self) -> int:
        """How many states it needs."""
        return states_of(self.program)


def winners(
    funnel: FunnelResult,
    finalists: Sequence[Finalist],
    *,
    candidates: Sequence[NamedProgram],
    settings: FunnelSettings,
) -> list[Winner]:
    """What final programs are made of: one, or one for each number of states, those first that are
    confirmed, and of these the one that needs the least memory.

    Without a confirmed program it is the search's best finalist; for a number of states, what came
    furthest in the funnel, or else the best finalist or candidate, the one nearest to the baselines
    first.
    """
    confirmed = [_confirmed(entry) for entry in funnel.confirmed]
    unconfirmed = [
        *(
            Winner(f"individual {f.leader.number}", f.leader.program.unfrozen(), False)
            for f in finalists
        ),
        *(Winner(*candidate, False) for candidate in candidates),
    ]
    if settings.memory_margin is None:
        return [*confirmed, *unconfirmed][:1]
    most = max(states_of(load(name)) for name in settings.baselines)

    def asked(winner: Winner) -> Winner:
        """With the margin that it would have had to keep."""
        fewer = not winner.confirmed and winner.states < most
        return replace(winner, margin=-(settings.memory_margin or 0.0)) if fewer else winner

    furthest = [
        Winner(e.name, e.program, False, stage=stage.name)
        for stage in reversed(funnel.stages)
        for e in sorted(stage.entries, key=lambda e: -e.mean)
    ]
    best: dict[int, Winner] = {}
    for winner in (*confirmed, *furthest, *unconfirmed):
        if winner.states <= most:
            best.setdefault(winner.states, winner)
    order = [winner.name for winner in furthest]
    return sorted(
        map(asked, best.values()),
        key=lambda w: (
            not w.confirmed,
            w.states if w.confirmed else (order.index(w.name) if w.stage else len(order)),
        ),
    )


def _confirmed(entry: StageEntry) -> Winner:
    larger = tuple(entry.need_not_beat)
    return Winner(
        entry.name,
        entry.program,
        True,
        entry.margin,
        shown=entry.shown,
        larger=larger,
        beaten=tuple(name for name in entry.by_baseline if name not in larger),
    )


class Route(Enum):
    """How the final program came about."""

    ABLATED = "exact passes and ablation"
    UNTRAINABLE = "exact passes alone: it does not train on all seeds of the ablation"
    WORSE = "exact passes alone: after the ablation it was clearly worse where the funnel ended"


@dataclass(frozen=True)
class Final:
    """What is delivered."""

    program: Program
    route: Route
    exact: Simplification
    shortened: ShorteningResult | None  # None: it could not be ablated
    validation: Validation
    same_as: str | None  # the known program that it is except for its constants

    @property
    def form(self) -> UpdateForm:
        """What kind of update it makes."""
        return update_form(self.program)


class Delivered(NamedTuple):
    """A final program and what it was made of."""

    winner: Winner
    final: Final


@dataclass(frozen=True)
class Conclusion:
    """All that follows a search."""

    funnel: FunnelResult
    delivered: tuple[Delivered, ...]  # one, or one for each number of states, see `winners`
    baselines: tuple[str, ...]  # names of those that the funnel compared with
    earlier: Mapping[str, Sequence[ShorteningResult | Simplification]] = field(default_factory=dict)
    """How candidates were made shorter between the funnel's stages, by name."""

    @property
    def winner(self) -> Winner:
        """What the first final program was made of."""
        return self.delivered[0].winner

    @property
    def final(self) -> Final:
        """The first final program."""
        return self.delivered[0].final


@dataclass(frozen=True)
class Check:
    """Scores programs beside the winner and the baselines as tuned, where the funnel ended."""

    winner: Winner
    baselines: tuple[NamedProgram, ...]
    objective: Objective
    settings: FunnelSettings
    ablation: AblationSettings

    @classmethod
    def of(
        cls,
        winner: Winner,
        funnel: FunnelResult,
        *,
        objective: Objective,
        settings: FunnelSettings,
        ablation: AblationSettings,
    ) -> Check:
        """objective: the search's, for a funnel without stages."""
        ablation = winner.keeping_gain(ablation)
        if not funnel.stages:
            return cls(winner, (), objective.scaled(1), settings, ablation)
        last = funnel.stages[-1]
        baselines = tuple(NamedProgram(entry.name, entry.program) for entry in last.baselines)
        arena = Objective(objective.score, last.tasks, last.weights)
        return cls(winner, baselines, arena, settings, ablation)

    def validated(self, *results: NamedProgram) -> Validation:
        """The winner first, then what was made of it, then the baselines."""
        return validate(
            [NamedProgram("winner", self.winner.program), *results],
            self.baselines,
            objective=self.objective,
            finals=self.settings.finals,
            ablation=self.ablation,
            margins=[self._margin(baseline) for baseline in self.baselines],
        )

    def _margin(self, baseline: NamedProgram) -> float:
        """What the funnel asks of the difference to it."""
        fewer = self.winner.states < states_of(baseline.program)
        return self.winner.margin if fewer and self.winner.margin else self.settings.least_gain


def finish(
    check: Check,
    *,
    objective: Objective,
    tuning: TuningSettings,
    baselines: Sequence[str],
    begin: Callable[[str], None] = lambda _: None,
) -> Final:
    """The winner made short, or after exact passes alone where more makes it clearly worse.

    Args:
      objective: of ablation and tuning, the search's.
      baselines: names of the funnel's.
      begin: called with the name of each phase of trainings.
    """
    program = check.winner.program
    shortened: ShorteningResult | None = None
    try:
        shortened = shorten(program, objective, ablation=check.ablation, tuning=tuning, begin=begin)
        route, exact, result = Route.ABLATED, shortened.exact, shortened.program
    except Untrainable:
        exact = simplify(program)
        route, result = Route.UNTRAINABLE, exact.program
    begin("validation")
    alone = NamedProgram("exact passes alone", exact.program)
    if shortened is None:
        validation = check.validated(alone)
    else:
        validation = check.validated(NamedProgram("final program", result))
        if validation.clearly_worse(1):
            validation = check.validated(NamedProgram("after the ablation", result), alone)
            route, result = Route.WORSE, exact.program
    return Final(result, route, exact, shortened, validation, known_structure(result, baselines))


def known_structure(program: Program, baselines: Sequence[str]) -> str | None:
    """The baseline, or else the library's program, that a program is except for its constants."""
    names = (*baselines, *(f"library:{name}" for name in (*library(), *discovered())))
    return next((name for name in names if is_variant(program, of=load(name))), None)
