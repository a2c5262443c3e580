"""What a program is scored on: small trainings with real models, fast enough for thousands.

    from proxy_tasks import make_task, train
    results = train(make_task("vision_mlp"), optax.adam(0.01), seeds=range(3))

The names below are imported when they are first used, so that who needs only the errors does not
wait for JAX.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from proxy_tasks.data import Data as Data
    from proxy_tasks.data import split_examples as split_examples
    from proxy_tasks.device import DeviceData as DeviceData
    from proxy_tasks.errors import TaskError as TaskError
    from proxy_tasks.names import TaskName as TaskName
    from proxy_tasks.registry import TASKS as TASKS
    from proxy_tasks.registry import make_task as make_task
    from proxy_tasks.registry import parse_settings as parse_settings
    from proxy_tasks.settings import TaskSettings as TaskSettings
    from proxy_tasks.task import Task as Task
    from proxy_tasks.training import Hurdle as Hurdle
    from proxy_tasks.training import Outcome as Outcome
    from proxy_tasks.training import StopRules as StopRules
    from proxy_tasks.training import Training as Training
    from proxy_tasks.training import TrainingResult as TrainingResult
    from proxy_tasks.training import final_params as final_params
    from proxy_tasks.training import train as train
    from proxy_tasks.user_tasks import load_tasks_file as load_tasks_file
    from proxy_tasks.user_tasks import register as register

_MODULES = {
    "data": ("Data", "split_examples"),
    "device": ("DeviceData",),
    "errors": ("TaskError",),
    "names": ("TaskName",),
    "registry": ("TASKS", "make_task", "parse_settings"),
    "settings": ("TaskSettings",),
    "task": ("Task",),
    "training": (
        "Hurdle", "Outcome", "StopRules", "Training", "TrainingResult", "final_params", "train",
    ),
    "user_tasks": ("load_tasks_file", "register"),
}  # fmt: skip
_HOME = {name: module for module, names in _MODULES.items() for name in names}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
