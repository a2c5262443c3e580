"""JAX settings under which tasks are built and trained, whatever the process is set to."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterator

import jax

from proxy_tasks.errors import TaskError


@contextlib.contextmanager
def fixed_numerics() -> Iterator[None]:
    """Within it JAX computes a training as on any other machine of the kind.

    A fitness is compared with fitness from other processes, so it must not depend on a user's
    environment: float32 also under JAX_ENABLE_X64, and the same random numbers whatever generator
    is set. Non-finite numbers are an outcome of a training, so JAX_DEBUG_NANS must not raise; and
    the code of a task or an optimizer may mix types and ranks, as JAX allows by default. Products
    of matrices stay float32 on accelerators, too, whose own default may be TF32 or bfloat16.
    """
    on_cpu = jax.default_backend() == "cpu"  # where there is nothing else
    precision = contextlib.nullcontext() if on_cpu else jax.default_matmul_precision("highest")
    with (
        jax.enable_x64(False),
        jax.default_prng_impl("threefry2x32"),
        jax.threefry_partitionable(True),
        jax.numpy_dtype_promotion("standard"),
        jax.numpy_rank_promotion("allow"),
        jax.debug_nans(False),
        jax.debug_infs(False),
        precision,
    ):
        yield


@functools.cache
def check_platform() -> None:
    """Raises TaskError when JAX cannot run on the platform that it is set to; else a task's first
    computation would fail with an error that names neither."""
    try:
        jax.devices()
    except Exception as error:  # of several types, by platform and version
        asked = os.environ.get("JAX_PLATFORMS", "")
        reason = f"JAX_PLATFORMS={asked}" if asked else str(error).split("\n")[0]
        raise TaskError(
            f"JAX finds no device to run on ({reason}); set JAX_PLATFORMS=cpu, or install JAX for "
            "your accelerator"
        ) from None
