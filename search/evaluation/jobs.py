"""What the driver asks of workers and what comes back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from search.evaluation.fitness import Evaluation
from search.evaluation.request import Thresholds


class Stopped(BaseException):
    """The search was asked to stop, by this signal; all that was told is in the store.

    As KeyboardInterrupt, it is no Exception, so that nobody takes it for a failure.
    """


class Failing(RuntimeError):
    """What fails is not the programs: one line with the cause."""


@dataclass(frozen=True, slots=True)
class Job:
    """One program to evaluate."""

    number: int  # of the individual
    purpose: str  # search, audit or rescore
    program: str
    seeds: tuple[int, ...]
    thresholds: Thresholds = ()


@dataclass(frozen=True, slots=True)
class Result:
    """A job's evaluations, or why there are none."""

    job: Job
    evaluations: tuple[Evaluation, ...]
    failure: str = ""


Evaluate = Callable[[Job], Sequence[Evaluation]]
Factory = Callable[[], Evaluate]  # called once in each worker; holds the compiled trainings


def attempt(evaluate: Evaluate, job: Job) -> Result:
    """A job's result; whatever a program brings about is its own failure."""
    try:
        return Result(job, tuple(evaluate(job)))
    except Exception as error:
        text = f"{type(error).__name__}: {str(error)[:200]}".splitlines()[0]
        return Result(job, (), text)
