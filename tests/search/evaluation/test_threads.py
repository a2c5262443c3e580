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
from programs import parse
from search.evaluation.evaluator import Evaluator
from search.evaluation.request import Request

settings = dict(layers=1, width=16, context=8, batch_size=128, schedule="square_root",
                random_signs=True, gradient_scale_by_seed=1.5, gradient_scale_by_array=0.75)
evaluator = Evaluator(
    ["language_transformer"], hurdles=(0.1, 0.2, 0.3, 0.5),
    settings={"language_transformer": {**settings, "steps": 150}},
)
print(evaluator.run(Request(parse(sys.argv[2]), "language_transformer", 3)).fitness.hex())
"""
ADAMW = """\
def train(w, g, m, v, lr):
    g2 = square(g)
    m = interp(g, m, 0.66589073)
    v = interp(g2, v, 0.81940693)
    sqrt_v = sqrt(v)
    update = m / sqrt_v
    wd = w * 0.030635613
    update = update + wd
    lr = lr * 0.029438142
    update = update * lr
    return update, m, v
"""


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="there is one core alone")
def test_the_number_of_cores_makes_no_difference():
    """This training had another last bit on one core of two: each Ray worker is kept to one, a search
    in process is not."""
    environment = {name: value for name, value in os.environ.items() if name not in SINGLE_THREADED}
    found = {
        subprocess.run(
            [sys.executable, "-c", TRAINING, cores, ADAMW],
            env=environment, capture_output=True, text=True, check=True,
        ).stdout
        for cores in ("1", "2")
    }  # fmt: skip
    assert len(found) == 1
