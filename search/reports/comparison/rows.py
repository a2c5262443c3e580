"""The rows of a comparison's tables: one for each condition and optimizer, as text and as data.

docs/compare.md explains each column.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean
from typing import Any

from programs.counted import counted
from search.comparing.compare import ComparisonResult
from search.comparing.results import ConditionResult, OptimizerResult
from search.comparing.statistics import has_target, run_interval
from search.reports.tables import finite_or_none

HEAD = (
    "optimizer", "test fitness", "minus baseline", "p (Holm)", "verdict", "times fewer steps",
    "train loss", "test loss", "state bytes / weight", "seconds / step", "failed",
)  # fmt: skip


def facts(result: ComparisonResult, condition: ConditionResult) -> list[dict[str, Any]]:
    """One row of plain values for each optimizer; None where there is no value."""
    return [_facts(result, condition, one) for one in condition.optimizers]


def _facts(
    result: ComparisonResult, condition: ConditionResult, one: OptimizerResult
) -> dict[str, Any]:
    level = result.config.level
    low, high = run_interval(one.tests, level)
    difference = result.difference(condition.label, one.name)
    steps = result.steps_of(condition.label, one.name)
    bytes_ = one.fact("state_bytes") / condition.parameters if condition.parameters else math.nan
    row: dict[str, Any] = {
        "condition": condition.label,
        "optimizer": one.name,
        "baseline": result.baseline,
        "test_fitness": fmean(one.tests),
        "fitness_low": low,
        "fitness_high": high,
        "tuning_fitness": fmean(run.validation for run in one.runs),
        "difference": difference.mean if difference else None,
        "difference_low": difference.low if difference else None,
        "difference_high": difference.high if difference else None,
        "p": difference.p if difference else None,
        "p_holm": difference.adjusted if difference else None,
        "verdict": difference.verdict.value if difference else "baseline",
        "times_fewer_steps": steps.times_fewer or None,
        "times_fewer_low": steps.ends[0] or None,
        "times_fewer_high": steps.ends[1] or None,
        "runs_at_target": steps.reached,
        "state_bytes_per_weight": bytes_,
        "seconds_per_step": condition.seconds_per_step.get(one.name),
        "failed": one.failed,
        "final_trainings": one.trainings,
        "seed_deviation": one.seed_deviation,
    }
    row |= {name: one.measure(name) for name in measure_names(condition)}
    return {
        key: finite_or_none(value) if isinstance(value, float) else value
        for key, value in row.items()
    }


FACTS = ("state_bytes", "parameters", "steps")  # of a training, which no seed changes
FITNESS = "test_fitness"  # the fitness of a final training, measured once more


def measure_names(condition: ConditionResult) -> list[str]:
    """What was measured at the end of the final trainings, in order, besides their fitness.

    No other value of a row has such a name, as no task reports a "fitness".
    """
    names = (
        name
        for one in condition.optimizers
        for run in one.runs
        for final in run.finals
        for name in final.measures
        if name not in (*FACTS, FITNESS)
    )
    return list(dict.fromkeys(names))


def size(condition: ConditionResult) -> str:
    """Of the model and the trainings, in words."""
    if not condition.parameters:
        return "no training ended"
    return f"{condition.parameters:,} weights, {counted(condition.steps, 'step')}"


def head(condition: ConditionResult) -> tuple[str, ...]:
    """The columns of a condition's table: speed where it was measured, what the task reports."""
    names = (name for name in HEAD if name != "seconds / step" or condition.seconds_per_step)
    return (*names, *map(_title, reports(condition)))


def reports(condition: ConditionResult) -> list[str]:
    """The measures that only this task has, such as "test_accuracy"."""
    names = measure_names(condition)
    return [name for name in names if name.startswith("test_") and name != "test_loss"]


def _title(measure: str) -> str:
    return measure.replace("_", " ")


def cells(condition: ConditionResult, row: dict[str, Any]) -> tuple[str, ...]:
    """A row of `facts` as text."""
    is_baseline = row["verdict"] == "baseline"
    texts = {
        "optimizer": row["optimizer"],
        "test fitness": _with_ends(row, "test_fitness", "fitness"),
        "minus baseline": "" if is_baseline else _with_ends(row, "difference", sign="+"),
        "p (Holm)": "" if is_baseline else f"{row['p_holm']:.2g}",
        "verdict": row["verdict"],
        "times fewer steps": _times(condition, row, runs=len(condition.optimizers[0].runs)),
        "train loss": _number(row.get("train_loss")),
        "test loss": _number(row.get("test_loss")),
        "state bytes / weight": _number(row["state_bytes_per_weight"], ".3g"),
        "seconds / step": _number(row["seconds_per_step"], ".3g"),
        "failed": f"{row['failed']} of {row['final_trainings']}",
    }
    texts |= {_title(name): _number(row[name], ".4g") for name in reports(condition)}
    return tuple(texts[name] for name in head(condition))


def _times(condition: ConditionResult, row: dict[str, Any], *, runs: int) -> str:
    if not has_target(condition, row["baseline"]):
        return "none"
    reached = f"reached in {row['runs_at_target']} of {runs}"
    times, low, high = (row[f"times_fewer_{which}"] for which in ("steps", "low", "high"))
    if times is None:
        return reached
    return f"{times:.2f} [{low:.2f}, {high:.2f}]" if low else f"{times:.2f}, {reached}"


def _number(value: float | None, form: str = ".4f") -> str:
    return "none" if value is None else format(value, form)


def _with_ends(row: dict[str, Any], name: str, ends: str = "", *, sign: str = "") -> str:
    value, low, high = (row[key] for key in (name, f"{ends or name}_low", f"{ends or name}_high"))
    if value is None:
        return "none"
    if low is None or high is None:
        return f"{value:{sign}.4f}"
    return f"{value:{sign}.4f} [{low:{sign}.4f}, {high:{sign}.4f}]"


def runs(result: ComparisonResult) -> list[dict[str, Any]]:
    """One row for each condition, optimizer and tuning run: what was chosen, and how it did."""
    return [
        {
            "condition": condition.label,
            "optimizer": one.name,
            "run": number,
            "tuning_fitness": finite_or_none(run.validation),
            "test_fitness": finite_or_none(run.test),
            "by_seed": [finite_or_none(final.fitness) for final in run.finals],
            "values": dict(run.values),
            "at_an_edge": dict(run.edges),
            "draws_without_fitness": sum(not math.isfinite(f) for f in run.draws),
        }
        for condition in result.conditions
        for one in condition.optimizers
        for number, run in enumerate(one.runs)
    ]


PROFILE_HEAD = ("optimizer", "score", "best", "within 1.5 times", "within 4 times")


def profile_rows(result: ComparisonResult) -> list[Sequence[str]]:
    """The performance profile at some factors."""
    return [
        (
            one.optimizer,
            f"{one.score:.3f}",
            *(f"{one.share(times):.0%}" for times in (1.0, 1.5, 4.0)),
        )
        for one in sorted(result.profiles, key=lambda p: -p.score)
    ]
