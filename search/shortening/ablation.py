"""Removing from a program what makes no measurable difference to training.

    start -> removals -> few seeds: hopeless? -> all seeds: not worse by the tolerance on any task
    than the start and than the best so far? -> accept it, simplify, again -> confirm on fresh seeds

A removal is acceptable when the interval of its paired difference in fitness lies above -tolerance
on each task (a non-inferiority test: what is not shown to be harmless stays). The difference is to
the *start*, not to the program before it, so small losses cannot add up, and to the best program so
far where one was shown to be better than the start, so a gain is not lost again. A wrong
acceptance, a true loss above the tolerance, has a chance of at most `level` for each removal that
is tried. The first acceptable one in the program's order is accepted. The result is tried again on
fresh seeds and the meta-validation split; where it fails, these seeds join the evidence and the
ablation starts over.

Chen et al. 2023, section 2.3, instead went on evolving with insertion off; see
evolution_without_insertion.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from programs import Program
from search.config.selection import AblationSettings
from search.evaluation.request import META, SEARCH
from search.evaluation.seeds import FINAL_ABLATION, AblationSeeds
from search.selection.objective import Objective
from search.selection.tuning import tune
from search.shortening.judge import Judge, TaskComparison, Verdict
from search.shortening.removals import Removal, Simplify, are_twins, peephole, removals

ROUNDS = 3  # of ablation and confirmation


@dataclass(frozen=True)
class Change:
    """One removal that was tried, for the certificate."""

    what: str
    before: Program
    after: Program
    verdict: Verdict
    by_task: tuple[TaskComparison, ...]


@dataclass(frozen=True)
class Ablation:
    """A program without what makes no measurable difference, and how it came about."""

    start: Program
    program: Program
    original: Program | None  # `program` with the constants that came in; None: not known
    tolerance: Mapping[str, float]  # by task, in units of its fitness
    changes: tuple[Change, ...]  # in order of trial
    trainings: int  # asked for, but for those of the tuning
    removed: tuple[str, ...]  # what of the accepted removals is in `program`


@dataclass(frozen=True)
class AcceptedStep:
    """The start, or the program after a removal that was accepted, simplified."""

    program: Program
    original: Program | None  # the same with the constants that came in; None: not known
    best: Mapping[str, Program]  # by task, the best so far: what later removals must not fall below
    removed: str = ""  # what was removed; nothing at the start


def ablate(
    program: Program,
    objective: Objective,
    *,
    settings: AblationSettings,
    original: Program | None = None,
    proposal: Program | None = None,
    seeds: AblationSeeds = FINAL_ABLATION,
    simplify: Simplify = peephole,
    show: Callable[[Change], None] = lambda _: None,
) -> Ablation:
    """The program without what makes no measurable difference on the tasks.

    Args:
      program: the start; its constants should be good ones for the tasks, since a part can only
        show its use in a program that trains well.
      objective: it should remember trainings, since seeds come up again.
      original: the start with the constants that it had before they were tuned.
      proposal: a shorter program from elsewhere, tried as if it were a removal.
      seeds: on which removals are tried and confirmed.
      simplify: exact simplification after each removal that is accepted.
      show: called with each removal that was tried.

    Raises:
      Untrainable: the program has no fitness on some seed.
    """
    changes: list[Change] = []

    def note(change: Change) -> None:
        changes.append(change)
        show(change)

    first = [Removal("evolution without insertion", proposal)] if proposal is not None else []
    cases = [(s, SEARCH) for s in seeds.removals.take(settings.seeds, block=seeds.block)]
    tuning = seeds.tuning.take(settings.retuning.seeds, block=seeds.block)
    judge = Judge(program, objective, cases=cases, settings=settings)
    allowed, asked = judge.tolerance, 0
    start = AcceptedStep(program, original, dict(judge.best))
    for again in range(ROUNDS):
        skip = again * settings.confirm_seeds
        confirming = seeds.confirmation.take(settings.confirm_seeds, skip=skip, block=seeds.block)
        fresh = [(s, META) for s in confirming]
        steps = _greedy(
            start, judge, objective, simplify=simplify, first=first, tuning=tuning, note=note
        )
        check = Judge(program, objective, cases=fresh, settings=settings, tolerance=allowed)
        is_last = again == ROUNDS - 1
        otherwise = Verdict.TAKEN_BACK if is_last else Verdict.UNCONFIRMED
        confirmed = _confirmed(steps, check, note, otherwise=otherwise)
        while is_last and not confirmed:  # what is left of it: the first removals
            steps.pop()
            confirmed = _confirmed(steps, check, note, otherwise=otherwise)
        asked += judge.asked + check.asked
        if confirmed:
            break
        cases = [*cases, *fresh]
        judge = Judge(program, objective, cases=cases, settings=settings, tolerance=allowed)
    last, removed = steps[-1], tuple(step.removed for step in steps[1:])
    return Ablation(program, last.program, last.original, allowed, tuple(changes), asked, removed)


def _greedy(
    start: AcceptedStep,
    judge: Judge,
    objective: Objective,
    *,
    simplify: Simplify,
    first: Sequence[Removal],
    tuning: range,
    note: Callable[[Change], None],
) -> list[AcceptedStep]:
    """The start and the programs after each removal that was accepted: the first harmless one in
    the program's order, so that what treats the gradient goes before what is made of it."""
    steps = [start]
    while True:
        step = steps[-1]
        shorter = [r for r in first if len(r.program) < len(step.program)]
        for removal in [*shorter, *removals(step.program)]:
            tried = _tried(
                removal, step.program, judge=judge, objective=objective, tuning=tuning, note=note
            )
            if tried.verdict is Verdict.ACCEPTED:
                judge.accept(tried.after)
                after = simplify(tried.after)
                original = _followed(step.original, removal, after=after, simplify=simplify)
                steps.append(AcceptedStep(after, original, dict(judge.best), tried.what))
                break
        else:
            return steps


