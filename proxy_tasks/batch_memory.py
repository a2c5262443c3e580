"""How many trainings fit side by side on a device: the rule of `workers.batch: auto`."""

from __future__ import annotations

import jax

from proxy_tasks.batch_training import BatchTraining
from proxy_tasks.training import Training
from proxy_tasks.training_loop import Hyper

PROBE = 8  # rows of the batch by which XLA's own count of its memory is read
SHARE = 0.5  # of a device's memory that a batch may take; XLA fuses larger batches in other ways
MOST = 4096  # rows
UNKNOWN_BYTES = 8 * 2**30  # of a device that does not say how much memory it has


def fitting_size(training: Training, hyper: Hyper, limit: int | None = None) -> int:
    """Rows of a batch: 1 on a CPU, which gains nothing by more; on an accelerator the largest power
    of two up to MOST that takes no more than SHARE of its memory, by the bytes of a row of a
    compiled batch of PROBE.

    Args:
      hyper: as the training is called with, for its shapes.
      limit: bytes of memory; None: of the device.
    """
    if limit is None:
        device = jax.devices()[0]
        if device.platform == "cpu":
            return 1
        limit = (device.memory_stats() or {}).get("bytes_limit", UNKNOWN_BYTES)
    rows = SHARE * limit / bytes_of_a_row(training, hyper)
    return 1 << (int(min(MOST, max(1.0, rows))).bit_length() - 1)


def bytes_of_a_row(training: Training, hyper: Hyper) -> float:
    """Bytes that a training in a batch needs; nothing is run."""
    return BatchTraining(training, PROBE).bytes_needed(hyper) / PROBE
