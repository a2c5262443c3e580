"""For all tests."""

import contextlib
import ctypes
import gc
import os
import shutil
import signal
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import settings

# A run in the background starts with SIGINT ignored, one under nohup with SIGHUP, and so would the
# processes that tests interrupt.
if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_DFL)

# By default Hypothesis draws the same examples each time, so that a test that begins to fail does so
# by a change; `--hypothesis-profile=random` looks for more.
settings.register_profile("same", derandomize=True)
settings.register_profile("random", derandomize=False)
settings.load_profile("same")

# Most of the tests' time is XLA's, for the same few trainings in many processes. Its results are
# kept in this checkout, under a hash of the computation, XLA's version and flags; Ray's workers keep
# theirs there, too. With a limit, JAX would read the time of every entry to write one.
_COMPILED, _LIMIT = Path(__file__).parents[1] / ".pytest_cache" / "xla", 2**30
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(_COMPILED))
os.environ.setdefault("JAX_COMPILATION_CACHE_MAX_SIZE", "-1")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.05")

_RESIDENT = 3 * 2**29  # bytes of a test process, from which on it gives memory back


def pytest_configure(config):
    """Forgets what was compiled where it has become too much; in the first process alone."""
    is_first, entries = not hasattr(config, "workerinput"), _COMPILED.glob("*")
    if is_first and sum(entry.stat().st_size for entry in entries) > _LIMIT:
        shutil.rmtree(_COMPILED)


@pytest.fixture(autouse=True)
def signal_handlers():
    """Whatever runs in this process leaves Ctrl-C as it was, for its caller and the next test."""
    numbers = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    before = [signal.getsignal(number) for number in numbers]
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    yield
    after = [signal.getsignal(number) for number in numbers]
    for number, handler in zip(numbers, before):
        signal.signal(number, handler)
    assert (after, signal.pthread_sigmask(signal.SIG_SETMASK, blocked)) == (before, blocked)


@pytest.fixture(autouse=True, scope="module")
def memory():
    """After a file, a process that has grown gives back what it can: XLA's programs, and what the
    allocator keeps of memory that was freed, a gigabyte of it since egglog read its rules."""
    yield
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    if pages * os.sysconf("SC_PAGE_SIZE") > _RESIDENT:
        if "jax" in sys.modules:
            sys.modules["jax"].clear_caches()
        gc.collect()
        with contextlib.suppress(OSError, AttributeError):  # glibc's
            ctypes.CDLL(None).malloc_trim(0)
