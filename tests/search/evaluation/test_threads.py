"""The environment of a process that trains."""

import os
import subprocess
import sys

import pytest

from search.evaluation.threads import SINGLE_THREADED, XLA_FLAGS, single_threaded

FIRST, SECOND = XLA_FLAGS.split()


@pytest.mark.parametrize(
    ("given", "flags"),
    [
        (None, XLA_FLAGS),
        ("", XLA_FLAGS),
        (XLA_FLAGS, XLA_FLAGS),
        ("--xla_dump_to=/x", f"--xla_dump_to=/x {FIRST} {SECOND}"),
        ("--xla_cpu_multi_thread_eigen=true", f"--xla_cpu_multi_thread_eigen=true {SECOND}"),
    ],
)
def test_a_users_flags_of_xla_stay_and_ours_are_added(given, flags):
    environment = {} if given is None else {"XLA_FLAGS": given}
    single_threaded(environment)
    assert environment == {**SINGLE_THREADED, "XLA_FLAGS": flags}


def test_what_a_user_has_set_stays():
    environment = {"OMP_NUM_THREADS": "4"}
    single_threaded(environment)
    assert environment["OMP_NUM_THREADS"] == "4"


TRAINING = """
import os, sys
from search.evaluation.threads import single_threaded

os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(sys.argv[1])])
single_threaded()
from programs import load
from search.evaluation.evaluator import Evaluator
from search.evaluation.request import Request

settings = dict(layers=1, width=16, context=8, batch_size=128, schedule="square_root",
                random_signs=True, gradient_scale_by_seed=1.5, gradient_scale_by_array=0.75)
evaluator = Evaluator(
    ["language_transformer"], hurdles=(0.1, 0.2, 0.3, 0.5),
    settings={"language_transformer": {**settings, "steps": 150}},
)
constants = [0.66589073, 0.81940693, 0.030635613, 0.029438142]
adamw = load("library:adamw").with_constants(constants)
print(evaluator.run(Request(adamw, "language_transformer", 3)).fitness.hex())
"""


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="there is one core alone")
def test_the_number_of_cores_makes_no_difference():
    """This training had another last bit on one core of two: each Ray worker is kept to one, a search
    in process is not."""
    environment = {name: value for name, value in os.environ.items() if name not in SINGLE_THREADED}
    found = {
        subprocess.run(
            [sys.executable, "-c", TRAINING, cores],
            env=environment, capture_output=True, text=True, check=True,
        ).stdout
        for cores in ("1", "2")
    }  # fmt: skip
    assert len(found) == 1
