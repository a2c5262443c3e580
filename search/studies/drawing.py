"""The paper's figures of several searches, as pictures."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from search.storage.files import write_file
from search.studies.curves import Band, Overfitting

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

KINDS = ("svg", "png")


def draw_search(
    rises: Mapping[str, Band], start: float, courses: Mapping[str, Band], *, out: Path
) -> list[Path]:
    """Figure 2: the best fitness over trainings; known programs and redundant statements.

    rises: by arm; start: fitness of the warm starts; courses: by what is shown.
    """
    figure, (left, right) = _panels(2)
    for number, (arm, band) in enumerate(rises.items()):
        _draw(left, band, label=arm, color=f"C{number}", unit=1000)
    left.set(xlabel="thousand trainings", ylabel="best search fitness")
    if math.isfinite(start):
        left.axhline(start, color="0.6", lw=1, label="warm start")
    for number, (name, band) in enumerate(courses.items()):
        shown = Band(band.x, 100 * band.mean, 100 * band.error)
        _draw(right, shown, label=name, color=f"C{number}", unit=1000)
    right.set(xlabel="thousand children", ylabel="%", ylim=(0, 100))
    return _save(figure, out)


def draw_overfitting(searches: Sequence[Overfitting], *, out: Path) -> list[Path]:
    """Figure 3: search and meta-validation fitness over a search; where overfitting begins."""
    figure, (left, right) = _panels(2)
    for number, search in enumerate(searches):
        points = [p for p in search.points if math.isfinite(p.mean)]
        if not points:
            continue
        progress = [100 * p.child / search.children for p in points]
        labels = ("search", "meta-validation") if number == 0 else (None, None)
        color = f"C{number % 10}"
        fitness = [p.search - points[0].search for p in points]
        left.plot(progress, fitness, color=color, ls="--", lw=1, label=labels[0])
        means = [p.mean - points[0].mean for p in points]
        left.plot(progress, means, color=color, lw=1, label=labels[1])
        if search.onset:
            left.axvline(100 * search.progress, color=color, ls=":", lw=1)
    left.set(xlabel="% of the search", ylabel="fitness, minus its first value")
    begins = [100 * s.progress for s in searches if s.onset]
    right.hist(begins, bins=list(np.linspace(0, 100, 11)), color="C0")
    none = len(searches) - len(begins)
    right.set(xlabel="% of the search at the onset", ylabel="searches", xlim=(0, 100))
    right.set_title(f"no onset in {none} of {len(searches)}", fontsize=9)
    return _save(figure, out)


def _panels(count: int) -> tuple[Figure, Sequence[Axes]]:
    import matplotlib

    matplotlib.use("agg")
    matplotlib.rcParams["svg.hashsalt"] = "studies"  # so that the same numbers give the same file
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, count, figsize=(5 * count, 3.6), layout="constrained")
    for one in axes:
        one.spines[["top", "right"]].set_visible(False)
    return figure, list(axes)


def _draw(axes: Axes, band: Band, *, label: str, color: str, unit: float) -> None:
    x, error = band.x / unit, np.nan_to_num(band.error)
    axes.plot(x, band.mean, color=color, label=label)
    axes.fill_between(x, band.mean - error, band.mean + error, color=color, alpha=0.25, lw=0)


def _save(figure: Figure, out: Path) -> list[Path]:
    """Writes OUT.svg and OUT.png."""
    import matplotlib.pyplot as plt

    for axes in figure.axes:
        if axes.get_legend_handles_labels()[0]:
            axes.legend(frameon=False, fontsize=8)
    out.parent.mkdir(parents=True, exist_ok=True)
    written = []
    for kind in KINDS:
        picture = io.BytesIO()
        metadata = {"Date": None} if kind == "svg" else None
        figure.savefig(picture, format=kind, dpi=150, metadata=metadata)
        written.append(out.with_name(f"{out.name}.{kind}"))
        write_file(written[-1], picture.getvalue())
    plt.close(figure)
    return written
