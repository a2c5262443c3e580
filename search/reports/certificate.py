"""The way from an evolved program to the final one, as a page to read."""

from __future__ import annotations

from typing import Any

from programs import Program
from programs.simplify import Simplification, as_dict, as_markdown
from search.shortening.ablation import Ablation, Change
from search.shortening.shorten import Shortened


def certificate(done: Shortened) -> str:
    """The whole way as a page to read."""
    lines = _head(done.exact.original, done.program, done.constants, done.seconds)
    if done.restored is not None:
        lines += ["With the constants tuned to the tasks:", "", *_code(done.again.program)]
    return "\n".join([*lines, _deeper(as_markdown(done.exact)), *_measured(done)])


def exact_certificate(exact: Simplification, why: str, tried: Shortened | None = None) -> str:
    """The same where the exact passes alone are the way; `tried` was taken back."""
    lines = [*_head(exact.original, exact.program, why, exact.seconds), _deeper(as_markdown(exact))]
    if tried is not None:
        lines += ["## What follows was taken back", "", why, "", *_measured(tried)]
    return "\n".join(lines)


def _head(before: Program, after: Program, said: str, seconds: float) -> list[str]:
    states = f"{len(before.states)} to {len(after.states)} states"
    return [
        "# From the evolved program to the final one",
        "",
        f"{len(before)} to {len(after)} statements, {states}, in {seconds:.0f} s. {said}",
        "",
        *_code(before),
        "became",
        "",
        *_code(after),
    ]


def _measured(done: Shortened) -> list[str]:
    """What was done after the exact passes."""
    lines = []
    if done.tuned is not None:
        lines += [
            "## Tuned to the tasks",
            "",
            f"{done.tuned.draws} draws of the constants; the best has mean fitness "
            f"{done.tuned.fitness:.6g} on the tuning seeds.",
            "",
            *_code(done.tuned.program),
        ]
    return [*lines, ablation_markdown(done.ablation), _deeper(as_markdown(done.again))]


def ablation_markdown(done: Ablation) -> str:
    """What was taken out by measurement, and what was not."""
    tolerances = ", ".join(f"{value:.4g} on {task}" for task, value in done.tolerance.items())
    lines = [
        "## Ablation, by measurement",
        "",
        "*measured*: the fitness stays within a tolerance. A removal is harmless when the interval "
        "of its paired difference in fitness to the start lies above minus the tolerance on every "
        f"task. Tolerance: {tolerances}.",
        "",
        f"{len(done.start)} -> {len(done.program)} statements.",
        "",
        "| removal | verdict | difference to the start |",
        "| --- | --- | --- |",
    ]
    for change in done.changes:
        measured = "; ".join(f"{task}: {comparison}" for task, comparison in change.by_task)
        lines.append(f"| `{change.what}` | {change.verdict.value} | {measured} |")
    return "\n".join([*lines, "", *_code(done.program)])


def _deeper(markdown: str) -> str:
    return "\n".join(f"#{line}" if line[:1] == "#" else line for line in markdown.split("\n"))


def _code(program: Program) -> list[str]:
    return ["```python", str(program).rstrip(), "```", ""]


def as_data(done: Shortened) -> dict[str, Any]:
    """The same as plain values, for JSON."""
    return {
        "program": str(done.program),
        "tuned": str(done.again.program),
        "statements": [len(done.exact.original), len(done.program)],
        "exact": as_dict(done.exact),
        "tolerance": dict(done.ablation.tolerance),
        "ablation": [change_data(change) for change in done.ablation.changes],
        "exact_again": as_dict(done.again),
        "seconds": round(done.seconds, 1),
    }


def change_data(change: Change) -> dict[str, Any]:
    """A tried removal as plain values; infinite bounds as null."""

    def number(value: float) -> float | None:
        return value if abs(value) < float("inf") else None

    return {
        "what": change.what,
        "verdict": change.verdict.name,
        "before": str(change.before),
        "after": str(change.after),
        "measured": [
            {
                "task": task,
                "seeds": c.pairs,
                "failed": c.failed,
                "mean": number(c.mean),
                "interval": [number(c.low), number(c.high)],
                "tolerance": -c.margin,
            }
            for task, c in change.by_task
        ],
    }
