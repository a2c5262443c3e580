"""Which of a job's trainings are made, one after the other, and when it ends."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Iterator
from statistics import fmean

from search.evaluation.fitness import Evaluation, Outcome, mean_so_far
from search.evaluation.jobs import Job
from search.evaluation.request import Request

Train = Callable[[Request], Evaluation]


def trainings(job: Job, train: Train) -> Iterator[Evaluation]:
    """A job's evaluations, as they are made."""
    if job.first_seed_decides or job.race:
        yield from _seed_by_seed(job, train)
        return
    for _, requests in itertools.groupby(job.requests, lambda request: request.rate):
        has_failed = False
        for request in requests:
            evaluation = train(request)
            yield evaluation
            has_failed |= evaluation.outcome is not Outcome.COMPLETED
            if job.stop_at_failure and has_failed:
                break
        if not has_failed and not job.all_rates:
            return


def _seed_by_seed(job: Job, train: Train) -> Iterator[Evaluation]:
    """All rates on the first seed, or as many as it takes, then the best of them on one seed after
    the other, as far as the race allows; where one fails, the next best rate."""
    untried, reached = list(job.rates), dict[float, float]()
    while untried or reached:
        while untried and (job.first_seed_decides or not reached):
            rate = untried.pop(0)
            fitness = yield from _on_seed(job, rate, job.seeds[0], train=train)
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
            fitness = yield from _on_seed(job, rate, seed, train=train)
            if fitness is None:
                break
            by_seed.append(fitness)
        else:
            return


def _on_seed(
    job: Job, rate: float, seed: int, *, train: Train
) -> Generator[Evaluation, None, float | None]:
    """Gives the fitness over all tasks at last, or None once one did not complete."""
    fitness = []
    for request in job.requests:
        if (request.rate, request.seed) != (rate, seed):
            continue
        evaluation = train(request)
        yield evaluation
        if evaluation.outcome is not Outcome.COMPLETED:
            return None
        fitness.append(evaluation.fitness)
    return fmean(fitness, job.weights)
