"""The cluster that `workers.address: auto` stands for. It is looked up here, since Ray waits for
minutes for one that has ended, and of several takes any."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

from search.config.machines import WorkerSettings
from search.workers.ray_cluster import Connection, WorkerError, check_reachable

_GCS = "--gcs-address="  # of a raylet's command line


def resolved(settings: WorkerSettings) -> WorkerSettings:
    """The settings with HOST:PORT in place of `auto`, unless this process is connected already, or
    the environment names the cluster (RAY_ADDRESS), as in a job.

    Raises:
      WorkerError: there is no cluster, or it cannot be told which of several is meant.
    """
    if settings.address != "auto" or os.environ.get("RAY_ADDRESS"):
        return settings
    with Connection.lock:  # another thread may be importing Ray, or starting it
        ray = sys.modules.get("ray")
        if ray is not None and ray.is_initialized():
            return settings
    return settings.model_copy(update={"address": _found(_address_file(), running())})


def _found(file: Path, running: set[str]) -> str:
    """file: in which `ray start` has left an address; running: the clusters on this machine."""
    front, lost = "workers.address 'auto': ", ""
    with contextlib.suppress(OSError):
        named = file.read_text().strip()
        try:
            check_reachable(named)
            return named
        except (OSError, ValueError) as error:
            lost = f"; {named}, of which {file} says that it is one, does not answer: {error}"
    if len(running) == 1:
        return next(iter(running))
    if running:
        raise WorkerError(
            f"{front}several Ray clusters run here, {' and '.join(sorted(running))}{lost}; give "
            "one of them"
        )
    raise WorkerError(
        f"{front}no Ray cluster runs here{lost}; start or join one (ray start "
        "--address=HOST:PORT --num-cpus=0), or give local"
    )


def _address_file() -> Path:
    """Where Ray keeps the address of the cluster that was started last."""
    folder = os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp"
    return Path(folder) / "ray" / "ray_current_cluster"


def running() -> set[str]:
    """The addresses of the clusters that have a raylet on this machine (Linux)."""
    addresses = set()
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has just ended
            program, *words = file.read_bytes().decode(errors="replace").split("\0")
            if Path(program).name == "raylet":
                addresses |= {word.removeprefix(_GCS) for word in words if word.startswith(_GCS)}
    return addresses
