"""Which job is blamed, without any worker."""

import math
import random

import pytest

from programs import load
from search.evaluation.jobs import Job, Purpose, Result
from search.evaluation.request import Request
from search.workers.batches import AHEAD, Batch, Batches

LION = load("library:lion")


def job(number: int) -> Job:
    return Job(number, Purpose.SEARCH, (Request(LION, "toy", 0),))


def batches(
    count: int,
    *,
    workers: int = 2,
    retries: int = 0,
    batch_s: float = 0.5,
    timeout_s: float = math.inf,
) -> Batches:
    queue = Batches(workers, batch_s=batch_s, retries=retries, timeout_s=timeout_s, events=[])
    for number in range(count):
        queue.submit(job(number))
    return queue


def results(batch: Batch) -> list[Result]:
    return [Result(job, ()) for job in batch.jobs]


def test_a_batch_lasts_about_as_long_as_wished():
    queue = batches(1000, batch_s=0.5)
    first = queue.next(None)
    assert first is not None and len(first.jobs) == 1  # nothing is known of their duration yet
    queue.returned(results(first), 0.1)
    second = queue.next(None)
    assert second is not None and len(second.jobs) == 5


def test_the_last_jobs_are_shared_fairly():
    queue = batches(9)
    queue.mean_s = 1e-6  # all of them would fit into one batch
    sizes = []
    while batch := queue.next(None):
        sizes.append(len(batch.jobs))
    assert sum(sizes) == 9 and max(sizes) <= -(-9 // (AHEAD * 2))


def test_only_the_culprit_of_a_lost_batch_fails():
    queue, culprit = batches(4, workers=1), 2
    batch = Batch(tuple(map(job, range(4))), suspect=False)
    while queue.next(None):
        pass
    queue.lost([batch], "crashed", late=False)
    while suspect := queue.next(None):
        assert suspect.suspect and len(suspect.jobs) == 1
        if suspect.jobs[0].number == culprit:
            queue.lost([suspect], "crashed", late=False)
        else:
            queue.returned(results(suspect), 0.1)
    failed = {r.job.number: r.failure for r in queue.collect()}
    assert failed == {0: "", 1: "", 2: "crashed", 3: ""}


def test_a_job_with_another_behind_it_is_not_charged_unless_it_was_late():
    """The results of the first may have been on their way when the second killed the worker."""
    for late in (False, True):
        queue = batches(0)
        first, second = Batch((job(0),), suspect=False), Batch((job(1),), suspect=False)
        queue.lost([first, second], "gone", late=late)
        assert [r.job.number for r in queue.collect()] == ([0] if late else [])
        suspect = queue.next(None)
        assert suspect is not None and suspect.suspect is not late


def test_nothing_is_sent_behind_a_suspect_nor_ahead_while_one_waits():
    queue = batches(3)
    queue.lost([Batch((job(7), job(8)), suspect=False)], "gone", late=False)
    running = Batch((job(9),), suspect=False)
    assert queue.next(running) is None
    suspect = queue.next(None)
    assert suspect is not None and suspect.suspect
    assert queue.next(suspect) is None


@pytest.mark.parametrize("retries", [0, 2])
def test_a_failure_counts_after_the_retries(retries):
    queue = batches(1, retries=retries)
    for _ in range(retries + 1):
        batch = queue.next(None)
        assert batch is not None and not queue.collect()
        queue.lost([batch], "crashed", late=False)
    assert [r.failure for r in queue.collect()] == ["crashed"]
    assert [kind for kind, _ in queue.events] == ["retry"] * retries + ["failed"]


def test_a_hanging_program_costs_its_limit_once_and_a_short_one_before():
    """And not the limit of `workers.timeout_s` for each of the retries."""
    queue = batches(5, workers=1, retries=2, timeout_s=1200.0)
    queue.mean_s = 0.1
    batch = queue.next(None)
    assert batch is not None and batch.limit_s == 60.0
    queue.lost([batch], "late", late=True)
    limits = []
    while suspect := queue.next(None):
        limits.append(suspect.limit_s)
        if suspect.jobs[0].number == 0:
            queue.lost([suspect], "late", late=True)
        else:
            queue.returned(results(suspect), 0.1)
    assert set(limits[: len(batch.jobs)]) == {1200.0}
    assert {r.job.number: r.failure for r in queue.collect()} == {
        0: "late", **dict.fromkeys(range(1, 5), "")
    }  # fmt: skip


def test_a_first_attempt_without_others_to_compare_with_has_the_whole_limit():
    queue = batches(1, retries=2, timeout_s=1200.0)
    for _ in range(2):  # the machine may have been asleep: once more
        batch = queue.next(None)
        assert batch is not None and batch.limit_s == 1200.0 and not queue.collect()
        queue.lost([batch], "late", late=True)
    assert [r.failure for r in queue.collect()] == ["late"]


def test_long_trainings_have_as_long_in_proportion():
    queue = batches(3, retries=2, timeout_s=1200.0)
    for mean, limit in ((0.3, 90.0), (100.0, 1200.0)):
        queue.mean_s = mean
        batch = queue.next(None)
        assert batch is not None and batch.limit_s == limit


@pytest.mark.parametrize("seed", range(20))
def test_every_job_comes_back_once_however_workers_are_lost(seed):
    rng = random.Random(seed)
    queue, back = batches(60, retries=1), []
    slots: list[list[Batch]] = [[], []]
    while len(back) < 60:
        for slot in slots:
            while len(slot) < AHEAD and (batch := queue.next(slot[0] if slot else None)):
                slot.append(batch)
            if not slot:
                continue
            if rng.random() < 0.2:
                queue.lost(slot, "lost", late=rng.random() < 0.3)
                slot.clear()
            else:
                queue.returned(results(slot.pop(0)), 0.01 * rng.random())
        back += [r.job.number for r in queue.collect()]
    assert sorted(back) == list(range(60))


def test_a_worker_gets_as_many_jobs_as_it_evaluates_together():
    queue = Batches(2, batch_s=0.5, retries=0, timeout_s=9.0, events=[], together=4)
    for number in range(5):
        queue.submit(job(number))
    queue.returned([Result(job(9), ())], 1e-3)
    first = queue.next(None)
    assert len(first.jobs) == 3 and first.limit_s == 9.0  # its share of five
    assert queue.next(None, more_to_come=True) is None  # not full
    assert len(queue.next(None).jobs) == 1
