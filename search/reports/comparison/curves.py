"""The lines of a comparison's figures, as points; for the page and for the SVG files alike."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from search.comparing.compare import ComparisonResult
from search.comparing.results import ConditionResult
from search.comparing.statistics import MOST_TIMES

PROFILE_POINTS = 61


@dataclass(frozen=True)
class Line:
    """One line of a figure."""

    name: str
    points: Sequence[tuple[float, float]]


def tuning_lines(result: ComparisonResult, condition: ConditionResult) -> list[Line]:
    """Expected best validation fitness over the number of draws."""
    curves = result.expected_best[condition.label]
    return [Line(name, list(enumerate(curve, start=1))) for name, curve in curves.items()]


def training_lines(condition: ConditionResult) -> list[Line]:
    """Fitness on validation over the steps, mean over runs and seeds."""
    lines = []
    for one in condition.optimizers:
        curves = [run.curve() for run in one.runs]
        length = min(map(len, curves), default=0)
        points = [(float(curves[0][i][0]), fmean(c[i][1] for c in curves)) for i in range(length)]
        lines.append(Line(one.name, [(x, y) for x, y in points if math.isfinite(y)]))
    return lines


def profile_lines(result: ComparisonResult) -> list[Line]:
    """Share of the conditions over the factor of steps."""
    factors = [1 + (MOST_TIMES - 1) * i / (PROFILE_POINTS - 1) for i in range(PROFILE_POINTS)]
    return [Line(p.optimizer, [(x, p.share(x)) for x in factors]) for p in result.profiles]


def batch_lines(result: ComparisonResult, series: str) -> list[Line]:
    """Difference to the baseline over the logarithm (to base 2) of the batch size."""
    lines: dict[str, list[tuple[float, float]]] = {}
    for condition in result.conditions:
        if condition.series != series or condition.batch_size is None:
            continue
        for d in result.differences:
            if d.condition == condition.label and math.isfinite(d.mean):
                point = math.log2(condition.batch_size), d.mean
                lines.setdefault(d.optimizer, []).append(point)
    return [Line(name, sorted(points)) for name, points in lines.items()]


def batch_series(result: ComparisonResult) -> list[str]:
    """Tasks, each with a schedule and a warm-up, that were trained with several batch sizes."""
    return list(dict.fromkeys(one.series for one in result.trends))


def noise_lines(result: ComparisonResult, condition: ConditionResult) -> list[Line]:
    """Rise of the training loss over the size of noise on the weights."""
    noise = result.config.noise
    sizes = noise.sizes if noise else ()
    lines = [
        Line(one.name, [(size, one.measure(f"noise_{size:g}")) for size in sizes])
        for one in condition.optimizers
    ]
    return [Line(one.name, [p for p in one.points if math.isfinite(p[1])]) for one in lines]
