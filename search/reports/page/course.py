"""How a search went: fitness, meta-validation, known programs and redundancy over the children."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from search.reports.measurements import states
from search.reports.page.chart import Series, chart
from search.reports.page.html import Html, join, tag
from search.selection.overfitting import Point, onset
from search.storage.courses import CurvePoint

SHARES = 60  # points of the lines of shares
MOST = 5  # repeats with a line of their own; of more their mean and range

Line = list[tuple[float, float | None]]
Course = Mapping[int, Sequence[CurvePoint]]  # by repeat
Rises = Mapping[int, Sequence[tuple[int, float]]]  # by states: individual, best fitness so far


@dataclass(frozen=True)
class Lines:
    """One repeat's lines over its children."""

    best: Line
    functional: Line  # percent, as the next two
    canonical: Line
    redundant: Line

    @classmethod
    def of(cls, points: Sequence[CurvePoint]) -> Lines:
        best, lines = float("-inf"), cls([], [], [], [])
        for p in points:
            best = max(best, p.best)
            at = float(p.last + 1)
            lines.best.append((at, best if best > float("-inf") else None))
        for p in _merged(points, math.ceil(len(points) / SHARES)):
            at = float(p.last + 1)
            lines.functional.append((at, 100 * p.functional / p.individuals))
            lines.canonical.append((at, 100 * p.canonical / p.individuals))
            lines.redundant.append((at, 100 * (1 - p.live / max(p.statements, 1))))
        return lines


def _merged(points: Sequence[CurvePoint], size: int) -> Iterator[CurvePoint]:
    """So many parts as one: shares of few children are noise."""
    for first in range(0, len(points), max(size, 1)):
        part = points[first : first + size]
        sums = (sum(of_part) for of_part in zip(*(p[3:] for p in part)))
        yield CurvePoint(
            part[-1].last, sum(p.individuals for p in part), max(p.best for p in part), *sums
        )


def averaged(lines: Sequence[Line]) -> tuple[Line, Line, Line]:
    """Mean, lowest and highest of lines where all of them have a value."""
    mean, low, high = Line(), Line(), Line()
    for at in zip(*lines):
        values = [y for _, y in at if y is not None]
        if len(values) == len(lines):
            mean.append((at[0][0], fmean(values)))
            low.append((at[0][0], min(values)))
            high.append((at[0][0], max(values)))
    return mean, low, high


def several(name: str, lines: Sequence[Line]) -> list[Series]:
    """A line for each repeat, or their mean and range."""
    if len(lines) == 1:
        return [Series(name, lines[0])]
    if len(lines) <= MOST:
        return [Series(f"{name}, repeat {i}", line) for i, line in enumerate(lines)]
    mean, low, high = averaged(lines)
    around = f"of {len(lines)} repeats"
    return [
        Series(f"{name}, mean {around}", mean),
        Series(f"lowest {around}", low),
        Series(f"highest {around}", high),
    ]


def figures(key: str, course: Course, *, start: float, rises: Rises, born: int,
            meta: Mapping[int, Sequence[Point]], level: float) -> Html:  # fmt: skip
    """The figures of one run. born: individuals so far."""
    by_repeat = [Lines.of(points) for points in course.values()]
    if not by_repeat:
        return tag("p", "No child has been committed yet.")
    drawn = [_fitness(key, by_repeat, start)]
    if len(rises) > 1:
        drawn.append(_by_states(key, rises, end=float(born)))
    drawn.append(_known(key, by_repeat))
    if meta:
        drawn.append(_meta_validation(key, meta, level))
    return tag("div", *drawn, class_="figures")


def _fitness(key: str, by_repeat: Sequence[Lines], start: float) -> Html:
    series = several("best so far", [lines.best for lines in by_repeat])
    says = "The best fitness in the search over the children of a repeat."
    last = max(
        (y for lines in by_repeat for _, y in lines.best[-1:] if y is not None), default=None
    )
    if last is not None:
        says += f" It ends at {last:.5g}"
        says += f", from {start:.5g} of the warm start." if start == start else "."
    if start == start and abs(start) != float("inf"):
        end = max(lines.best[-1][0] for lines in by_repeat)
        series.append(Series("warm start", [(1.0, start), (end, start)]))
    return chart(f"{key}-fitness", "Fitness", series, x="children", y="best fitness", says=says)


