"""Which trainings of a job are run, and which together: the policy of rates, seeds and failures."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Iterator, Sequence
from statistics import fmean
from typing import TypeAlias, TypeVar

from search.evaluation.fitness import Evaluation, Outcome, mean_so_far
from search.evaluation.jobs import Job
from search.evaluation.request import Request

T = TypeVar("T")
Answered: TypeAlias = Generator[tuple[Request, ...], Sequence[Evaluation], T]
Plan: TypeAlias = Answered[None]
"""Yields requests of which none waits for another's result; is sent their evaluations, in order."""


def plan(job: Job) -> Plan:
    """What of a job is to be run, one group of requests after the other."""
    if job.first_seed_decides or job.race:
        yield from _seed_by_seed(job)
        return
    if job.all_rates and not job.stop_at_failure:
        yield job.requests
        return
    for _, requests in itertools.groupby(job.requests, lambda request: request.rate):
        if job.stop_at_failure:
            completed = yield from _up_to_failure(list(requests))
        else:
            completed = _all_completed((yield tuple(requests)))
        if completed and not job.all_rates:
            return


def _seed_by_seed(job: Job) -> Plan:
    """All rates on the first seed, or as many as it takes, then the best of them on one seed after
    the other, as far as the race allows; where one fails, the next best rate."""
    untried, reached = list(job.rates), dict[float, float]()
    while untried or reached:
        while untried and (job.first_seed_decides or not reached):
            rate = untried.pop(0)
            fitness = yield from _on_seed(job, rate, job.seeds[0])
            if fitness is not None:
                reached[rate] = fitness
        if not reached:
            return
        rate = max(reached, key=lambda rate: reached[rate])
        by_seed = [reached.pop(rate)]
        for seed in job.seeds[1:]:
            asked = job.race[len(by_seed) - 1 : len(by_seed)]
            if asked and mean_so_far(by_seed, len(by_seed)) < asked[0]:
                return
            fitness = yield from _on_seed(job, rate, seed)
            if fitness is None:
                break
            by_seed.append(fitness)
        else:
            return


def _on_seed(job: Job, rate: float, seed: int) -> Answered[float | None]:
    """Its fitness over all tasks, one after the other; None where one did not complete."""
    fitness = []
    for request in job.requests:
        if (request.rate, request.seed) != (rate, seed):
            continue
        (evaluation,) = yield (request,)
        if evaluation.outcome is not Outcome.COMPLETED:
            return None
        fitness.append(evaluation.fitness)
    return fmean(fitness, job.weights)


def _up_to_failure(requests: Sequence[Request]) -> Answered[bool]:
    """One after the other; whether all completed."""
    for request in requests:
        if not _all_completed((yield (request,))):
            return False
    return True


def _all_completed(evaluations: Sequence[Evaluation]) -> bool:
    return all(evaluation.outcome is Outcome.COMPLETED for evaluation in evaluations)


def trainings(job: Job, train: Callable[[Request], Evaluation]) -> Iterator[Evaluation]:
    """A job's evaluations one by one, as they are made."""
    steps = plan(job)
    requests = next(steps, ())
    while requests:
        done = []
        for request in requests:
            done.append(train(request))
            yield done[-1]
        try:
            requests = steps.send(done)
        except StopIteration:
            return
