"""The process that looks at the tasks does not outlive the one that asked."""

import json
import subprocess
import sys
import time

import psutil
import pytest

from proxy_tasks.errors import TaskError
from search.evaluation.inspection import InspectionError, inspect_tasks

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


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("\nimport nothing_of_this_name", TaskError, ".py:2: ModuleNotFoundError: No module named"),
        ("raise SystemExit(3)", TaskError, ".py:1: SystemExit: 3"),
        ("import os; os._exit(3)", InspectionError, "looks at them ended with code 3"),
    ],
)
def test_a_tasks_file_that_cannot_be_used_is_the_users_mistake(tmp_path, text, error, message):
    file = tmp_path / "tasks.py"
    file.write_text(text)
    with pytest.raises(error) as raised:
        inspect_tasks(["mine"], {}, str(file))
    assert message in str(raised.value) and "\n" not in str(raised.value)


UNHASHABLE = """
import numpy as np
from proxy_tasks import Data, Task, TaskSettings, register, split_examples

class Mine(TaskSettings):
    model_config = {"arbitrary_types_allowed": True}
    what: object = object()

@register
def mine(settings: Mine) -> Task:
    data = split_examples(np.ones(9, np.float32))
    return Task(lambda _: np.zeros(1, np.float32), lambda w, b: ((w - b) ** 2).mean(), data, 3, 2)
"""


def test_a_task_that_has_no_fingerprint_is_named(tmp_path):
    file = tmp_path / "tasks.py"
    file.write_text(UNHASHABLE)
    mistakes = inspect_tasks(["mine"], {}, str(file)).mistakes
    why = "TypeError: Object of type object is not JSON serializable"
    assert mistakes == {"mine": {"": f"task mine: {why}"}}
