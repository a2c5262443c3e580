"""The process that looks at the tasks does not outlive the one that asked."""

import subprocess
import sys
import time

import psutil

ASK = """
import sys
from search.evaluation.inspection import inspect_tasks
inspect_tasks(["hangs"], {}, sys.argv[1])
"""
HANGS = """
import pathlib, time
pathlib.Path(__file__).with_suffix(".begun").touch()
time.sleep(600)
"""


def test_it_ends_with_a_driver_that_is_killed(tmp_path):
    tasks = tmp_path / "tasks.py"
    tasks.write_text(HANGS)
    driver = subprocess.Popen([sys.executable, "-c", ASK, str(tasks)])
    end = time.monotonic() + 120
    while not tasks.with_suffix(".begun").exists():
        assert driver.poll() is None and time.monotonic() < end
        time.sleep(0.02)
    [looking] = psutil.Process(driver.pid).children()
    driver.kill()
    driver.wait()
    assert not psutil.wait_procs([looking], timeout=30)[1]
