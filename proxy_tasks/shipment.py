"""Data sets on their way to other machines: what tasks read is kept, and given to tasks there.

Only the machine that reads needs the files. A data set is named by how it was asked for, and is
plain arrays, so that it can be shared by all processes of a machine without copies.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping

import numpy as np

Arrays = Mapping[str, np.ndarray]
DataSets = dict[str, Arrays]  # by how they were asked for

_given: DataSets = {}
_keeping: list[DataSets] = []


def give(data: Mapping[str, Arrays]) -> None:
    """From now on these are not read from files."""
    _given.update(data)


@contextlib.contextmanager
def keeping() -> Iterator[DataSets]:
    """Collects what is read meanwhile."""
    kept: DataSets = {}
    _keeping.append(kept)
    try:
        yield kept
    finally:
        _keeping.remove(kept)


def read(question: tuple[str | float, ...], load: Callable[[], Arrays]) -> Arrays:
    """A data set that was given, or else what `load` reads.

    question: what decides the content.
    """
    key = json.dumps(question)
    arrays = _given[key] if key in _given else load()
    for kept in _keeping:
        kept[key] = arrays
    return arrays
