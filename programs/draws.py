"""Random draws that are the same on any machine.

They come from `random.Random` by its `random()` alone, whose stream Python guarantees from version
to version; the generator's other methods have no such promise.
"""

from __future__ import annotations

import bisect
import itertools
import math
import random
from collections.abc import Sequence
from hashlib import blake2b


def child_rng(seed: int, repeat: int, child: int) -> random.Random:
    """The generator of child number `child` in one repeat of a search."""
    data = b"%d/%d/%d" % (seed, repeat, child)
    return random.Random(int.from_bytes(blake2b(data, digest_size=8).digest(), "little"))


def uniform_index(rng: random.Random, count: int) -> int:
    """One of 0 to count - 1."""
    return int(rng.random() * count)


def weighted_index(rng: random.Random, weights: Sequence[float]) -> int:
    """One of the indices of `weights`, each as likely as its weight, which is above 0."""
    limits = list(itertools.accumulate(weights))
    return bisect.bisect_right(limits, rng.random() * limits[-1], hi=len(limits) - 1)


def standard_normal(rng: random.Random) -> float:
    """One number from N(0, 1) (Box and Muller 1958)."""
    radius = math.sqrt(-2.0 * math.log(1.0 - rng.random()))
    return radius * math.cos(2.0 * math.pi * rng.random())
