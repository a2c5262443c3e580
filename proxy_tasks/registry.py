"""The table of tasks, and how a name such as `vision_vit:paper@10` becomes a Task."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from proxy_tasks import (
    click_through,
    contrastive,
    diffusion,
    fine_tuning,
    language,
    masked_language,
    vision,
)
from proxy_tasks.errors import TaskError, did_you_mean, short_repr
from proxy_tasks.names import LAPTOP, TaskName
from proxy_tasks.numerics import check_platform, fixed_numerics
from proxy_tasks.run_errors import named_errors
from proxy_tasks.settings import TaskSettings, validated, value_from_text
from proxy_tasks.shuffled_labels import with_shuffled_labels
from proxy_tasks.task import Task

Presets = Mapping[str, Mapping[str, Any]]  # name -> the settings that differ from the defaults


@dataclass(frozen=True)
class TaskSpec:
    """One row of the table: the settings of a task, how it is built from them, and its presets."""

    settings: type[TaskSettings]
    build: Callable[[Any], Task]  # takes an instance of `settings`
    presets: Presets = field(default_factory=dict)  # besides `laptop`, the defaults
    # Of a user's own task only:
    source: str = ""  # hash of the file that defines it
    defined_in: frozenset[str] = frozenset()  # names of its module and file


TASKS: dict[str, TaskSpec] = {
    "vision_mlp": TaskSpec(vision.VisionMLPSettings, vision.vision_mlp, {"long": vision.LONG_MLP}),
    "vision_vit": TaskSpec(
        vision.VisionViTSettings, vision.vision_vit, {"paper": vision.PAPER_VIT}
    ),
    "vision_mixer": TaskSpec(vision.VisionMixerSettings, vision.vision_mixer),
    "vision_resnet": TaskSpec(vision.VisionResNetSettings, vision.vision_resnet),
    "language_mlp": TaskSpec(
        language.LanguageMLPSettings, language.language_mlp, {"long": language.LONG_MLP}
    ),
    "language_transformer": TaskSpec(
        language.LanguageTransformerSettings,
        language.language_transformer,
        {
            "small_batch": language.SMALL_BATCH,
            "large_batch": language.LARGE_BATCH,
            "paper": language.PAPER_TRANSFORMER,
        },
    ),
    "masked_language": TaskSpec(
        masked_language.MaskedLanguageSettings, masked_language.masked_language
    ),
    "contrastive": TaskSpec(contrastive.ContrastiveSettings, contrastive.contrastive),
    "diffusion": TaskSpec(diffusion.DiffusionSettings, diffusion.diffusion),
    "fine_tuning": TaskSpec(fine_tuning.FineTuningSettings, fine_tuning.fine_tuning),
    "click_through": TaskSpec(click_through.ClickThroughSettings, click_through.click_through),
}


def make_task(name: str, /, **settings: Any) -> Task:
    """The task `name[:preset][@scale]`, with settings that override the preset's.

    Settings describe the task at scale 1; at scale 10 it costs about 10 times the compute, model
    and steps growing together. Raises TaskError (one line) for unknown names, impossible values
    and missing data.
    """
    parsed, spec = find_task(name)
    resolved = resolved_settings(name, **settings)
    check_platform()
    with fixed_numerics(), named_errors(name):
        task = spec.build(resolved)
        if not isinstance(task, Task):
            raise TaskError(f"task {parsed.base}: it returned {short_repr(task)}, expected a Task")
        if resolved.shuffled_labels:
            task = with_shuffled_labels(task, parsed.base)
    label = str(dataclasses.replace(parsed, scale=getattr(resolved, "scale", 1.0)))
    return dataclasses.replace(task, name=label, settings=resolved, source=spec.source)


def find_task(name: str) -> tuple[TaskName, TaskSpec]:
    """The parts of a task's name, and its row. Raises TaskError for an unknown task or preset."""
    parsed = TaskName.parse(name)
    front = f"task {short_repr(name)}"
    if parsed.base not in TASKS:
        near = did_you_mean(parsed.base, TASKS)
        own = "" if near.endswith("?") else "; a task of your own needs its --tasks-file"
        raise TaskError(f"{front}: no task {short_repr(parsed.base)}{near}{own}")
    spec = TASKS[parsed.base]
    presets = {LAPTOP, *spec.presets}
    if parsed.preset not in presets:
        near = did_you_mean(parsed.preset, presets)
        raise TaskError(f"{front}: no preset {short_repr(parsed.preset)}{near}")
    return parsed, spec


def resolved_settings(name: str, /, **settings: Any) -> TaskSettings:
    """All settings of a task: its defaults, the preset's and the scale of its name, and these."""
    parsed, spec = find_task(name)
    values = {**spec.presets.get(parsed.preset, {}), **settings}
    if parsed.scale is not None:
        front = f"task {short_repr(name)}"
        if "scale" in settings:
            raise TaskError(f"{front}: scale is given in the name and as a setting")
        if "scale" not in spec.settings.model_fields:
            raise TaskError(
                f"{front}: no setting 'scale'; add `scale: float = 1.0` to the settings of "
                f"{parsed.base} and let model and steps grow with it, as those of "
                "proxy_tasks/vision.py do"
            )
        values["scale"] = parsed.scale
    return validated(f"task {parsed.base}", spec.settings, values)


def parse_settings(texts: Iterable[str], tasks: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Settings written on a command line, by task (its name without preset and scale).

    `KEY=VALUE` is a setting of every one of `tasks`, `NAME.KEY=VALUE` of the task NAME alone; the
    last one counts. Raises TaskError.
    """
    names = list(dict.fromkeys(find_task(task)[0].base for task in tasks))
    settings: dict[str, dict[str, Any]] = {name: {} for name in names}
    for text in texts:
        front, equals, value = text.partition("=")
        name, dot, key = front.strip().rpartition(".")
        if not equals or not key or (dot and not name):
            raise TaskError(
                f"setting {short_repr(text)}: expected KEY=VALUE, as in steps=200, or "
                "NAME.KEY=VALUE, as in vision_mlp.steps=200"
            )
        if name and name not in settings:
            near = did_you_mean(name, settings)
            raise TaskError(f"setting {short_repr(text)}: no task {short_repr(name)} here{near}")
        for task in [name] if name else names:
            model = TASKS[task].settings
            settings[task][key] = value_from_text(
                f"task {task}", model, key=key, text=value.strip()
            )
    return settings
