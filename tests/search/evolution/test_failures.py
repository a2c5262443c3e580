"""Failures in a row: the machine's doing, until another program succeeds."""

import pytest
import toys
from in_process import evolve

from programs import load
from search.config.settings import Config
from search.evaluation.jobs import TooManyFailures
from search.storage.store import Reader

CONFIG = Config.model_validate(
    {
        "evolution": {
            "children": 300, "population": 50, "repeats": 1, "rounds": 1, "window": 64,
        },
        "evaluation": {"tasks": ("toy",), "hurdles": {"audit_share": 0.1}},
        "cache": {"key": "canonical"},
        "rescore": {"programs": 0},
        "workers": {"batch_s": 0.001},
        "store": {"commit_s": 0},
    }
)  # fmt: skip


def run(path, factory):
    return evolve(path, CONFIG, factory=factory, starts=[load("library:adamw")])


def breaking_after(jobs):
    """Works for so many jobs, then every one of them fails."""
    done = []

    def broken(job):
        done.append(job)
        if len(done) > jobs:
            raise OSError("no space left on the device")
        return toys.stepper(job)

    return lambda: broken


def test_failures_that_block_the_clock_are_charged_to_no_program(tmp_path):
    """Where most children are known, nothing is outstanding long before 20 in a row have failed."""
    whole = run(tmp_path / "whole", lambda: toys.stepper)
    for jobs in (20, 40, 60, 80):
        path = tmp_path / f"{jobs}"
        with pytest.raises(TooManyFailures, match="20 programs in a row failed"):
            run(path, breaking_after(jobs))
        with Reader(path) as store:
            assert not store.rows("SELECT id FROM programs WHERE outcome = 'FAILED'")
        assert run(path, lambda: toys.stepper) == whole
