"""What JAX raises while a task is run, as one line where the task is at fault: memory that is not
there, and what a callback of a user's own task raises."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from jax.errors import JaxRuntimeError

from proxy_tasks.errors import TaskError

_NO_MEMORY = ("RESOURCE_EXHAUSTED", "Out of memory")  # XLA says either, by where it notices
_TRACEBACK = "Traceback (most recent call last)"


@contextmanager
def named_errors(task: str) -> Iterator[None]:
    """Within it, such errors are TaskErrors that name the task."""
    try:
        yield
    except (JaxRuntimeError, MemoryError) as error:
        lines = [line.strip(" .") for line in str(error).splitlines() if line.strip()]
        if is_out_of_memory(error):
            reason = lines[0] if lines else "no reason given"
            raise TaskError(
                f"task {task}: it does not fit into memory: {reason}; expected a smaller "
                "batch_size, scale or model"
            ) from error
        if _TRACEBACK in str(error):
            raise TaskError(f"task {task}: {lines[-1]}") from error
        raise


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the device, or this machine, has no more memory."""
    if isinstance(error, JaxRuntimeError):
        return any(words in str(error) for words in _NO_MEMORY)
    return isinstance(error, MemoryError)
