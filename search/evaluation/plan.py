"""Which trainings of a job are run, and which together: the policy of rates, seeds and failures."""

from __future__ import annotations

import itertools
from collections.abc import Generator, Sequence
from typing import TypeAlias

from search.evaluation.fitness import Evaluation, Outcome
from search.evaluation.jobs import Job
from search.evaluation.request import Request

Plan: TypeAlias = Generator[tuple[Request, ...], Sequence[Evaluation], None]
"""Yields requests of which none waits for another's result; is sent their evaluations, in order."""


def plan(job: Job) -> Plan:
    """What of a job is to be run, one group of requests after the other."""
    if job.first_seed_decides:
        yield from _at_best_rate(job)
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


def _at_best_rate(job: Job) -> Plan:
    """All rates on the first seed, then the best of them on the others; where that fails, the next
    best."""
    first, reached = job.seeds[0], {}
    for rate in job.rates:
        total = 0.0
        for request in job.requests:
            if (request.rate, request.seed) != (rate, first):
                continue
            (evaluation,) = yield (request,)
            if evaluation.outcome is not Outcome.COMPLETED:
                break
            total += evaluation.fitness
        else:
            reached[rate] = total
    for rate in sorted(reached, key=lambda rate: -reached[rate]):
        others = [r for r in job.requests if r.rate == rate and r.seed != first]
        if (yield from _up_to_failure(others)):
            return


def _up_to_failure(
    requests: Sequence[Request],
) -> Generator[tuple[Request, ...], Sequence[Evaluation], bool]:
    """One after the other; whether all completed."""
    for request in requests:
        if not _all_completed((yield (request,))):
            return False
    return True


def _all_completed(evaluations: Sequence[Evaluation]) -> bool:
    return all(evaluation.outcome is Outcome.COMPLETED for evaluation in evaluations)
