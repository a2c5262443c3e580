"""Where a search runs and is kept. Nothing here changes its history, but for a `batch` above 1."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, model_validator

from programs.suggest import did_you_mean
from search.config.model import SettingsModel, constraint_error

BatchSize = Literal["auto"] | Annotated[int, Field(ge=1, le=65_536)]


class WorkerSettings(SettingsModel):
    """Where evaluations run. Nothing here changes a search's history, but for a `batch` above 1."""

    count: int | None = Field(default=None, ge=1, le=100_000)
    """Workers; none: one for each core, or as many as the cluster has resources for. Where a
    cluster has fewer than are wanted, the others start when machines join it."""
    address: str = "local"
    """`local`, `in_process` (one worker in this process, without Ray: for one accelerator, or to
    debug), or the address of a Ray cluster."""
    cpus: float = Field(default=1.0, ge=0)
    """CPU cores per worker."""
    gpus: float = Field(default=0.0, ge=0)
    """GPUs per worker; a fraction lets workers share one."""
    timeout_s: float = Field(default=1_200.0, ge=0.1)
    """Wall-clock limit of one evaluation, as the paper's 20 minutes; a worker over it is killed and
    the program retried."""
    retries: int = Field(default=2, ge=0)
    """How often a program that fails alone is tried again before it counts as failed; one that is
    over the limit has been over a shorter one before, and is not tried again."""
    start_s: float = Field(default=55.0, ge=1)
    """Seconds after which a search ends if no worker is ready, longer on a machine with more
    running processes than cores, in proportion."""
    memory_gb: float | None = Field(default=4.0, gt=0)
    """Limit of one worker's data memory; none: no limit."""
    recycle_gb: float | None = Field(default=None, gt=0)
    """A worker whose process holds more memory than this between two batches is replaced by a new
    one; none: never."""
    batch: BatchSize = "auto"
    """Programs that a worker trains side by side, in one compiled call; 1: one after the other.
    `auto`: 1 without `gpus` or other accelerator, else as many as fill half of its memory. Sums of
    a batch are rounded in another order, so a number above 1 is part of a search's history."""
    batch_s: float = Field(default=0.5, gt=0)
    """Programs are sent in batches that last about this long."""

    @model_validator(mode="after")
    def _possible_address(self) -> WorkerSettings:
        if re.fullmatch(r"local|in_process|auto|(?!ray://)\S+:\d{1,5}", self.address):
            return self
        why = f", got {self.address!r}{did_you_mean(self.address, ('local', 'in_process', 'auto'))}"
        if self.address.startswith("ray://"):  # Ray Client
            why = (
                ": with Ray Client (ray://) a broken connection would end the search; submit it as "
                "a job, see docs/cluster.md"
            )
        raise constraint_error(f"expected local, in_process, auto or HOST:PORT{why}", "address")

    @property
    def are_elsewhere(self) -> bool:
        """Whether workers may run on other machines, which have none of this one's files."""
        return self.address not in ("local", "in_process")


class StoreSettings(SettingsModel):
    """Where a run is kept and how its file is written. Nothing here changes a search's history."""

    run_dir: str | None = Field(default=None, min_length=1)
    """Directory of the run, on the driver's machine or a mount, with `~` as its home; none: runs/
    and the config's name. `--run-dir` counts before it."""
    journal: Literal["wal", "delete"] = "wal"
    """`wal` needs a local file system; use `delete` on a network mount."""
    commit_s: float = Field(default=0.25, ge=0)
    """Results are committed about this often; a killed search loses at most this much work."""
