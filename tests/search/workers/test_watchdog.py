"""What a local Ray has started ends with the driver, however that ends."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from search.workers import watchdog

# Starts a process that nobody is the parent of, as Ray's agents are once their raylet has ended.
ORPHAN = "import subprocess; print(subprocess.Popen(['sleep', '600'], stdout=-3, start_new_session=True).pid)"
DRIVER = f"""
import os, signal, subprocess, sys
from search.workers import watchdog
with watchdog.watched():
    started = subprocess.run([sys.executable, "-c", {ORPHAN!r}], stdout=-1, text=True).stdout
other = subprocess.run([sys.executable, "-c", {ORPHAN!r}], stdout=-1, text=True).stdout
print(started, other, watchdog.MARK in os.environ, flush=True)
sys.stdin.readline()
"""


def gone(process: int, limit_s: float = 30.0) -> bool:
    end = time.monotonic() + limit_s
    while psutil.pid_exists(process) and psutil.Process(process).status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, None], ids=str)
def test_what_was_started_ends_with_the_driver_and_nothing_else_does(how):
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    started, other, is_marked = _lines(driver)
    assert is_marked == "False"
    if how is None:
        driver.communicate("end\n")
    else:
        driver.send_signal(how)
        driver.wait()
    try:
        assert gone(int(started))
        assert psutil.pid_exists(int(other))
    finally:
        os.kill(int(other), signal.SIGKILL)


def _lines(driver) -> list[str]:
    words: list[str] = []
    while len(words) < 3:
        words += driver.stdout.readline().split()
    return words


def test_an_end_by_hand_leaves_nothing_and_a_second_one_does_nothing():
    with watchdog.watched():
        started = int(subprocess.run([sys.executable, "-c", ORPHAN], stdout=-1, text=True).stdout)
    watchdog.end()
    assert gone(started)
    watchdog.end()
