"""Between which ends the constants of an optimizer are tuned, and how values are drawn.

A rate, a weight decay or any other factor is drawn evenly in its logarithm; a weight of an average
or a momentum b, whose meaning is its averaging time 1 / (1 - b), evenly in log(b / (1 - b)), so
that 0.9 and 0.99 are as far apart as 0.99 and 0.999, nearly, and 0.1 and 0.9 lie alike on both
sides of a half.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.stats import qmc

Ends = tuple[float, float]

AVERAGES = ("beta", "momentum")  # names of constants that begin so
FACTORS = ("rate", "decay")
MOST_OF_ONE = 1 - 2.0**-24  # the largest float32 below 1; an average with 1 never changes
SMALLEST, LARGEST = 2.0**-126, 2.0**127  # nearly all of float32
EDGE = 0.1  # a tenth of a range, in its logarithm, is its edge
BY_ROLE: Mapping[str, Ends] = {
    "rate": (1e-4, 1.0),
    "decay": (1e-4, 3.0),
    "beta": (0.1, 0.999),
    "momentum": (0.1, 0.999),
}
"""Ends of a program's constants by what their names begin with. A rate or decay of the program
itself that is less than a factor of 10 from an end moves that end."""
ROOM = 10.0


@dataclass(frozen=True)
class Space:
    """What is tuned of an optimizer, what is not, and what follows.

    ranges: the ends of each constant that is tuned, low first.
    fixed: constants with one value. ties: constants with the value of another.
    """

    ranges: Mapping[str, Ends]
    fixed: Mapping[str, float] = field(default_factory=dict)
    ties: Mapping[str, str] = field(default_factory=dict)

    def values(self, point: Sequence[float]) -> dict[str, float]:
        """All constants at a point of the unit cube, one coordinate for each range."""
        drawn = {
            name: between(name, ends, x) for (name, ends), x in zip(self.ranges.items(), point)
        }
        return self.completed(drawn)

    def completed(self, tuned: Mapping[str, float]) -> dict[str, float]:
        """All constants, from those that are tuned."""
        values = {**self.fixed, **tuned}
        return values | {name: values[other] for name, other in self.ties.items()}

    def draws(self, count: int, stream: str) -> list[dict[str, float]]:
        """[count] values that cover the space evenly: a scrambled Sobol sequence.

        stream: names the random numbers; another stream gives independent draws.
        """
        if not self.ranges:
            return [self.completed({})] * count
        digest = hashlib.blake2b(stream.encode(), digest_size=8).digest()
        rng = np.random.default_rng(int.from_bytes(digest, "big"))
        power = max(0, math.ceil(math.log2(count)))
        points = qmc.Sobol(len(self.ranges), rng=rng).random_base2(power)[:count]
        return [self.values(point) for point in points.tolist()]

    def edges(self, values: Mapping[str, float]) -> dict[str, str]:
        """Constants that lie within a tenth of an end of their range: which end, by name."""
        found = {}
        for name, ends in self.ranges.items():
            at = position(name, ends, values[name])
            if at < EDGE or at > 1 - EDGE:
                found[name] = "low" if at < EDGE else "high"
        return found


def between(name: str, ends: Ends, x: float) -> float:
    """The value at a share x of a range, in its logarithm."""
    low, high = (_logarithm(name, end) for end in ends)
    at = low + (high - low) * x
    value = 1 / (1 + math.exp(-at)) if name.startswith(AVERAGES) else math.exp(at)
    return float(f"{math.copysign(value, ends[0]):.8g}")


def position(name: str, ends: Ends, value: float) -> float:
    """The share of a range at which a value lies."""
    low, high = (_logarithm(name, end) for end in ends)
    return (_logarithm(name, value) - low) / (high - low)


def _logarithm(name: str, value: float) -> float:
    size = abs(value)
    return math.log(size / (1 - size)) if name.startswith(AVERAGES) else math.log(size)


def problem_with(name: str, ends: Ends, own: float = 1.0) -> str:
    """Why these cannot be the ends of a range; nothing if they can.

    own: a value that the constant has had, whose sign a rate or decay keeps.
    """
    low, high = ends
    got = f"got {low:.10g} and {high:.10g}"
    if not low or not high or (low > 0) != (high > 0):
        return f"expected two ends above 0, or two below, {got}"
    if float(f"{abs(low):.8g}") >= float(f"{abs(high):.8g}"):
        return f"expected the end nearer to 0 first, {got}"
    if name.startswith(AVERAGES) and abs(high) > MOST_OF_ONE:
        return f"expected ends below 1 (in float32), {got}"
    if abs(low) < SMALLEST or abs(high) > LARGEST:
        return f"expected ends that float32 can hold, {got}"
    if name.startswith(FACTORS) and (high > 0) != (own >= 0):
        return f"expected two ends {'above' if own >= 0 else 'below'} 0, {got}"
    return ""


def problem_with_value(name: str, value: float, own: float) -> str:
    """Why a constant cannot keep this value; nothing if it can.

    own: another value of it, as of `problem_with`.
    """
    if name.startswith(AVERAGES) and 0 <= own < 1 and not 0 <= value <= MOST_OF_ONE:
        return f"expected a value from 0 to below 1 (in float32), got {value:.10g}"
    signed = value if own >= 0 else -value
    if name.startswith(FACTORS) and (signed < 0 or (name.startswith("rate") and not value)):
        return f"expected a value {'above' if own >= 0 else 'below'} 0, got {value:g}"
    return ""


def default_ends(name: str, value: float) -> Ends | None:
    """Of a program's constant by its role; None: it keeps its value."""
    role = next((role for role in BY_ROLE if name.startswith(role)), None)
    if role is None or value <= 0 or (role in AVERAGES and value >= 1):
        return None
    low, high = BY_ROLE[role]
    if role in AVERAGES:
        if value < low:  # the share of what is new, as in interp(m, g, 0.1)
            low, high = 1 - high, 1 - low
        return low, high
    return min(low, value / ROOM), max(high, value * ROOM)
