"""What a comparison says, in sentences; small gains and what is not significant are said, too."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

from programs.counted import counted
from search.comparing.compare import ComparisonResult
from search.comparing.results import ConditionResult
from search.comparing.statistics import Difference, Verdict
from search.reports.comparison.rows import measure_names

SMALL = 1.0  # standard deviations between seeds below which a difference is called small


def findings(result: ComparisonResult) -> list[str]:
    """All sentences: on the optimizers, by condition, then on batch sizes and measures."""
    lines = [_design(result)]
    for condition in result.conditions:
        lines += [_of_difference(result, condition, d) for d in result.differences
                  if d.condition == condition.label]  # fmt: skip
    return [*lines, *_of_trends(result), *_of_measures(result)]


def shown_and_not(result: ComparisonResult) -> tuple[list[str], list[str]]:
    """The same in two parts: what is shown, with the design first; and the comparisons without a
    difference, or without an answer."""
    verdicts = Verdict.NO_DIFFERENCE, Verdict.FAILED
    rest = [
        _of_difference(result, condition, d)
        for condition in result.conditions
        for d in result.differences
        if d.condition == condition.label and d.verdict in verdicts
    ]
    return [line for line in findings(result) if line not in rest], rest


def _design(result: ComparisonResult) -> str:
    tuning, test, count = result.config.tuning, result.config.test, len(result.differences)
    return (
        f"Each optimizer had {counted(tuning.runs, 'tuning run')} of "
        f"{counted(tuning.draws, 'draw')} on each condition, "
        f"and each run {counted(test.seeds, 'fresh seed')} on the test split; "
        f"intervals are over the runs ({100 * (1 - result.config.level):.6g} %), and p is "
        f"corrected for {counted(count, 'comparison')}."
    )


def _of_difference(result: ComparisonResult, condition: ConditionResult, d: Difference) -> str:
    front = f"{d.condition}: {d.optimizer}"
    against = f"{d.mean:+.4f} [{d.low:+.4f}, {d.high:+.4f}]"
    if d.verdict is Verdict.FAILED:
        return (
            f"{front}: {counted(d.failed, 'final training')}, of its own or of {result.baseline}, "
            "did not complete, so there is no comparison."
        )
    if d.verdict is Verdict.NO_DIFFERENCE:
        alone = " (alone, without the correction, it would be)" if d.p <= d.level else ""
        return (
            f"{front} is not shown to differ from {result.baseline}: {against}, p = "
            f"{d.adjusted:.2g}{alone}."
        )
    word = "better" if d.verdict is Verdict.BETTER else "worse"
    spread = condition.optimizer(result.baseline).seed_deviation
    size = ""
    if math.isfinite(spread) and spread > 0:
        ratio = abs(d.mean) / spread
        size = f", {ratio:.2g} times the standard deviation between seeds"
        size += ": a small difference" if ratio < SMALL else ""
    return f"{front} is {word} than {result.baseline}: {against}, p = {d.adjusted:.2g}{size}."


def _of_trends(result: ComparisonResult) -> Iterator[str]:
    for one in result.trends:
        c, front = one.slope, f"{one.series}:"
        if not math.isfinite(c.mean):
            yield f"{front} {one.optimizer} has no trend over the batch size: trainings failed."
            continue
        change = f"{c.mean:+.4f} [{c.low:+.4f}, {c.high:+.4f}] per doubling of the batch"
        if c.p > result.config.level:
            verdict = "no change with the batch size is shown"
        else:
            verdict = f"it {'grows' if c.mean > 0 else 'falls'} with the batch size"
        yield (
            f"{front} the difference of {one.optimizer} to {result.baseline} changes by "
            f"{change}; {verdict} (p = {c.p:.2g}, not corrected)."
        )


def _of_measures(result: ComparisonResult) -> Iterator[str]:
    """On the training loss and flatness, where they were asked for."""
    if result.config.noise is None:
        return
    every = (name for condition in result.conditions for name in measure_names(condition))
    for name in dict.fromkeys(every):
        if name != "train_loss" and not name.startswith("noise_"):
            continue
        what = (
            "training loss"
            if name == "train_loss"
            else f"rise of the training loss under noise of {name.removeprefix('noise_')}"
        )
        for d in result.measured(name):
            if d.verdict is Verdict.FAILED:
                continue  # as is said of its fitness
            if not math.isfinite(d.mean):
                yield (
                    f"{d.condition}: the {what} of {d.optimizer} is not compared with that of "
                    f"{result.baseline}: not every final training has a finite one."
                )
                continue
            shown = d.adjusted <= d.level
            order = "higher" if d.mean > 0 else "lower"
            verdict = f"{order} than that of" if shown else "not shown to differ from that of"
            yield (
                f"{d.condition}: the {what} of {d.optimizer} is {verdict} {result.baseline}: "
                f"{d.mean:+.4g} [{d.low:+.4g}, {d.high:+.4g}], p = {d.adjusted:.2g}."
            )


def warnings(result: ComparisonResult) -> list[str]:
    """Optima at an edge of their range, draws that all fail, and what the run itself noted."""
    lines = list(result.notes)
    for i, entrant in enumerate(result.entrants):
        own = [condition.optimizers[i] for condition in result.conditions]
        runs = [run for one in own for run in one.runs]
        ends = Counter(edge for run in runs for edge in run.edges.items())
        for (name, end), count in sorted(ends.items()):
            low, high = entrant.space.ranges[name]
            where = [
                condition.label
                for condition, one in zip(result.conditions, own)
                if any(run.edges.get(name) == end for run in one.runs)
            ]
            lines.append(
                f"{entrant.name}: the best {name} lies at the {end} edge of its range ({low:g} to "
                f"{high:g}) in {count} of {len(runs)} tuning runs ({'; '.join(where)}): a wider "
                "range may be better"
            )
        lines += [
            f"{condition.label}: {entrant.name}: no draw has a fitness"
            for condition, one in zip(result.conditions, own)
            if all(not math.isfinite(f) for run in one.runs for f in run.draws)
        ]
    return lines
