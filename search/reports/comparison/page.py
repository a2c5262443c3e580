"""A comparison as a page to look at: one HTML file that needs nothing else."""

from __future__ import annotations

import math
from collections.abc import Sequence

from search.comparing.compare import ComparisonResult
from search.comparing.results import ConditionResult, HeatMap
from search.config.load import dumps
from search.reports.comparison.curves import (
    Line,
    batch_lines,
    batch_series,
    noise_lines,
    profile_lines,
    training_lines,
    tuning_lines,
)
from search.reports.comparison.rows import (
    PROFILE_HEAD,
    cells,
    facts,
    head,
    measure_names,
    profile_rows,
    runs,
    size,
)
from search.reports.comparison.sentences import shown_and_not, warnings
from search.reports.measurements import constant
from search.reports.page.chart import Series, chart
from search.reports.page.document import Section, document
from search.reports.page.html import Html, code, join, table, tag

MADE_BY = "python -m search.compare"


def page(result: ComparisonResult) -> str:
    """The page as text."""
    shown, not_shown = shown_and_not(result)
    sections = [
        Section("findings", "What it says", join([
            _sentences(shown), _folded("No difference shown, or no comparison", not_shown),
        ])),
        Section("warnings", "Warnings", _folded("Warnings", warnings(result))),
    ]  # fmt: skip
    for i, condition in enumerate(result.conditions, start=1):
        sections.append(Section(f"c{i}", condition.label, _condition(result, condition, f"c{i}")))
    if every := batch_series(result):
        charts = [
            _chart(f"batch{i}", f"Batch size: {series}", batch_lines(result, series),
                   x="batch size, log2", y=f"minus {result.baseline}",
                   says="Difference of test fitness to the baseline, mean over the tuning runs.")
            for i, series in enumerate(every)
        ]  # fmt: skip
        sections.append(Section("batch", "Batch sizes", tag("div", *charts, class_="figures")))
    sections += [
        Section("profile", "Performance profile", _profile(result)),
        Section("spaces", "What was tuned", _spaces(result)),
        Section("runs", "Tuning runs", _runs(result)),
        Section("config", "Config", code(dumps(result.config))),
    ]
    return document(result.config.title, sections, made_by=MADE_BY)


def _sentences(lines: Sequence[str]) -> Html:
    return tag("ul", *(tag("li", line) for line in lines))


def _folded(name: str, lines: Sequence[str]) -> Html:
    """Sentences that are opened on demand, with their number."""
    if not lines:
        return tag("p", f"{name}: none.")
    return tag("details", tag("summary", f"{name}: {len(lines)}"), _sentences(lines))


def _condition(result: ComparisonResult, condition: ConditionResult, key: str) -> Html:
    rows = facts(result, condition)
    caption = f"{size(condition)}; baseline: {result.baseline}"
    parts = [
        table(head(condition), (cells(condition, row) for row in rows), caption),
        _measures(condition, rows),
    ]
    charts = [
        _chart(f"{key}-tuning", "Tuning", tuning_lines(result, condition), x="draws", y="fitness",
               says="Expected best validation fitness of so many draws, mean over the runs."),
        _chart(f"{key}-training", "Training", training_lines(condition), x="steps", y="fitness",
               says="Validation fitness on the way, mean over runs and seeds."),
    ]  # fmt: skip
    if result.config.noise is not None:
        charts.append(
            _chart(f"{key}-noise", "Flatness", noise_lines(result, condition),
                   x="noise on the weights", y="rise of the loss",
                   says="Mean rise of the training loss; lower is flatter.")
        )  # fmt: skip
    parts.append(tag("div", *charts, class_="figures"))
    parts += [_heat_map(one) for one in condition.heat_maps]
    return join(parts)


def _chart(key: str, title: str, lines: Sequence[Line], *, x: str, y: str, says: str) -> Html:
    return chart(key, title, [Series(one.name, one.points) for one in lines], x=x, y=y, says=says)


def _measures(condition: ConditionResult, rows: Sequence[dict[str, float | None]]) -> Html:
    names = measure_names(condition)
    values = [
        (str(row["optimizer"]), *("none" if row[n] is None else f"{row[n]:.4g}" for n in names))
        for row in rows
    ]
    head_ = ("optimizer", *(name.replace("_", " ") for name in names))
    return tag(
        "details",
        tag("summary", "All measures"),
        table(head_, values, "Means over the final trainings"),
    )


def _heat_map(one: HeatMap) -> Html:
    """A table of numbers, the best one marked."""
    best = max(v for row in one.fitness for v in row)

    def cell(value: float) -> Html | str:
        if not math.isfinite(value):
            return "none"
        return tag("b", f"{value:.4f}") if value == best else f"{value:.4f}"

    rows = [
        (f"{one.constants[1]} {constant(y)}", *map(cell, row))
        for y, row in zip(reversed(one.up), reversed(one.fitness))
    ]
    head_ = ("", *(f"{one.constants[0]} {constant(x)}" for x in one.across))
    return table(head_, rows, f"{one.optimizer}: validation fitness over two constants")


def _profile(result: ComparisonResult) -> Html:
    says = (
        "Share of the tuning runs in which an optimizer reaches the baseline's result within so "
        "many times the steps of the best in the run."
    )
    figure = _chart("profile-chart", "Performance profile", profile_lines(result),
                    x="times the steps of the best", y="share", says=says)  # fmt: skip
    caption = "The score is the mean height of the profile"
    return join([table(PROFILE_HEAD, profile_rows(result), caption), figure])


def _spaces(result: ComparisonResult) -> Html:
    rows = [
        (
            one.name,
            "; ".join(f"{n} {low:g} to {high:g}" for n, (low, high) in one.space.ranges.items()),
            "; ".join(f"{name} {value:g}" for name, value in one.space.fixed.items()),
            "; ".join(f"{name} as {other}" for name, other in one.space.ties.items()),
        )
        for one in result.entrants
    ]
    return table(("optimizer", "ranges", "kept", "tied"), rows, "Evenly in logarithms")


def _runs(result: ComparisonResult) -> Html:
    rows = [
        (
            row["condition"],
            row["optimizer"],
            str(row["run"]),
            "; ".join(f"{name} {constant(value)}" for name, value in row["values"].items()),
            ", ".join(row["at_an_edge"]),
            "none" if row["test_fitness"] is None else f"{row['test_fitness']:.4f}",
        )
        for row in runs(result)
    ]
    names = ("condition", "optimizer", "run", "constants", "at an edge", "test fitness")
    return table(names, rows, "What each tuning run has chosen")
