"""Errors of a run that a user can mend are one line with the task's name; others stay as they are."""

import pytest
from jax.errors import JaxRuntimeError

from proxy_tasks import TaskError
from proxy_tasks.run_errors import is_out_of_memory, named_errors

CALLBACK = """INTERNAL: CpuCallback error calling callback: Traceback (most recent call last):
  File "/tasks.py", line 5, in boom
RuntimeError: boom

"""
NO_MEMORY = "t: it does not fit into memory: {}; expected a smaller batch_size, scale or model"
DISPATCH = "INTERNAL: Error dispatching computation: Out of memory allocating 8 bytes"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (JaxRuntimeError("RESOURCE_EXHAUSTED: 8 bytes"), NO_MEMORY),
        (JaxRuntimeError(f"{DISPATCH}."), NO_MEMORY.format(DISPATCH)),
        (MemoryError("Unable to allocate 8 GiB"), NO_MEMORY),
        (MemoryError(), NO_MEMORY.format("no reason given")),
        (JaxRuntimeError(CALLBACK), "t: RuntimeError: boom"),
    ],
)
def test_what_the_task_is_at_fault_for_names_it(error, message):
    with pytest.raises(TaskError) as raised, named_errors("t"):
        raise error
    assert str(raised.value) == f"task {message.format(error)}"
    assert raised.value.__cause__ is error


@pytest.mark.parametrize("error", [JaxRuntimeError("INTERNAL: a bug"), KeyError("Out of memory")])
def test_bugs_stay_bugs(error):
    with pytest.raises(type(error)), named_errors("t"):
        raise error
    assert not is_out_of_memory(error)
