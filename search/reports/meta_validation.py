"""The curves of meta-validation as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from search.config.selection import MetaValidationSettings
from search.reports.measurements import mean_fitness
from search.selection.overfitting import Point, onset


def curve_lines(
    curves: Mapping[int, Sequence[Point]], settings: MetaValidationSettings
) -> list[str]:
    """The curves, by repeat, with where meta-overfitting begins; nothing if there are none."""
    lines = [f"Meta-validation at {settings.scale:g} times the compute:"] if curves else []
    for repeat, points in curves.items():
        begin = onset(points, settings.level)
        remark = "no meta-overfitting seen"
        if begin is not None:
            remark = f"meta-overfitting begins at child {begin.child:,} (fall {begin.fall:.4g})"
        lines.append(f"repeat {repeat}: {remark}")
        lines += [
            f"  after {p.child:,} children: search {p.search:.5g}, meta-validation "
            + (mean_fitness(p.meta) if p.meta else "not scored")
            for p in points
        ]
    return lines
