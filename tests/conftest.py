"""For all tests."""

import os
import signal
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
# kept where Ray's workers keep theirs, under a hash of the computation, XLA's version and flags.
_COMPILED = Path("~/.cache/update-rule-search/xla").expanduser()
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(_COMPILED))
os.environ.setdefault("JAX_COMPILATION_CACHE_MAX_SIZE", str(2**30))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")


@pytest.fixture(autouse=True)
def signal_handlers():
    """Whatever runs in this process leaves Ctrl-C as it was, for its caller and the next test."""
    numbers = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    before = [signal.getsignal(number) for number in numbers]
    yield
    after = [signal.getsignal(number) for number in numbers]
    for number, handler in zip(numbers, before):
        signal.signal(number, handler)
    assert after == before
