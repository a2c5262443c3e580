"""Taking out of a program what makes no measurable difference to training.

    start -> removals, the shortest first -> few seeds: hopeless? -> all seeds: not worse than the
    start by the tolerance, on every task? -> accept, simplify, again -> confirm on fresh seeds

A removal is accepted when the interval of its paired difference in fitness to the *start*, not to
the program before it, lies above -tolerance on each task (a non-inferiority test: what is not shown
to be harmless stays). So small losses cannot add up, and a wrong acceptance, a true loss above the
tolerance, has a chance of at most `level` for each removal that is tried. The result is tried again
on fresh seeds and the meta-validation split; if it fails there, the removals are taken back one by
one.

Chen et al. 2023, section 3.4, instead went on evolving with insertion off; `search/shrink.py` does
that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from statistics import stdev

from programs import Program
from search.paired import Comparison, compare
from search.removals import Removal, Simplify, removals, tidied
from search.selection import AblationSettings
from search.trainings import META, SEARCH, Request, Scorer

SEARCH_SEEDS, CONFIRM_SEEDS = 2_000, 3_000  # first seeds; a search uses 0, 1, ... and 1000, ...
HOPELESS = 3.0  # a mean loss of so many tolerances on the first seeds ends a removal's test
NO_LESS_THAN = 1e-9  # tolerance when the start's fitness does not vary over seeds


class Verdict(Enum):
    """What came of a removal."""

    ACCEPTED = "not worse by the tolerance on any task"
    WORSE = "worse by more than the tolerance"
    NOT_SHOWN = "not shown to be harmless: the interval reaches below the tolerance"
    HOPELESS = "given up: far worse on the first seeds, or without a fitness there"
    UNCONFIRMED = "taken back: not confirmed on fresh seeds"
    CONFIRMED = "confirmed on fresh seeds and the meta-validation split"


@dataclass(frozen=True)
class Change:
    """One removal that was tried, for the certificate."""

    what: str
    before: Program
    after: Program
    verdict: Verdict
    by_task: tuple[tuple[str, Comparison], ...]  # with the start

    def __str__(self) -> str:
        measured = "; ".join(f"{task}: {comparison}" for task, comparison in self.by_task)
        return f"{self.what}: {self.verdict.value} ({measured})"


@dataclass(frozen=True)
class Ablation:
    """A program without what makes no measurable difference, and how it was found."""

    start: Program
    program: Program
    tolerance: Mapping[str, float]  # by task, in units of its fitness
    changes: tuple[Change, ...]  # in order of trial
    trainings: int  # asked for


class _Judge:
    """Compares programs with the start, on given tasks and seeds."""

    def __init__(
        self,
        start: Program,
        score: Scorer,
        tasks: Sequence[str],
        seeds: Sequence[int],
        settings: AblationSettings,
        split: str = SEARCH,
        tolerance: Mapping[str, float] | None = None,
    ):
        self.score, self.tasks, self.seeds = score, tasks, seeds
        self.settings, self.split, self.asked = settings, split, 0
        self._start = {task: self.fitness(start, task, seeds) for task in tasks}
        self.tolerance = tolerance or {
            task: settings.tolerance or _spread(fitness) * settings.tolerance_sd
            for task, fitness in self._start.items()
        }

    def fitness(self, program: Program, task: str, seeds: Sequence[int]) -> list[float]:
        self.asked += len(seeds)
        return self.score([Request(program, task, seed, self.split) for seed in seeds])

    def compared(self, program: Program, count: int) -> dict[str, Comparison]:
        """With the start, on the first `count` seeds; ends at the first task that decides."""
        found = {}
        for task in self.tasks:
            ours = self.fitness(program, task, self.seeds[:count])
            margin = -self.tolerance[task]
            found[task] = compare(
                ours, self._start[task][:count], self.settings.level, margin, sign_flip=False
            )
            if count == len(self.seeds) and not found[task].low > margin:
                break
        return found

    def verdict(self, program: Program) -> tuple[Verdict, dict[str, Comparison]]:
        few = min(self.settings.scout_seeds, len(self.seeds))
        scouted = self.compared(program, few)
        for task, comparison in scouted.items():
            if comparison.failed or comparison.mean < -HOPELESS * self.tolerance[task]:
                return Verdict.HOPELESS, scouted
        found = self.compared(program, len(self.seeds))
        task, last = list(found.items())[-1]
        if len(found) == len(self.tasks) and not last.failed and last.low > last.margin:
            return Verdict.ACCEPTED, found
        if last.failed or last.high < last.margin:
            return Verdict.WORSE, found
        return Verdict.NOT_SHOWN, found


def _spread(fitness: Sequence[float]) -> float:
    """Standard deviation over seeds; raises ValueError when there is a seed without a fitness."""
    if not all(value > float("-inf") for value in fitness):
        raise ValueError(
            "the program to ablate does not train on all seeds, so nothing can be told"
        )
    return max(stdev(fitness), NO_LESS_THAN) if len(fitness) > 1 else NO_LESS_THAN


def ablate(
    program: Program,
    score: Scorer,
    tasks: Sequence[str],
    settings: AblationSettings | None = None,
    simplify: Simplify = tidied,
    show: Callable[[Change], None] = lambda _: None,
    proposal: Program | None = None,
) -> Ablation:
    """The program without what makes no measurable difference on the tasks.

    Args:
      program: the start; its constants should be good ones for the tasks, since a part can only
        show its use in a program that trains well.
      score: runs the trainings.
      simplify: exact simplification after each accepted removal.
      show: called with each removal that was tried.
      proposal: a shorter program from elsewhere, tried first as if it were a removal.

    Raises:
      ValueError: the program has no fitness on some seed.
    """
    settings = settings or AblationSettings()
    seeds = range(SEARCH_SEEDS, SEARCH_SEEDS + settings.seeds)
    judge = _Judge(program, score, tasks, seeds, settings)
    changes: list[Change] = []
    accepted: list[Program] = [program]

    def note(change: Change) -> None:
        changes.append(change)
        show(change)

    first = []
    if proposal is not None and len(proposal) < len(program):
        first = [Removal("take the program of evolution without insertion", proposal)]
    searching = True
    while searching:
        searching = False
        current = accepted[-1]
        for removal in [*first, *removals(current)]:
            verdict, found = judge.verdict(removal.program)
            after = removal.program
            if verdict is Verdict.ACCEPTED:
                after = simplify(after)
                accepted.append(after)
                searching = True
            note(Change(removal.what, current, after, verdict, tuple(found.items())))
            first = []
            if searching:
                break
    asked = judge.asked
    if len(accepted) > 1:
        asked += _confirm(accepted, score, tasks, settings, judge.tolerance, note)
    return Ablation(program, accepted[-1], judge.tolerance, tuple(changes), asked)


def _confirm(
    accepted: list[Program],
    score: Scorer,
    tasks: Sequence[str],
    settings: AblationSettings,
    tolerance: Mapping[str, float],
    note: Callable[[Change], None],
) -> int:
    """Takes back the last removals until what is left is not worse on fresh seeds either."""
    seeds = range(CONFIRM_SEEDS, CONFIRM_SEEDS + settings.seeds)
    judge = _Judge(accepted[0], score, tasks, seeds, settings, META, tolerance)
    while len(accepted) > 1:
        verdict, found = judge.verdict(accepted[-1])
        confirmed = verdict is Verdict.ACCEPTED
        said = Verdict.CONFIRMED if confirmed else Verdict.UNCONFIRMED
        before, after = accepted[0], accepted[-1]
        note(Change("all removals together", before, after, said, tuple(found.items())))
        if confirmed:
            break
        accepted.pop()
    return judge.asked
