"""The worker in the driver's process: a training takes its time, and who collects can stop."""

import threading

import pytest
import toys

from programs import load
from search.evaluation.jobs import Job, Purpose
from search.evaluation.request import Request
from search.workers.in_process import InProcess, is_training

JOBS = [Job(n, Purpose.SEARCH, (Request(load("library:lion"), "toy", 0),)) for n in range(3)]


def pool_of(evaluate):
    pool = InProcess(lambda: evaluate)
    for job in JOBS:
        pool.submit(job)
    return pool


def test_who_collects_is_kept_waiting_by_no_training():
    go_on = threading.Event()

    def evaluate(job):
        assert go_on.wait(60)
        return toys.evaluate(job)

    pool = pool_of(evaluate)
    assert pool.collect(0.0) == [] and pool.outstanding == 3 and is_training()
    go_on.set()
    numbers = [result.job.number for _ in JOBS for result in pool.collect(60.0)]
    assert numbers == [0, 1, 2]
    assert pool.outstanding == 0 and not is_training() and pool.collect(60.0) == []
    pool.close()


def test_what_is_no_fault_of_a_program_ends_the_search():
    def evaluate(job):
        raise KeyboardInterrupt

    pool = pool_of(evaluate)
    with pytest.raises(KeyboardInterrupt):
        pool.collect(0.0)
    pool.close()
    assert pool.outstanding == 0 and not is_training()
