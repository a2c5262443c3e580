"""What is asked of workers and what comes back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from programs import Program
from search.evaluation.fitness import Evaluation
from search.evaluation.request import Request


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


def attempt(evaluate: Evaluate, job: Job) -> Result:
    """A job's result; whatever a program brings about is its own failure."""
    try:
        return Result(job, tuple(evaluate(job)))
    except Exception as error:
        text = f"{type(error).__name__}: {str(error)[:200]}".splitlines()[0]
        return Result(job, (), text)
