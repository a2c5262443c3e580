"""The ledger: each training is paid for once."""

import math
from dataclasses import replace

from programs import load
from search.evaluation.fitness import Evaluation, Outcome
from search.evaluation.jobs import Job
from search.evaluation.request import Request
from search.selection.ledger import Ledger, remembered
from search.selection.objective import Expected
from search.storage.store import Store
from search.workers.in_process import InProcess

LION = load("library:lion")


def test_a_training_that_failed_for_its_worker_is_asked_for_again_by_a_later_process(tmp_path):
    """What diverged is not."""
    asked: list[Job] = []

    class TooManyFailures(InProcess):
        def collect(self, timeout_s):
            asked.extend(self._queue)
            return [replace(r, failure="over its time") if r.job.seeds == (1,) else r
                    for r in super().collect(timeout_s)]  # fmt: skip

    def diverged(job):
        return [Evaluation("t", job.seeds[0], -math.inf, Outcome.DIVERGED, 1)]

    requests = [Request(LION, "t", seed) for seed in (0, 1)]
    for _ in range(2):
        with Store(tmp_path) as store:
            ledger = Ledger(TooManyFailures(lambda: diverged), store, fingerprint=str)
            assert ledger(requests) == ledger(requests) == [-math.inf] * 2
    assert [job.seeds for job in asked] == [(0,), (1,), (1,)]


def test_what_a_search_has_begun_with_is_not_asked_for_again(tmp_path):
    """Else another training would succeed, and the tuned warm start be another one."""

    class Failing(InProcess):
        def collect(self, timeout_s):
            return [replace(r, failure="lost") for r in super().collect(timeout_s)]

    def trained(job):
        return [Evaluation("t", r.seed, 1.0, Outcome.COMPLETED, 1) for r in job.requests]

    requests = [Request(LION, "t", 0)]
    with Store(tmp_path) as store:
        Ledger(Failing(lambda: trained), store, fingerprint=str)(requests)
    for again, fitness in ((False, -math.inf), (True, 1.0)):
        with Store(tmp_path) as store:
            ledger = Ledger(InProcess(lambda: trained), store, fingerprint=str, again=again)
            assert ledger(requests) == [fitness]


def seeds_of(requests) -> list[float]:
    return [float(r.seed) for r in requests]


def test_nothing_is_trained_twice():
    asked = []
    score = remembered(lambda requests: asked.extend(requests) or seeds_of(requests))
    requests = [Request(LION, "a", 0), Request(LION, "a", 0), Request(LION, "a", 1)]
    assert score(requests) == seeds_of(requests) and score(requests) == seeds_of(requests)
    assert len(asked) == 2


def test_what_earlier_processes_paid_for_counts_once_in_a_phase(tmp_path):
    """And what this process paid for does not count as reused when it is asked for again."""

    def trained(job):
        return [Evaluation("t", r.seed, 1.0, Outcome.COMPLETED, 1) for r in job.requests]

    requests = [Request(LION, "t@10", seed) for seed in range(4)]
    with Store(tmp_path) as store:
        Ledger(InProcess(lambda: trained), store, fingerprint=str)(requests[:3])
    with Store(tmp_path) as store:
        ledger = Ledger(InProcess(lambda: trained), store, fingerprint=str)
        for phase in ("one", "two"):
            ledger.progress.begin(phase, Expected(4, 40.0))
            for _ in range(2):
                ledger(requests)
            done = ledger.progress.done, ledger.progress.reused, ledger.progress.compute_reused
            assert done == ((1, 3, 30.0) if phase == "one" else (0, 3, 30.0))
        assert ledger.progress.phase == "two" and math.isnan(ledger.progress.left_s())
