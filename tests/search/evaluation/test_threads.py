"""The environment of a process that trains."""

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
