"""Taking out of a program what makes no measurable difference to training.

    start -> removals -> few seeds: hopeless? -> all seeds: not worse than the start by the
    tolerance, on every task? -> take it, simplify, again -> confirm on fresh seeds

A removal is acceptable when the interval of its paired difference in fitness to the *start*, not
to the program before it, lies above -tolerance on each task (a non-inferiority test: what is not
shown to be harmless stays). So small losses cannot add up, and a wrong acceptance, a true loss
above the tolerance, has a chance of at most `level` for each removal that is tried. The first
acceptable one in the program's order is taken. The result is tried again on fresh seeds and the
meta-validation split; where it fails, these seeds join the evidence and the ablation starts over.

Chen et al. 2023, section 3.4, instead went on evolving with insertion off; see
evolution_without_insertion.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import chain

from programs import Program
from search.config.selection import AblationSettings
from search.evaluation import seeds
from search.evaluation.request import META, SEARCH, Request, Scorer
from search.selection.comparison import Comparison, compare, tolerance
from search.selection.tuning import Tuned, tune
from search.shortening.removals import Removal, Simplify, removals, tidied

HOPELESS = 3.0  # a mean loss of so many tolerances on the first seeds ends a removal's test
ROUNDS = 3  # of ablation and confirmation


class Untrainable(ValueError):
    """A program that does not train on the tasks, so that nothing can be measured on it."""


class Verdict(Enum):
    """What came of a removal."""

    TAKEN = "taken: not worse by the tolerance on any task"
    WORSE = "worse by more than the tolerance"
    NOT_SHOWN = "not shown to be harmless: the interval reaches below the tolerance"
    HOPELESS = "given up: far worse on the first seeds, or without a fitness there"
    UNCONFIRMED = "taken back: not confirmed on fresh seeds, which now join the evidence"
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
    retuned: tuple[tuple[Program, Program], ...]  # before and after, in order, on the way there
    trainings: int  # asked for, but for those of the tuning


Cases = list[tuple[int, str]]  # seeds with the split that each is scored on


class _Judge:
    """Compares programs with the start, on given tasks and cases."""

    def __init__(
        self,
        start: Program,
        score: Scorer,
        tasks: Sequence[str],
        cases: Cases,
        settings: AblationSettings,
        tolerance: Mapping[str, float] | None = None,
    ):
        self.score, self.tasks, self.cases = score, tasks, cases
        self.settings, self.asked = settings, 0
        self._start = {task: self.fitness(start, task, len(cases)) for task in tasks}
        self.tolerance = tolerance or _tolerances(self._start, settings)

    def fitness(self, program: Program, task: str, count: int) -> list[float]:
        """By case, of the first `count`."""
        self.asked += count
        requests = [Request(program, task, seed, split) for seed, split in self.cases[:count]]
        return self.score(requests)

    def compared(self, program: Program, count: int) -> dict[str, Comparison]:
        """With the start, on the first `count` cases; ends at the first task that decides."""
        found = {}
        for task in self.tasks:
            ours = self.fitness(program, task, count)
            theirs, margin = self._start[task][:count], -self.tolerance[task]
            found[task] = compare(ours, theirs, self.settings.level, margin, sign_flip=False)
            if count == len(self.cases) and not found[task].low > margin:
                break
        return found

    def verdict(self, program: Program) -> tuple[Verdict, dict[str, Comparison]]:
        scouted = self.compared(program, min(self.settings.scout_seeds, len(self.cases)))
        for task, comparison in scouted.items():
            if comparison.failed or comparison.mean < -HOPELESS * self.tolerance[task]:
                return Verdict.HOPELESS, scouted
        found = self.compared(program, len(self.cases))
        _, last = list(found.items())[-1]
        if len(found) == len(self.tasks) and not last.failed and last.low > last.margin:
            return Verdict.TAKEN, found
        if last.failed or last.high < last.margin:
            return Verdict.WORSE, found
        return Verdict.NOT_SHOWN, found


def _tolerances(
    by_task: Mapping[str, Sequence[float]], settings: AblationSettings
) -> dict[str, float]:
    """By task, from the start's fitness; raises Untrainable when a seed has no fitness."""
    if not all(map(math.isfinite, chain(*by_task.values()))):
        raise Untrainable(
            "the program to ablate does not train on all seeds, so nothing can be told"
        )
    return {task: tolerance(fitness, settings) for task, fitness in by_task.items()}


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
      score: runs the trainings; it should remember them, since seeds come up again.
      simplify: exact simplification after each removal that is taken.
      show: called with each removal that was tried.
      proposal: a shorter program from elsewhere, tried as if it were a removal.

    Raises:
      ValueError: the program has no fitness on some seed.
    """
    settings = settings or AblationSettings()
    changes: list[Change] = []

    def note(change: Change) -> None:
        changes.append(change)
        show(change)

    first = [Removal("evolution without insertion", proposal)] if proposal is not None else []
    cases: Cases = [(seed, SEARCH) for seed in seeds.ABLATION.take(settings.seeds)]
    judge = _Judge(program, score, tasks, cases, settings)
    allowed, asked = judge.tolerance, 0

    def retune(removed: Program) -> Tuned:
        return tune([removed], score, tasks, settings.retuning, seeds.ABLATION_TUNING.first)[0]

    for again in range(ROUNDS):
        taken = _greedy(program, judge, simplify, first, retune, note)
        count = settings.confirm_seeds
        fresh = [(s, META) for s in seeds.CONFIRMATION.take(count, skip=again * count)]
        check = _Judge(program, score, tasks, fresh, settings, allowed)
        if len(taken) == 1 or _confirmed(taken, check, note):
            break
        cases = [*cases, *fresh]
        asked += judge.asked + check.asked
        judge = _Judge(program, score, tasks, cases, settings, allowed)
    else:  # every round was contradicted: what is left of the last one, the first removals
        taken.pop()
        while len(taken) > 1 and not _confirmed(taken, check, note):
            taken.pop()
    asked += judge.asked + check.asked
    retuned = tuple((t.tuned.start, t.tuned.program) for t in taken if t.tuned is not None)
    return Ablation(program, taken[-1].program, allowed, tuple(changes), retuned, asked)


@dataclass(frozen=True)
class _Taken:
    """The start, or the program after a removal that was taken, simplified."""

    program: Program
    tuned: Tuned | None = None  # if the removal's constants had to be tuned again


def _greedy(
    start: Program,
    judge: _Judge,
    simplify: Simplify,
    first: Sequence[Removal],
    retune: Callable[[Program], Tuned],
    note: Callable[[Change], None],
) -> list[_Taken]:
    """The start and the programs after each removal that was taken: the first harmless one in the
    program's order, so that what treats the gradient goes before what is made of it.

    The start's constants were chosen for a program with the part that is removed. So a removal that
    is not far worse has its own tuned, too, before it is given up.
    """
    taken = [_Taken(start)]
    searching = True
    while searching:
        searching = False
        current = taken[-1].program
        for removal in [*(r for r in first if len(r.program) < len(current)), *removals(current)]:
            what, after, tuned = removal.what, removal.program, None
            verdict, found = judge.verdict(after)
            if verdict in (Verdict.WORSE, Verdict.NOT_SHOWN) and judge.settings.retuning.draws > 1:
                note(Change(what, current, after, verdict, tuple(found.items())))
                what, tuned = f"{what}, its constants tuned again", retune(after)
                after = tuned.program
                verdict, found = judge.verdict(after)
            if verdict is Verdict.TAKEN:
                after = simplify(after)
                taken.append(_Taken(after, tuned))
                searching = True
            note(Change(what, current, after, verdict, tuple(found.items())))
            if searching:
                break
    return taken


def _confirmed(taken: Sequence[_Taken], check: _Judge, note: Callable[[Change], None]) -> bool:
    """Whether all removals together are harmless on fresh seeds, too."""
    last = taken[-1].program
    verdict, found = check.verdict(last)
    confirmed = verdict is Verdict.TAKEN
    said = Verdict.CONFIRMED if confirmed else Verdict.UNCONFIRMED
    note(Change("all removals together", taken[0].program, last, said, tuple(found.items())))
    return confirmed
