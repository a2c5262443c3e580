"""Fitness from the program's text alone: searches without training, for the tests."""

from __future__ import annotations

import functools
import math
import os
import random
import signal
import sys
import time

import numpy as np

from programs import parse
from search.jobs import Evaluate, Job
from search.scores import Evaluation, Outcome


def one_max(job: Job) -> float:
    """How many different functions the live statements use."""
    return float(len({statement.function for statement in parse(job.program)}))


TARGET = ("sign", "interp", "interp", "multiply", "add", "multiply")


def planted(job: Job) -> float:
    """How much of TARGET the live statements have, less a price for length."""
    wanted = list(TARGET)
    program = parse(job.program)
    for statement in program:
        if statement.function in wanted:
            wanted.remove(statement.function)
    return -len(wanted) - 0.01 * len(program)


def evaluate(job: Job, fitness=one_max, sleep_s: float = 0.0, hostile: float = 0.0):
    """hostile: share of jobs that kill their process, whatever the program."""
    if sleep_s:
        time.sleep(sleep_s)
    if random.SystemRandom().random() < hostile:
        os.kill(os.getpid(), 9)
    value = fitness(job)
    return [Evaluation("toy", seed, value, Outcome.COMPLETED, 1) for seed in job.seeds]


def make(fitness=one_max, **options) -> Evaluate:
    return functools.partial(evaluate, fitness=fitness, **options)


def factory(fitness=one_max, **options):
    return functools.partial(make, fitness, **options)


def learner(job: Job) -> list[Evaluation]:
    """A toy training with a checkpoint half-way, which a threshold may end."""
    value = one_max(job)
    half = value / 2 + len(job.program) % 3
    least = job.thresholds[0][0] if job.thresholds else -math.inf
    behind = half < least
    outcome = Outcome.HURDLE if behind else Outcome.COMPLETED
    fitness = -math.inf if behind else value
    return [Evaluation("toy", seed, fitness, outcome, 1, (half,)) for seed in job.seeds]


def learner_factory() -> Evaluate:
    return learner


def main(argv=None) -> int:
    """`python tests/search/toys.py --config ...`: a search with a toy's fitness; see TOY_*."""
    from search.fitness import Function
    from search.run import main as run

    options = {
        name: float(os.environ.get(f"TOY_{name.upper()}", 0)) for name in ("sleep_s", "hostile")
    }
    return run(argv, Function(factory(one_max, **options)))


def hostile(job: Job):
    """Does what the job's text says, once for all programs."""
    if job.program == "crash":
        os.kill(os.getpid(), signal.SIGKILL)
    if job.program == "hang":
        while True:
            pass
    if job.program == "freeze":
        os.kill(os.getpid(), signal.SIGSTOP)
    if job.program == "hog":
        np.ones(2**33, np.uint8)
    if job.program == "raise":
        raise ValueError("no fitness for you\nat all")
    if job.program == "process":
        return [str(os.getpid()), sorted(os.sched_getaffinity(0)), os.environ["XLA_FLAGS"]]
    return [Evaluation("toy", seed, float(job.number), Outcome.COMPLETED, 1) for seed in job.seeds]


def hostile_factory() -> Evaluate:
    return hostile


def broken_factory() -> Evaluate:
    raise RuntimeError("no tasks here")


if __name__ == "__main__":
    sys.exit(main())
