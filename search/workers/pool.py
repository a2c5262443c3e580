"""What any pool of workers offers."""

from __future__ import annotations

from typing import Protocol

from search.evaluation.jobs import Job, Result


class Pool(Protocol):
    """Workers that evaluate jobs, in any order."""

    count: int  # workers
    busy_seconds: float  # spent evaluating, over all workers
    events: list[tuple[str, str]]  # kind and text of what went wrong since last read

    @property
    def outstanding(self) -> int:
        """Jobs submitted and not collected."""
        ...

    def submit(self, job: Job) -> None: ...

    def collect(self, timeout_s: float) -> list[Result]:
        """Results that have arrived, or that arrive within the time."""
        ...

    def close(self) -> None: ...
