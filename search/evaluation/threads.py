"""One core per process: what must be in the environment before JAX starts.

A search runs one worker on each core; XLA would start a pool of threads in each. The number of
threads also decides how sums are split, so the same settings are part of "the same fitness on any
machine of the type". XLA's own pool has as many threads as the process may use cores, whatever its
flags say: on a Transformer a process that is kept to one core gets other last bits than one that is
not. So it is told that there is one. This file imports nothing heavy, so that it can come first.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping

XLA_FLAGS = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

SINGLE_THREADED = {
    "XLA_FLAGS": XLA_FLAGS,
    "PJRT_NPROC": "1",  # threads of XLA's pool
    "NPROC": "1",  # the same in its earlier releases
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",  # no warnings about what the CPU could do
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",  # several workers may share a GPU
}


def single_threaded(environment: MutableMapping[str, str] = os.environ) -> None:
    """Makes XLA and BLAS use one thread; what the user has set stays. Call it before JAX computes
    anything: XLA reads its flags once."""
    environment["XLA_FLAGS"] = with_our_flags(environment.get("XLA_FLAGS", ""))
    for name, value in SINGLE_THREADED.items():
        environment.setdefault(name, value)


def with_our_flags(flags: str) -> str:
    """A user's flags of XLA, and of ours those that they do not set."""
    given = flags.split()
    names = {flag.partition("=")[0] for flag in given}
    ours = [flag for flag in XLA_FLAGS.split() if flag.partition("=")[0] not in names]
    return " ".join([*given, *ours])
