"""Single trainings, asked for by program, task, seed and split, and each paid for once.

A search scores programs on fixed tasks and seeds. Choosing among its best needs other tasks,
scales, seeds and splits for each question; all that asks such questions (funnel, tuning, ablation)
does so through one function, `Scorer`, and so runs in process, on Ray workers or on a toy alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from programs import Program

SEARCH, META = "search_validation", "meta_validation"  # splits

Thresholds = tuple[tuple[float, ...], ...]
"""[tasks, hurdles] least fitness; empty: none."""


@dataclass(frozen=True, slots=True)
class Request:
    """One training of a program, to be scored on a split."""

    program: Program
    task: str  # as make_task takes it, such as "vision_mlp@10"
    seed: int
    split: str = SEARCH


Scorer = Callable[[Sequence[Request]], list[float]]
"""Fitness by request, -inf where a training did not complete."""


def flat_settings(settings: Mapping[str, Mapping[str, object]]) -> dict:
    """A config's settings by task, as a Trainer takes them."""
    return {
        f"{base_name(task)}.{key}": value
        for task, own in settings.items()
        for key, value in own.items()
    }


def base_name(task: str) -> str:
    """The task's name without preset and scale."""
    return task.partition("@")[0].partition(":")[0]


def scale_of(task: str) -> float:
    """The scale in a task's name."""
    return float(task.partition("@")[2] or 1)


def scaled(task: str, factor: float) -> str:
    """The task's name at `factor` times its scale."""
    base, _, scale = task.partition("@")
    total = float(scale or 1) * factor
    return base if total == 1 else f"{base}@{total:g}"