def _by_states(key: str, rises: Rises, *, end: float) -> Html:
    series, ends = [], []
    for count, points in sorted(rises.items())[:MOST]:
        line: Line = []
        for number, fitness in points:
            line += [(float(number), line[-1][1])] if line else []  # a step
            line.append((float(number), fitness))
        series.append(Series(states(count), [*line, (end, points[-1][1])]))
        ends.append(f"{states(count)} {points[-1][1]:.5g}")
    says = "The best fitness so far of the programs that need so many states, each of the weights' "
    says += f"size. At the end: {', '.join(ends)}."
    last = [points[-1][1] for points in rises.values()]
    room = 0.5 * (max(last) - min(last))  # below it, where the rise to the worst of them ends
    return chart(f"{key}-states", "Fitness by memory", series, x="individuals", y="best fitness",
                 says=says, y_range=(min(last) - room, max(last) + 0.1 * room))  # fmt: skip


def _known(key: str, by_repeat: Sequence[Lines]) -> Html:
    parts = ("functional", "canonical", "redundant")
    means = {part: averaged([getattr(lines, part) for lines in by_repeat])[0] for part in parts}
    ends = {part: line[-1][1] or 0.0 for part, line in means.items() if line}
    says = "Shares of the children since the point before"
    says += ", mean over repeats." if len(by_repeat) > 1 else "."
    if ends:
        says += (
            f" At the end {ends['functional']:.0f} % were known programs by the functional hash, "
            f"{ends['canonical']:.0f} % by the canonical one as well, and {ends['redundant']:.0f} "
            "% of the statements were redundant."
        )
    names = {"functional": "known, functional hash", "canonical": "known, canonical hash too",
             "redundant": "redundant statements"}  # fmt: skip
    series = [Series(names[part], line) for part, line in means.items()]
    return chart(f"{key}-known", "Known programs and redundant statements", series, x="children",
                 y="%", says=says, y_range=(0.0, 100.0))  # fmt: skip


def _meta_validation(key: str, meta: Mapping[int, Sequence[Point]], level: float) -> Html:
    series, remarks = [], []
    for repeat, points in meta.items():
        scored = [p for p in points if p.meta and p.mean > float("-inf")]
        if not scored:
            continue
        front = "" if len(meta) == 1 else f"repeat {repeat}: "
        first = scored[0]
        search: Line = [(float(p.child), p.search - first.search) for p in scored]
        held_out: Line = [(float(p.child), p.mean - first.mean) for p in scored]
        series += [Series(f"{front}search", search), Series(f"{front}meta-validation", held_out)]
        begin = onset(points, level)
        remarks.append(
            f"{front}no meta-overfitting seen."
            if begin is None
            else f"{front}meta-overfitting begins at child {begin.child:,}."
        )
    says = "The best program so far, in the search and on larger held-out tasks, each minus its "
    says += f"first value. {' '.join(remarks)}"
    return chart(f"{key}-meta", "Meta-validation", series, x="children",
                 y="fitness minus its first", says=says)  # fmt: skip


def compared(courses: Sequence[tuple[str, Course]]) -> Html:
    """Several runs in the same figures, by means over repeats (the paper's Figure 2)."""
    parts = {
        "best": ("Fitness", "best fitness", "The best fitness so far"),
        "functional": ("Known programs", "%", "The share of children that were known programs by "
                       "the functional hash"),
        "redundant": ("Redundant statements", "%", "The share of statements on which no output "
                      "depends"),
    }  # fmt: skip
    drawn = []
    for part, (title, unit, what) in parts.items():
        series, ends = [], []
        for name, course in courses:
            lines = [getattr(Lines.of(points), part) for points in course.values()]
            if lines and (mean := averaged(lines)[0]):
                series.append(Series(name, mean))
                ends.append(f"{name} {mean[-1][1]:.5g}" if part == "best" else
                            f"{name} {mean[-1][1]:.0f} %")  # fmt: skip
        says = f"{what}, mean over the repeats of each run. At the end: {', '.join(ends)}."
        span = None if part == "best" else (0.0, 100.0)
        drawn.append(
            chart(f"all-{part}", title, series, x="children", y=unit, says=says, y_range=span)
        )
    return tag("div", join(drawn), class_="figures")
