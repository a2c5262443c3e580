"""The way from an evolved program to the final one, as a page to read and as plain values.

Neither holds a time, so that equal runs give equal files.
"""

from __future__ import annotations

from typing import Any

from programs import Program
from programs.counted import counted
from programs.simplify import Simplification, as_dict, as_markdown
from programs.simplify.certificate import code_block
from search.reports.measurements import comparison_in_full
from search.reports.tables import finite_or_none, markdown_table
from search.shortening.ablation import Ablation, Change
from search.shortening.judge import TaskComparison
from search.shortening.shorten import ShorteningResult, Step

_TITLE = "# From the evolved program to the final one"


def certificate(done: ShorteningResult) -> str:
    """The whole way as a page to read."""
    lines = _head(done.exact.original, done.program, done.constants.value)
    if done.original is not None:
        lines += ["With the constants tuned on the tasks:", "", *code_block(done.again.program)]
    return "\n".join([*lines, _deeper(as_markdown(done.exact)), *_after_exact_passes(done)])


def between_stages(done: ShorteningResult | Simplification) -> str:
    """How a candidate was made shorter before a later stage of the funnel, which tuned it again."""
    if isinstance(done, Simplification):
        text = exact_certificate(done, "It does not train on all seeds of the ablation.", None)
    else:
        text = certificate(done)
    return text.replace(_TITLE, "# Before a later stage of the funnel", 1)


def exact_certificate(exact: Simplification, why: str, tried: ShorteningResult | None) -> str:
    """The same where the exact passes alone are the way; `tried` was reverted."""
    lines = [*_head(exact.original, exact.program, why), _deeper(as_markdown(exact))]
    if tried is not None:
        lines += ["## What follows was reverted", "", why, "", *_after_exact_passes(tried)]
    return "\n".join(lines)


def _head(before: Program, after: Program, remark: str) -> list[str]:
    states = f"{len(before.states)} to {counted(len(after.states), 'state')}"
    return [
        _TITLE,
        "",
        f"{len(before)} to {counted(len(after), 'statement')}, {states}. {remark}",
        "",
        *code_block(before),
        "became",
        "",
        *code_block(after),
    ]


def _after_exact_passes(done: ShorteningResult) -> list[str]:
    lines = []
    if done.tuned is not None:
        lines += [
            "## Constants tuned on the tasks",
            "",
            f"{counted(done.tuned.draws, 'draw')} of the constants; the best has mean fitness "
            f"{done.tuned.fitness:.6g} on the tuning seeds.",
            "",
            *code_block(done.tuned.program),
        ]
    return [*lines, *_ablation(done.ablation), _deeper(as_markdown(done.again))]


def _ablation(done: Ablation) -> list[str]:
    """What was removed by measurement, and what was not."""
    tolerances = ", ".join(f"{value:.4g} on {task}" for task, value in done.tolerance.items())
    rows = [("removal", "verdict", "difference")]
    for change in done.changes:
        measured = "; ".join(map(_measured, change.by_task))
        rows.append((f"`{change.what}`", change.verdict.value, measured))
    return [
        "## Ablation, by measurement",
        "",
        "*measured*: the fitness stays within a tolerance. A removal is harmless when, on every "
        "task, the interval of its paired difference in fitness lies above minus the tolerance: "
        "the difference to the start, and to the best program so far where one was shown to be "
        f"better than the start. Tolerance: {tolerances}.",
        "",
        f"{len(done.start)} -> {counted(len(done.program), 'statement')}.",
        "",
        *markdown_table(rows),
        "",
        *code_block(done.program),
    ]


def _measured(measured: TaskComparison) -> str:
    difference = comparison_in_full(measured.comparison)
    return f"{measured.task}, minus the {measured.reference}: {difference}"


def _deeper(markdown: str) -> str:
    return "\n".join(f"#{line}" if line[:1] == "#" else line for line in markdown.split("\n"))


def step_line(step: Step) -> str:
    """One line for each step as it is done."""
    if isinstance(step, Simplification):
        return f"exact passes: {len(step.original)} -> {counted(len(step.program), 'statement')}"
    if isinstance(step, Program):
        return f"evolution without insertion proposes {counted(len(step), 'statement')}"
    if isinstance(step, Change):
        measured = "; ".join(map(_measured, step.by_task))
        return f"{step.what}: {step.verdict.value} ({measured})"
    return f"tuned: mean fitness {step.fitness:.5g} with the best of {counted(step.draws, 'draw')}"


def result_lines(done: ShorteningResult) -> list[str]:
    """The result and what was removed, for the terminal."""
    return [
        f"{counted(len(done.exact.original), 'statement')}; {len(done.exact.program)} after the "
        f"exact passes; {len(done.program)} after the ablation",
        *(f"  measured: {what}" for what in done.ablation.removed),
        "",
        str(done.program),
    ]


def as_data(done: ShorteningResult) -> dict[str, Any]:
    """The whole way as plain values, for JSON."""
    return {
        "program": str(done.program),
        "tuned": str(done.again.program),
        "statements": [len(done.exact.original), len(done.program)],
        "exact": as_dict(done.exact),
        "tolerance": dict(done.ablation.tolerance),
        "ablation": [_change_data(change) for change in done.ablation.changes],
        "exact_again": as_dict(done.again),
    }


def _change_data(change: Change) -> dict[str, Any]:
    """A tried removal as plain values; infinite bounds as null."""
    return {
        "what": change.what,
        "verdict": change.verdict.name,
        "before": str(change.before),
        "after": str(change.after),
        "measured": [
            {
                "task": measured.task,
                "minus": measured.reference,
                "seeds": measured.comparison.pairs,
                "failed": measured.comparison.failed,
                "mean": finite_or_none(measured.comparison.mean),
                "interval": [
                    finite_or_none(measured.comparison.low),
                    finite_or_none(measured.comparison.high),
                ],
                "tolerance": -measured.comparison.margin,
            }
            for measured in change.by_task
        ],
    }
