"""The table of tasks, and how a name such as `vision_vit:paper@10` becomes a Task."""

from __future__ import annotations

import dataclasses
import inspect
import math
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from proxy_tasks import vision
from proxy_tasks.definition import Task as Task
from proxy_tasks.errors import TaskError as TaskError
from proxy_tasks.errors import did_you_mean, shown


@dataclass(frozen=True)
class Row:
    """One row of the table: how a task is built, and its named presets.

    `build` takes typed keyword settings with defaults (the preset `laptop`) and returns a Task;
    a preset overrides some of them.
    """

    build: Callable[..., Task]
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    source: str = ""  # hash of the user's file, empty for the tasks of this package


TASKS: dict[str, Row] = {
    "vision_mlp": Row(vision.vision_mlp),
}


def make_task(name: str, **settings: Any) -> Task:
    """The task `name[:preset][@scale]`, with settings that override the preset's.

    Settings describe the task at scale 1; a scale of 10 costs about 10 times the compute, model and
    steps growing together. Raises TaskError (one line) for unknown names and impossible values.
    """
    base, preset, scale = _split_name(name)
    row = TASKS[base]
    chosen = {**row.presets.get(preset, {}), **settings}
    if scale is not None:
        if "scale" in settings:
            raise TaskError(f"task {shown(name)}: scale is given in the name and as a setting")
        chosen["scale"] = scale
    resolved = _checked(base, row, chosen)
    task = row.build(**resolved)
    scale = resolved.get("scale", 1.0)
    label = (
        base + ("" if preset == "laptop" else f":{preset}") + ("" if scale == 1 else f"@{scale:g}")
    )
    return dataclasses.replace(task, name=label, scale=scale, settings=resolved, source=row.source)


def _split_name(name: str) -> tuple[str, str, float | None]:
    if not isinstance(name, str):
        raise TaskError(f"task {shown(name)}: expected a name such as 'vision_mlp@10'")
    rest, at, number = name.partition("@")
    base, colon, preset = rest.partition(":")
    if base not in TASKS:
        raise TaskError(f"task {shown(name)}: no task {shown(base)}{did_you_mean(base, TASKS)}")
    presets = {"laptop", *TASKS[base].presets}
    if colon and preset not in presets:
        near = did_you_mean(preset, presets)
        raise TaskError(f"task {shown(name)}: no preset {shown(preset)}{near}")
    if not at:
        return base, preset or "laptop", None
    try:
        return base, preset or "laptop", float(number)
    except ValueError:
        raise TaskError(f"task {shown(name)}: the scale {shown(number)} is not a number") from None


def _checked(task: str, row: Row, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """All settings of a task, each checked against the annotation of the build function."""
    signature = inspect.signature(row.build).parameters
    hints = typing.get_type_hints(row.build)
    for key in chosen:
        if key not in signature:
            raise TaskError(f"task {task}: no setting {shown(key)}{did_you_mean(key, signature)}")
    values = {key: chosen.get(key, parameter.default) for key, parameter in signature.items()}
    return {key: _value(task, key, value, hints.get(key)) for key, value in values.items()}


def _value(task: str, key: str, value: Any, hint: Any) -> Any:
    def wrong(expected: str) -> TaskError:
        return TaskError(f"task {task}: {key}: expected {expected}, got {shown(value)}")

    if typing.get_origin(hint) is typing.Literal:
        choices = typing.get_args(hint)
        if value not in choices:
            raise wrong("one of " + ", ".join(map(str, choices)))
    elif hint is int:
        if type(value) is not int or not 1 <= value < 2**31:
            raise wrong("a whole number of at least 1")
    elif hint is float:
        if type(value) not in (int, float) or not (math.isfinite(value) and value > 0):
            raise wrong("a number above 0")
        return float(value)
    elif hint is str and not isinstance(value, str):
        raise wrong("a text")
    return value