def _tried(
    removal: Removal,
    current: Program,
    *,
    judge: Judge,
    objective: Objective,
    tuning: range,
    note: Callable[[Change], None],
) -> Change:
    """What came of a removal, as it is or else with its constants tuned on the seeds `tuning`.

    The start's constants were chosen for a program with the part that is removed. So a removal that
    is not far worse has its constants tuned before it is given up.
    """
    retuning = judge.settings.retuning
    what, after = removal.what, removal.program
    verdict, measured = judge.verdict(after)
    if verdict in (Verdict.WORSE, Verdict.NOT_SHOWN) and retuning.draws > 1:
        note(Change(what, current, after, verdict, measured))
        [tuned] = tune([after], objective, settings=retuning, first_seed=tuning.start)
        what, after = f"{what}, its constants tuned again", tuned.program
        verdict, measured = judge.verdict(after)
    tried = Change(what, current, after, verdict, measured)
    note(tried)
    return tried


def _followed(
    original: Program | None, removal: Removal, *, after: Program, simplify: Simplify
) -> Program | None:
    """The removal and the simplification, from the program with the constants that came in."""
    shorter = removal.with_constants_of(original) if original is not None else None
    if shorter is None:
        return None
    shorter = simplify(shorter)
    return shorter if are_twins(shorter, after) else None


def _confirmed(
    steps: Sequence[AcceptedStep],
    check: Judge,
    note: Callable[[Change], None],
    *,
    otherwise: Verdict,
) -> bool:
    """Whether all removals together, if there are any, are harmless on fresh seeds, too."""
    if len(steps) == 1:
        return True
    last = steps[-1]
    check.best = dict(last.best)
    verdict, measured = check.verdict(last.program)
    confirmed = verdict is Verdict.ACCEPTED
    outcome = Verdict.CONFIRMED if confirmed else otherwise
    note(Change("all removals together", steps[0].program, last.program, outcome, measured))
    return confirmed
