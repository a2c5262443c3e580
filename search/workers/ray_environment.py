"""What the environment of Ray and of its workers says."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any

from search.config.machines import WorkerSettings
from search.evaluation.threads import SINGLE_THREADED, with_our_flags
from search.workers.process import expanded
from search.workers.ray_cluster import Connection, WorkerError

DETERMINISTIC = "--xla_gpu_deterministic_ops=true"  # else a GPU adds up in any order

_COMPILED = {  # one worker's compilations spare the others theirs, and the next run's
    "JAX_COMPILATION_CACHE_DIR": "~/.cache/update-rule-search/xla",  # each machine's own home
    "JAX_COMPILATION_CACHE_MAX_SIZE": str(2**30),
}
_LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}  # keeps all of Ray's listeners there
_RAY_ENVIRONMENT = {
    "RAY_task_events_report_interval_ms": "0",  # else the GCS grows with every call
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    # Ray's own 15 starves workers beside any other busy process, until they are over their limits.
    "RAY_worker_niceness": "0",
}


def environment_of(settings: WorkerSettings) -> dict[str, str]:
    """Of a worker's process; `~` stands for its own machine's home."""
    platform = {} if settings.gpus else {"JAX_PLATFORMS": "cpu"}
    given = os.environ.get("XLA_FLAGS", "")
    if settings.gpus and DETERMINISTIC.partition("=")[0] not in given:
        given = f"{given} {DETERMINISTIC}".strip()
    flags = {"XLA_FLAGS": with_our_flags(given)}
    compiled = {name: os.environ.get(name, value) for name, value in _COMPILED.items()}
    return {**SINGLE_THREADED, **flags, **platform, **compiled}


def import_ray(settings: WorkerSettings) -> Any:
    """Ray's modules; what it reads from the environment is set before."""
    with Connection.lock:  # two threads must not draw a token each
        for name, value in _environment_of_ray(settings).items():
            os.environ.setdefault(name, value)
        try:
            import ray
            import ray.exceptions
        except ModuleNotFoundError as error:
            raise WorkerError(
                f"workers.address '{settings.address}' needs the package {error.name}, which is "
                "not installed: install it, or give in_process"
            ) from None
    return ray


def _environment_of_ray(settings: WorkerSettings) -> dict[str, str]:
    """Where the environment does not say otherwise."""
    environment = expanded(environment_of(settings)) | _RAY_ENVIRONMENT
    if _is_on_loopback(settings.address):
        environment |= _LOOPBACK
    if settings.address != "local" and _has_token():
        # With an explicit address Ray itself would not look for it, and be refused for 20 s.
        environment |= {"RAY_AUTH_MODE": "token"}
    elif settings.address == "local" and not _is_authentication_set():
        # Else Ray writes a token to the home folder, if it can, which clusters then refuse.
        environment |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    return environment


def _is_on_loopback(address: str) -> bool:
    """Else Ray would look for a loopback address under this machine's own."""
    host = address.rpartition(":")[0]
    return address == "local" or host in ("localhost", "[::1]") or host.startswith("127.")


def _is_authentication_set() -> bool:
    return any(name.startswith("RAY_AUTH_") for name in os.environ)


def _has_token() -> bool:
    """Whether there is a token for clusters, in one of the places where Ray looks."""
    given = any(os.environ.get(name) for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"))
    return given or Path("~/.ray/auth_token").expanduser().is_file()
