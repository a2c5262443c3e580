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

from programs import Program, analyse, live_across_steps
from programs.execute import run_step
from search.config.load import dumps
from search.config.settings import Config
from search.evaluation.fitness import Evaluation, Outcome
from search.evaluation.jobs import Evaluate, Job
from search.evaluation.plan import trainings
from search.evaluation.request import Request
from search.storage.schema import IndividualRow, ProgramRow
from search.storage.store import Store


def one_max(job: Job) -> float:
    """How many different functions the live statements use."""
    return float(len({statement.function for statement in job.program}))


TARGET = ("sign", "interp", "interp", "multiply", "add", "multiply")


def planted(job: Job) -> float:
    """How much of TARGET the live statements have, less a price for length."""
    wanted = list(TARGET)
    program = job.program
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
    return [Evaluation(r.task, r.seed, value, Outcome.COMPLETED, 1) for r in job.requests]


def make(fitness=one_max, **options) -> Evaluate:
    return functools.partial(evaluate, fitness=fitness, **options)


def factory(fitness=one_max, **options):
    return functools.partial(make, fitness, **options)


def learner(job: Job) -> list[Evaluation]:
    """A toy training with a checkpoint half-way, which a threshold may end."""
    value = one_max(job)
    half = value / 2 + len(str(job.program)) % 3
    least = (*job.requests[0].thresholds, -math.inf)[0]
    behind = half < least
    outcome = Outcome.HURDLE if behind else Outcome.COMPLETED
    fitness = -math.inf if behind else value
    return [Evaluation(r.task, r.seed, fitness, outcome, 1, (half,)) for r in job.requests]


STEP = 1e-3  # the largest size of an update that converges, see `stepper`


def step_fitness(program: Program) -> float:
    """Different functions, and how near its updates are to STEP; -inf above it."""
    ones, states = [np.ones(3, np.float32)], [[np.ones(3, np.float32)] for _ in program.states]
    with np.errstate(all="ignore"):
        update, _ = run_step(program, np, w=ones, g=ones, states=states, lr=np.float32(1.0))
    size = float(np.abs(update[0][0]))
    if not 0 < size <= STEP:
        return -math.inf
    return len({statement.function for statement in program}) + math.log2(size / STEP) / 64


def stepper(job: Job) -> list[Evaluation]:
    """A toy training that diverges when updates are too large, with a checkpoint half-way."""

    def train(r: Request) -> Evaluation:
        fitness = step_fitness(r.program)
        outcome = Outcome.DIVERGED if math.isinf(fitness) else Outcome.COMPLETED
        half = (fitness / 2,) if math.isfinite(fitness) else ()
        if half and half < r.thresholds:
            fitness, outcome = -math.inf, Outcome.HURDLE
        return Evaluation(r.task, r.seed, fitness, outcome, 1, half, rate=r.rate)

    return list(trainings(job, train))


def stepper_factory() -> Evaluate:
    return stepper


def learner_factory() -> Evaluate:
    return learner


def main(argv=None) -> int:
    """`python tests/search/toys.py --config ...`: a search with a toy's fitness; see TOY_*."""
    from search.evaluation.source import Function
    from search.run import main as run
    from search.stopping import Stopping

    options = {
        name: float(os.environ.get(f"TOY_{name.upper()}", 0)) for name in ("sleep_s", "hostile")
    }
    return run(argv, Function(factory(one_max, **options)), Stopping())


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
        return [
            Evaluation(r.task, r.seed, fitness, Outcome.COMPLETED, 1)
            for r, fitness in zip(job.requests, self.score(job.requests))
        ]

    def factory(self, *_, **__) -> Evaluate:
        return self

    def paid(self) -> list[tuple[str, str, str, int]]:
        """What was trained, job by job."""
        return [(r.task, r.split, r.program_key, r.seed) for job in self.jobs for r in job.requests]


def fill_search(store: Store, config: Config, programs: list[Program]) -> None:
    """A finished search's rows: these programs, the fittest first."""
    store.set_meta("config", dumps(config))
    for i, program in enumerate(programs, start=1):
        key = analyse(program).functional_hash
        fitness, live, text = -float(i), len(program), str(program)
        states = len(live_across_steps(program).states)
        store.add(
            program_row(i, functional=key, fitness=fitness, live=live, states=states, text=text)
        )
        store.add(individual_row(i - 1, child=i - 2, program=i, edit=text))
    store.commit()


def individual_row(number: int, **columns) -> IndividualRow:
    """Some individual; columns: what matters of it."""
    row = IndividualRow(
        number=number,
        repeat=0,
        child=number,
        parent=None,
        mutation="start",
        attempts=1,
        statements=9,
        live=9,
        program=1,
        reuse="new",
        edit=PLAIN,
    )
    return row._replace(**columns)


def program_row(id_: int, **columns) -> ProgramRow:
    """Some program; columns: what matters of it."""
    row = ProgramRow(
        id=id_,
        functional=id_.to_bytes(16, "big"),
        canonical=bytes(16),
        behavioural=None,
        evaluated=id_ - 1,
        live=1,
        states=0,
        rate=1.0,
        fitness=0.5,
        outcome="COMPLETED",
        text=PLAIN,
    )
    return row._replace(**columns)


PLAIN = "def train(w, g, lr):\n    update = g * 0.1\n    return update\n"


def hostile(job: Job):
    """Does what the job's task says, once for all programs."""
    what = job.requests[0].task
    if what == "crash":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "hang":
        while True:
            pass
    if what == "freeze":
        os.kill(os.getpid(), signal.SIGSTOP)
    if what == "hog":
        np.ones(2**33, np.uint8)
    if what == "raise":
        raise ValueError("no fitness for you\nat all")
    if what == "process":
        return [str(os.getpid()), sorted(os.sched_getaffinity(0)), os.environ["XLA_FLAGS"]]
    return [
        Evaluation(r.task, r.seed, float(job.number), Outcome.COMPLETED, 1) for r in job.requests
    ]


def hostile_factory() -> Evaluate:
    return hostile


def hanging_factory() -> Evaluate:
    time.sleep(600)
    return hostile


def growing(job: Job):
    """Holds 30 MB more after each job."""
    GROWN.append(np.ones(30 * 2**20, np.uint8))
    return [Evaluation(str(os.getpid()), 0, float(job.number), Outcome.COMPLETED, 1)]


GROWN: list[np.ndarray] = []


def growing_factory() -> Evaluate:
    return growing


def broken_factory() -> Evaluate:
    raise RuntimeError("no tasks here")


if __name__ == "__main__":
    sys.exit(main())
