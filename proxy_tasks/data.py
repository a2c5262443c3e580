"""The examples of a task: arrays, how a batch is taken, three splits that never overlap."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from proxy_tasks.errors import TaskError

Arrays = Any  # a pytree of arrays
Batch = Any  # a pytree of arrays, leading axis B

SPLITS = ("search_validation", "meta_validation", "train")


def rows(arrays: Arrays, indices: jax.Array) -> Batch:
    """The examples `indices` [B] of arrays whose leading axis counts the examples."""
    return jax.tree.map(lambda array: array[indices], arrays)


@dataclass(frozen=True, eq=False)
class Data:
    """Examples and their fixed splits.

    Training draws from `train` only. `search_validation` gives the fitness during a search,
    `meta_validation` is never seen by it and shows when a search overfits its validation split
    (Chen et al. 2023, section 2.3).
    """

    arrays: Arrays  # what `take` reads; passed to the compiled training as arguments
    train: np.ndarray  # [N] int32, indices that `take` understands
    search_validation: np.ndarray  # [M] int32
    meta_validation: np.ndarray  # [M'] int32
    take: Callable[[Arrays, jax.Array], Batch] = rows  # (arrays, indices [B]) -> batch

    def __post_init__(self) -> None:
        for name in SPLITS:
            if len(getattr(self, name)) == 0:
                raise TaskError(f"data: the {name} split is empty; more examples are needed")

    def batches(self, split: str, limit: int) -> np.ndarray:
        """Indices to validate on, [C, V] int32: C equal batches of at most `limit` examples.

        All splits are as long as the shorter validation split, of which up to C - 1 examples at the
        end are left out, so that every batch is full. Of the training split they are spread evenly.
        """
        size = min(len(self.search_validation), len(self.meta_validation))
        count = -(-size // limit)
        shape = count, size // count
        examples = getattr(self, split)
        if split == "train":
            examples = examples[np.arange(shape[0] * shape[1]) * len(examples) // size]
        return np.asarray(examples[: shape[0] * shape[1]].reshape(shape), np.int32)

    @property
    def fingerprint(self) -> str:
        """Hash of the contents: arrays and splits, by dtype, shape and bytes (32 hex digits)."""
        digest = hashlib.blake2b(digest_size=16)
        splits = [getattr(self, name) for name in SPLITS]
        for array in map(np.asarray, [*jax.tree.leaves(self.arrays), *splits]):
            digest.update(f"{array.dtype.str}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()


def split_examples(arrays: Arrays, held_out: float = 0.2) -> Data:
    """Data of independent examples (leading axis of every array).

    A fixed shuffle gives the fraction `held_out` to each of the two validation splits and the
    rest to training. `RandomState` is used because numpy promises never to change its stream.
    """
    sizes = {len(array) for array in jax.tree.leaves(arrays)}
    if len(sizes) != 1:
        raise TaskError(f"data: arrays of different lengths: {sorted(sizes)}")
    (count,) = sizes
    order = np.random.RandomState(0).permutation(count).astype(np.int32)
    held = int(count * held_out)
    return Data(arrays, order[2 * held :], order[:held], order[held : 2 * held])
