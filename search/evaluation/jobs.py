"""What is asked of workers and what comes back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from programs import Program
from search.evaluation.fitness import Evaluation
from search.evaluation.request import Request

AUTO = 1024  # jobs that are asked for together where how many fit is not known before


class TooManyFailures(RuntimeError):
    """Too many evaluations failed for reasons unrelated to the programs; one line with the
    reason."""


class Purpose(StrEnum):
    """Why a program is trained; the store keeps it with the evaluation."""

    SEARCH = "search"  # for its fitness in the search
    AUDIT = "audit"  # to the end although it was rejected, for the statistics alone
    RESCORE = "rescore"  # again on fresh seeds, after a round
    META_VALIDATION = "meta"  # on larger tasks, to see overfitting
    TRAINING = "training"  # for the funnel, tuning or ablation


@dataclass(frozen=True, slots=True)
class Job:
    """Trainings of one program that one worker runs one after the other."""

    number: int  # of the individual; of a TRAINING: in order of submission
    purpose: Purpose
    requests: tuple[Request, ...]
    stop_at_failure: bool = False
    """Whether a training that does not complete ends those at the same rate."""
    all_rates: bool = False
    """Whether the next rate is tried after one that completed, too."""
    first_seed_decides: bool = False
    """Whether all rates are tried on the first seed, and only the best of them on the others."""
    race: tuple[float, ...] = ()
    """What the mean over the first 1, 2, ... seeds must be for the next one to be tried."""
    weights: tuple[float, ...] | None = None
    """One for each task of a seed, where its mean decides; none: all equal."""

    @property
    def program(self) -> Program:
        program = self.requests[0].program
        assert isinstance(program, Program)
        return program

    @property
    def rates(self) -> tuple[float, ...]:
        """The different rates, in order."""
        return tuple(dict.fromkeys(request.rate for request in self.requests))

    @property
    def seeds(self) -> tuple[int, ...]:
        """The different seeds, in order."""
        return tuple(dict.fromkeys(request.seed for request in self.requests))


@dataclass(frozen=True, slots=True)
class Result:
    """A job's evaluations, or why there are none."""

    job: Job
    evaluations: tuple[Evaluation, ...]
    failure: str = ""


Evaluate = Callable[[Job], Sequence[Evaluation]]
Factory = Callable[[], Evaluate]  # called once in each worker; holds the compiled trainings


class EvaluateTogether(ABC):
    """An Evaluate that trains many jobs side by side.

    size: jobs that are asked for together, if there are so many.
    """

    size: int

    @abstractmethod
    def __call__(self, job: Job) -> Sequence[Evaluation]: ...

    @abstractmethod
    def together(self, jobs: Sequence[Job]) -> list[Result]:
        """Their results, in order."""


def size_of(evaluate: Evaluate) -> int:
    """How many jobs it evaluates together."""
    return evaluate.size if isinstance(evaluate, EvaluateTogether) else 1


def attempt(evaluate: Evaluate, job: Job) -> Result:
    """A job's result; whatever a program brings about is its own failure."""
    try:
        return Result(job, tuple(evaluate(job)))
    except Exception as error:
        return failed(job, error)


def attempt_together(evaluate: Evaluate, jobs: Sequence[Job]) -> list[Result]:
    """The same for several jobs: side by side where that is what it does."""
    if isinstance(evaluate, EvaluateTogether):
        return evaluate.together(jobs)
    return [attempt(evaluate, job) for job in jobs]


def failed(job: Job, error: Exception) -> Result:
    """The result of a job that raised an error."""
    text = f"{type(error).__name__}: {str(error)[:200]}".splitlines()[0]
    return Result(job, (), text)
