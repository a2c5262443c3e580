"""A line chart as SVG, with a text, a legend and a table of its values for those who do not see it.

Lines differ by colour and by dashes. The script shows the values under the pointer or, by the arrow
keys, those of one position after the other; without it the chart is whole.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from search.reports.page.html import Html, join, table, tag
from search.reports.verbs.individuals import fitness_text

WIDTH, HEIGHT = 480, 300
LEFT, RIGHT, TOP, BOTTOM = 62, 24, 12, 46
COLORS = 6  # in style.css: c0, c1, ...
ROWS = 24  # of the table of values
TICKS = 5


@dataclass(frozen=True)
class Series:
    """A line, or dots alone; y None: there is no value."""

    name: str
    points: Sequence[tuple[float, float | None]]  # (x, y)
    dots: bool = False
    links: Sequence[int] = ()  # [points] what the script shows when a dot is clicked


@dataclass(frozen=True)
class Axis:
    """From values to pixels."""

    low: float
    high: float
    start: float  # pixels
    end: float

    def at(self, value: float) -> float:
        value = min(max(value, self.low), self.high)
        return self.start + (self.end - self.start) * (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[float]:
        step = nice_step((self.high - self.low) / TICKS)
        first = math.ceil(self.low / step - 1e-9)
        return [i * step for i in range(first, math.floor(self.high / step + 1e-9) + 1)]


def nice_step(least: float) -> float:
    """The smallest of 1, 2, 5 times a power of ten that is not below."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * (1 - 1e-9))


def chart(
    key: str,
    title: str,
    series: Sequence[Series],
    *,
    x: str,
    y: str,
    says: str,
    y_range: tuple[float, float] | None = None,
) -> Html:
    """A figure.

    Args:
      key: an id that is the page's alone. x, y: what the axes show. says: what is to be seen, in a
        sentence. y_range: by default that of the values, without outliers below.
    """
    values = [value for one in series for _, value in one.points if value is not None]
    if not values:
        return tag("figure", tag("figcaption", tag("b", title)), tag("p", "No values yet."))
    xs = [value for one in series for value, _ in one.points]
    across = _axis(min(xs), max(xs), start=LEFT, end=WIDTH - RIGHT)
    low, high = y_range or _range(values)
    up = _axis(low, high, start=HEIGHT - BOTTOM, end=TOP)
    cut = sum(value < up.low for value in values)
    if cut:
        says += f" {cut} values below {up.low:.4g} are drawn at the bottom."
    drawing = tag(
        "svg",
        tag("title", title),
        tag("desc", says),
        _grid(across, up, x=x, y=y),
        *(_drawn(one, i, across=across, up=up) for i, one in enumerate(series)),
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        aria_label=f"{title}. {says}",
        data_x=f"{across.low!r} {across.high!r} {across.start} {across.end}",
        data_y=f"{up.low!r} {up.high!r} {up.start} {up.end}",
    )
    return tag(
        "figure",
        tag("figcaption", tag("b", title), " ", says),
        tag("div", drawing, class_="plot", tabindex=0, role="group",
            aria_label=f"{title}: arrow keys read the values"),
        tag("output", "", class_="readout", aria_live="polite"),
        _legend(series),
        _values(series, title, x),
        id=key,
    )  # fmt: skip


def _axis(low: float, high: float, *, start: float, end: float) -> Axis:
    if high - low <= max(1e-9 * max(abs(low), abs(high)), 1e-100):  # all the same, but for rounding
        around = max(0.5, 1e-6 * abs(high))
        low, high = low - around, high + around
    return Axis(low, high, start, end)


def _range(values: Sequence[float]) -> tuple[float, float]:
    """Of values of which the high ones matter: the upper half has at least an eighth of the height,
    and what is too far below is cut."""
    high, middle = max(values), median(values)
    low = max(min(values), high - 8 * (high - middle)) if high > middle else min(values)
    room = 0.04 * (high - low)
    return low - room, high + room


def number(value: float) -> str:
    """For axes and tables: at most 4 digits, thousands apart."""
    if abs(value) >= 1000 and value == round(value):
        return f"{value:,.0f}"
    return f"{value:.4g}"


def _grid(across: Axis, up: Axis, *, x: str, y: str) -> Html:
    parts = []
    for value in up.ticks():
        at = up.at(value)
        parts.append(tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=f"{at:.1f}", y2=f"{at:.1f}",
                         class_="grid"))  # fmt: skip
        parts.append(tag("text", number(value), x=LEFT - 6, y=f"{at + 4:.1f}", class_="left"))
    for value in across.ticks():
        at = across.at(value)
        parts.append(tag("text", number(value), x=f"{at:.1f}", y=HEIGHT - BOTTOM + 18))
    parts.append(tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=HEIGHT - BOTTOM, y2=HEIGHT - BOTTOM,
                     class_="axis"))  # fmt: skip
    parts.append(tag("text", x, x=(LEFT + WIDTH - RIGHT) // 2, y=HEIGHT - 8))
    middle = (TOP + HEIGHT - BOTTOM) // 2
    parts.append(tag("text", y, transform=f"translate(13 {middle}) rotate(-90)"))
    return tag("g", *parts, aria_hidden="true")


def _drawn(one: Series, index: int, *, across: Axis, up: Axis) -> Html:
    look = _look(index)
    known = [(i, x, y) for i, (x, y) in enumerate(one.points) if y is not None]
    at = [(f"{across.at(x):.1f}", f"{up.at(y):.1f}") for _, x, y in known]
    parts = []
    if not one.dots or one.links:
        points = " ".join(f"{x},{y}" for x, y in at)
        parts.append(tag("polyline", points=points, class_=f"line {look}", data_name=one.name))
    if one.dots:
        link = dict(enumerate(one.links))
        parts += [
            tag("circle", cx=x, cy=y, r=4, class_=f"dot {look}", data_step=link.get(i),
                data_name=None if one.links else one.name)
            for (i, *_), (x, y) in zip(known, at)
        ]  # fmt: skip
    return join(parts)


def _look(index: int) -> str:
    """Classes of a colour and a pattern of dashes, a pair of its own for each of 36 lines."""
    return f"c{index % COLORS} d{(index + index // COLORS) % COLORS}"


def _legend(series: Sequence[Series]) -> Html:
    entries = []
    for i, one in enumerate(series):
        look = _look(i)
        mark = (
            tag("circle", cx=14, cy=6, r=4, class_=f"dot {look}")
            if one.dots and not one.links
            else tag("line", x1=0, x2=28, y1=6, y2=6, class_=f"line {look}")
        )
        drawing = tag("svg", mark, viewBox="0 0 28 12", aria_hidden="true")
        entries.append(tag("li", drawing, one.name))
    return tag("ul", *entries, class_="legend")


def _values(series: Sequence[Series], title: str, x: str) -> Html:
    rows = []
    for one in series:
        step = max(1, math.ceil(len(one.points) / ROWS))
        chosen = [*one.points[::step]]
        if one.points and chosen[-1] != one.points[-1]:
            chosen.append(one.points[-1])
        rows += [(one.name, number(at), fitness_text(value)) for at, value in chosen]
    return tag(
        "details",
        tag("summary", "Values as a table"),
        table(("line", x, "value"), rows, f"{title}: {_coverage(series)}"),
    )


def _coverage(series: Iterable[Series]) -> str:
    longest = max((len(one.points) for one in series), default=0)
    return "all values" if longest <= ROWS else f"some {ROWS} of up to {longest} values a line"
