"""Kinds: what an abstract value is a stand-in for."""

from __future__ import annotations

from enum import IntEnum


class Kind(IntEnum):
    """What a variable holds, in the order of casting: a lower kind broadcasts to a higher.

    A is the number of arrays in the parameter tree, P the number of all its numbers.
    """

    SCALAR = 0  # one number, shape []
    PER_ARRAY = 1  # one number for each array of the tree, shape [A]: what `norm` gives
    TENSOR = 2  # a whole parameter tree, P numbers

    def __str__(self) -> str:
        return ("scalar", "per-array", "tensor")[self]
