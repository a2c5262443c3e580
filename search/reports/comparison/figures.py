"""The figures of a comparison as SVG files, drawn by matplotlib."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from typing import Any

from search.comparing.compare import ComparisonResult
from search.comparing.results import ConditionResult, HeatMap
from search.reports.comparison.curves import (
    Line,
    batch_lines,
    batch_series,
    noise_lines,
    profile_lines,
    training_lines,
    tuning_lines,
)
from search.reports.measurements import constant

STYLES = ("-", "--", ":", "-.")
FIGURES = ("differences", "tuning", "training", "profile", "batch_sizes", "noise", "heat_maps")
COLUMNS = 3  # panels side by side


def figures(result: ComparisonResult) -> dict[str, bytes]:
    """SVG by name, of FIGURES; some for what the config asks for alone."""
    conditions = result.conditions
    drawn = {
        "differences": _differences(result),
        "tuning": _lines(
            [(c.label, tuning_lines(result, c)) for c in conditions],
            x="draws", y="expected best validation fitness",
        ),
        "training": _lines(
            [(c.label, training_lines(c)) for c in conditions], x="steps", y="validation fitness"
        ),
        "profile": _lines(
            [("Performance profile", profile_lines(result))],
            x="times the steps of the best", y="share of the tuning runs",
        ),
    }  # fmt: skip
    if every := batch_series(result):
        panels = [(series, batch_lines(result, series)) for series in every]
        drawn["batch_sizes"] = _lines(panels, x="batch size, log2", y=f"minus {result.baseline}")
    if result.config.noise is not None:
        panels = [(c.label, noise_lines(result, c)) for c in conditions]
        drawn["noise"] = _lines(panels, x="noise on the weights", y="rise of the training loss")
    if any(c.heat_maps for c in conditions):
        drawn["heat_maps"] = _heat_maps(conditions)
    return drawn


def _panels(count: int, height: float = 3.4) -> tuple[Any, list[Any]]:
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    columns = min(COLUMNS, max(1, count))
    rows = math.ceil(count / columns) or 1
    figure, axes = plt.subplots(
        rows, columns, figsize=(5.2 * columns, height * rows), layout="constrained", squeeze=False
    )
    flat = [axes[i][j] for i in range(rows) for j in range(columns)]
    for unused in flat[count:]:
        unused.set_visible(False)
    return figure, flat[:count]


def _saved(figure: Any) -> bytes:
    import matplotlib.pyplot as plt

    picture = io.BytesIO()
    figure.savefig(picture, format="svg", metadata={"Date": None})
    plt.close(figure)
    return picture.getvalue()


def _lines(panels: Sequence[tuple[str, Sequence[Line]]], *, x: str, y: str) -> bytes:
    figure, all_axes = _panels(len(panels))
    for axes, (title, lines) in zip(all_axes, panels):
        for i, line in enumerate(lines):
            xs, ys = zip(*line.points) if line.points else ((), ())
            style = STYLES[i // 10 % len(STYLES)]
            axes.plot(xs, ys, label=line.name, color=f"C{i % 10}", ls=style)
        axes.set(title=title, xlabel=x, ylabel=y)
        axes.legend(frameon=False, fontsize=7)
        axes.spines[["top", "right"]].set_visible(False)
    return _saved(figure)


def _differences(result: ComparisonResult) -> bytes:
    count = len(result.config.optimizers) - 1
    figure, all_axes = _panels(len(result.conditions), height=1.2 + 0.3 * count)
    for axes, condition in zip(all_axes, result.conditions):
        own = [d for d in result.differences if d.condition == condition.label]
        for at, d in enumerate(reversed(own)):
            if math.isfinite(d.mean) and math.isfinite(d.low):
                color = "C0" if d.adjusted <= d.level else "0.55"
                axes.plot([d.low, d.high], [at, at], color=color)
                axes.plot([d.mean], [at], "o", color=color)
        axes.axvline(0, color="0.7", lw=1)
        axes.set_yticks(range(len(own)), [d.optimizer for d in reversed(own)])
        axes.set(title=condition.label, xlabel=f"test fitness minus {result.baseline}")
        axes.spines[["top", "right"]].set_visible(False)
    return _saved(figure)


def _heat_maps(conditions: Sequence[ConditionResult]) -> bytes:
    maps = [(c.label, one) for c in conditions for one in c.heat_maps]
    figure, all_axes = _panels(len(maps))
    for axes, (label, one) in zip(all_axes, maps):
        _heat_map(axes, f"{label}: {one.optimizer}", one)
    return _saved(figure)


def _heat_map(axes: Any, title: str, one: HeatMap) -> None:
    shown: Callable[[float], float] = lambda v: v if math.isfinite(v) else math.nan
    values = [[shown(value) for value in row] for row in one.fitness]
    finite = sorted(v for row in values for v in row if not math.isnan(v))
    low = finite[len(finite) // 3] if finite else 0.0  # the worst third looks alike
    picture = axes.imshow(values, origin="lower", aspect="auto", vmin=low)
    axes.figure.colorbar(picture, ax=axes)
    axes.set_xticks(range(len(one.across)), [*map(constant, one.across)], fontsize=7)
    axes.set_yticks(range(len(one.up)), [*map(constant, one.up)], fontsize=7)
    axes.set(title=title, xlabel=one.constants[0], ylabel=one.constants[1])
