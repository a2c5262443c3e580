"""Fitness from the program's text alone: searches without training, for the tests."""

from __future__ import annotations

import functools
import json
import math
import os
import random
import signal
import sys
import time

import numpy as np

from programs import Program, analyse, parse
from search.config.load import dumps
from search.config.settings import Config
from search.evaluation.fitness import Evaluation, Outcome
from search.evaluation.jobs import Evaluate, Job
from search.evaluation.request import Request
from search.storage.store import Store


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
    task = os.environ.get("TOY_TASK", "toy")
    return [Evaluation(task, seed, value, Outcome.COMPLETED, 1) for seed in job.seeds]


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
    from search.evaluation.source import Function
    from search.run import main as run

    options = {
        name: float(os.environ.get(f"TOY_{name.upper()}", 0)) for name in ("sleep_s", "hostile")
    }
    return run(argv, Function(factory(one_max, **options)))


class Noisy:
    """A seed's luck, the same for all, and a training's luck; `worth` of a request on top."""

    def __init__(self, worth=lambda request: 0.0, luck: float = 0.1):
        self.worth, self.luck, self.asked = worth, luck, 0

    def __call__(self, requests):
        self.asked += len(requests)
        return [self.one(request) for request in requests]

    def one(self, r: Request) -> float:
        rng = random.Random(f"{r.program}{r.task}{r.seed}{r.split}")
        return (
            self.worth(r)
            + random.Random(f"{r.task}{r.seed}").gauss(0, 0.5)
            + self.luck * (rng.gauss(0, 1))
        )


class Workers:
    """In the workers' place after a search: jobs are counted, and scored by a toy."""

    def __init__(self, score, stop_at: int = -1):
        """stop_at: the job, counted from 1, at which Ctrl-C is pressed."""
        self.score, self.stop_at, self.jobs = score, stop_at, []

    def __call__(self, job: Job) -> list[Evaluation]:
        self.jobs.append(job)
        if len(self.jobs) == self.stop_at:
            raise KeyboardInterrupt
        task, split = json.loads(job.purpose)
        requests = [Request(parse(job.program), task, seed, split) for seed in job.seeds]
        return [
            Evaluation(task, r.seed, fitness, Outcome.COMPLETED, 1)
            for r, fitness in zip(requests, self.score(requests))
        ]

    def factory(self, *_) -> Evaluate:
        return lambda: self

    def paid(self) -> list[tuple[str, bytes, tuple[int, ...]]]:
        """What was trained, job by job."""
        return [
            (job.purpose, analyse(parse(job.program)).functional_hash, job.seeds)
            for job in self.jobs
        ]


def fill_search(store: Store, config: Config, programs: list[Program]) -> None:
    """A finished search's rows: these programs, the fittest first."""
    store.set_meta("config", dumps(config))
    for i, program in enumerate(programs, start=1):
        key = analyse(program).functional_hash
        row = (i, key, key, key, i - 1, len(program), -float(i), "COMPLETED", str(program))
        store.add_program(row)
        store.add_individual((i - 1, 0, i - 2, None, "start", 1, 9, 9, i, "new", str(program)))
    store.commit()


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
