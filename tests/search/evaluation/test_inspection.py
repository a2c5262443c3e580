"""The process that looks at the tasks does not outlive the one that asked."""

import json
import subprocess
import sys
import time

import psutil
import pytest

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


@pytest.mark.parametrize("question", ["", json.dumps([1, ["hangs"], {}, "tasks.py", ""])])
def test_it_looks_at_nothing_when_the_driver_was_killed_before_it_began(tmp_path, question):
    """Before or after it got the question: nothing then says that its parent has ended."""
    (tmp_path / "tasks.py").write_text(HANGS)
    command = [sys.executable, "-m", "search.evaluation.inspection"]
    done = subprocess.run(command, input=question, text=True, cwd=tmp_path, timeout=100)
    assert done.returncode == 0 and not (tmp_path / "tasks.begun").exists()
