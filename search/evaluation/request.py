"""One training, asked for by program, task, seed and split.

Whoever wants a fitness asks for trainings in this form: the search, re-scoring, meta-validation,
and, by way of a `Scorer`, the funnel, tuning and ablation. So all of them run in process, on Ray
workers or on a toy alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from programs import Program, analyse
from proxy_tasks import TaskName

if TYPE_CHECKING:
    from search.evaluation.optimizers import HandDesigned  # which needs JAX

SEARCH, META = "search_validation", "meta_validation"  # splits

Thresholds = tuple[tuple[float, ...], ...]
"""[tasks, hurdles] least fitness; empty: none."""

SettingsByTask = Mapping[str, Mapping[str, int | float | bool | str]]
"""Settings by task name, on top of what the name says."""

TaskFunction = Callable[..., Any]
"""A function that makes a user-defined task, as proxy_tasks' `register` takes it."""


@dataclass(frozen=True, slots=True)
class Request:
    """One training of a program, to be scored on a split."""

    program: Program | HandDesigned
    task: str  # as make_task takes it, such as "vision_mlp@10"
    seed: int
    split: str = SEARCH
    thresholds: tuple[float, ...] = ()  # [hurdles] least fitness that lets it go on; empty: none
    rate: float = 1.0  # factor of the update that is written into the program, for the record

    @property
    def program_key(self) -> str:
        """Equal for programs that compute the same, by their functional hash."""
        if isinstance(self.program, Program):
            return analyse(self.program).functional_hash.hex()
        return repr(self.program)


Scorer = Callable[[Sequence[Request]], list[float]]
"""Fitness by request, -inf where a training did not complete."""


def base_name(task: str) -> str:
    """The task's name without preset and scale."""
    return TaskName.parse(task).base


def scale_of(task: str) -> float:
    """The scale in a task's name."""
    return TaskName.parse(task).scale or 1.0


def scaled(task: str, factor: float) -> str:
    """The task's name at `factor` times its scale."""
    name = TaskName.parse(task)
    return str(replace(name, scale=(name.scale or 1.0) * factor))


def settings_of(task: str, settings: SettingsByTask) -> dict[str, int | float | bool | str]:
    """The settings of one task: its own, or those of its nearest relative: the same task at another
    scale, or else with another preset as well."""
    if task in settings:
        return dict(settings[task])
    asked = TaskName.parse(task)
    relatives = [name for name in settings if TaskName.parse(name).base == asked.base]
    relatives.sort(key=lambda name: TaskName.parse(name).preset != asked.preset)  # stable
    return dict(settings[relatives[0]]) if relatives else {}
