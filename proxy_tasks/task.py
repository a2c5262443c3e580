"""The table of tasks, and how a name such as `vision_vit:paper@10` becomes a Task."""

from __future__ import annotations

import contextvars
import dataclasses
import hashlib
import importlib.util
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proxy_tasks import language, vision
from proxy_tasks.definition import Task as Task
from proxy_tasks.errors import TaskError as TaskError
from proxy_tasks.errors import did_you_mean, shown
from proxy_tasks.settings import Presets, checked, from_text, signature_of

LAPTOP = "laptop"  # the preset that the defaults of a build function are


@dataclass(frozen=True)
class Row:
    """One row of the table: how a task is built, and its named presets.

    `build` takes typed keyword settings with defaults (the preset `laptop`) and returns a Task;
    the other presets override some of the defaults.
    """

    build: Callable[..., Task]
    presets: Presets = dataclasses.field(default_factory=dict)
    source: str = ""  # hash of the user's file; empty for the tasks of this package


TASKS: dict[str, Row] = {
    "vision_mlp": Row(vision.vision_mlp, {"long": vision.LONG_MLP}),
    "vision_vit": Row(vision.vision_vit, {"paper": vision.PAPER_VIT}),
    "language_mlp": Row(language.language_mlp, {"long": language.LONG_MLP}),
    "language_transformer": Row(
        language.language_transformer,
        {
            "small_batch": language.SMALL_BATCH,
            "large_batch": language.LARGE_BATCH,
            "paper": language.PAPER_TRANSFORMER,
        },
    ),
}


def make_task(name: str, **settings: Any) -> Task:
    """The task `name[:preset][@scale]`, with settings that override the preset's.

    Settings describe the task at scale 1; at scale 10 it costs about 10 times the compute, model
    and steps growing together. Raises TaskError (one line) for unknown names, impossible values
    and missing data.
    """
    base, preset, scale = _split_name(name)
    row = TASKS[base]
    chosen = {**row.presets.get(preset, {}), **settings}
    if scale is not None:
        if "scale" in settings:
            raise TaskError(f"task {shown(name)}: scale is given in the name and as a setting")
        if "scale" not in signature_of(f"task {base}", row.build):
            raise TaskError(
                f"task {shown(name)}: no setting 'scale'; add `scale: float = 1.0` to the "
                f"arguments of {base}() and let model and steps grow with it, as those of "
                "proxy_tasks/vision.py do"
            )
        chosen["scale"] = scale
    resolved = checked(f"task {base}", row.build, chosen)
    task = row.build(**resolved)
    if not isinstance(task, Task):
        raise TaskError(f"task {base}: its function returned {shown(task)}, expected a Task")
    scale = resolved.get("scale", 1.0)
    label = base if preset == LAPTOP else f"{base}:{preset}"
    label = label if scale == 1 else f"{label}@{scale:g}"
    return dataclasses.replace(task, name=label, scale=scale, settings=resolved, source=row.source)


def parse_setting(name: str, text: str) -> tuple[str, Any]:
    """`"steps=200"` as ("steps", 200), of the type that the setting has. Raises TaskError."""
    base, _, _ = _split_name(name)
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise TaskError(f"setting {shown(text)}: expected KEY=VALUE, as in steps=200")
    return key.strip(), from_text(f"task {base}", TASKS[base].build, key.strip(), value.strip())


def _split_name(name: str) -> tuple[str, str, float | None]:
    if not isinstance(name, str):
        raise TaskError(f"task {shown(name)}: expected a name such as 'vision_mlp@10'")
    rest, at, number = name.partition("@")
    base, colon, preset = rest.partition(":")
    if base not in TASKS:
        raise TaskError(f"task {shown(name)}: no task {shown(base)}{did_you_mean(base, TASKS)}")
    presets = {LAPTOP, *TASKS[base].presets}
    if colon and preset not in presets:
        near = did_you_mean(preset, presets)
        raise TaskError(f"task {shown(name)}: no preset {shown(preset)}{near}")
    if not at:
        return base, preset or LAPTOP, None
    try:
        return base, preset or LAPTOP, float(number)
    except ValueError:
        raise TaskError(f"task {shown(name)}: the scale {shown(number)} is not a number") from None


_file_hash = contextvars.ContextVar("_file_hash", default="")  # of the file being loaded


def register(build: Callable[..., Task], presets: Mapping[str, Any] | None = None) -> Callable:
    """Add a user's own task under the name of its function; usable as a decorator.

    Raises TaskError when a setting has no type or default, or the name is taken.
    """
    name, source = build.__name__, _file_hash.get()
    signature_of(f"task {name}", build)
    if name in TASKS and TASKS[name].source != source:
        raise TaskError(f"task {name}: there is a task of that name already; choose another")
    for preset, settings in (presets or {}).items():
        checked(f"task {name}, preset {preset}", build, settings)
    TASKS[name] = Row(build, presets or {}, source)
    return build


def load_tasks_file(path: str | Path) -> None:
    """Run a user's Python file (`--tasks FILE`) that registers tasks, used by name as any other.

    Such a file, whole:

        import jax.numpy as jnp
        import numpy as np

        from proxy_tasks.data import split_examples
        from proxy_tasks.task import Task, register

        @register
        def plane(steps: int = 200, batch_size: int = 32, features: int = 8) -> Task:
            \"\"\"Fit a noisy plane.\"\"\"
            rng = np.random.default_rng(0)
            x = rng.normal(size=(2000, features)).astype("float32")
            y = (x.sum(axis=1) + 0.1 * rng.normal(size=2000)).astype("float32")

            def loss(weights, batch):
                x, y = batch
                return jnp.mean((x @ weights["slope"] + weights["offset"] - y) ** 2)

            return Task(
                init=lambda key: {"slope": jnp.zeros(features), "offset": jnp.zeros(())},
                loss=loss,
                data=split_examples((x, y)),
                steps=steps,
                batch_size=batch_size,
            )

    The file is trusted as any program that the user runs; a config alone never names one. Loading
    it again changes nothing, so each worker process can load it. Raises TaskError with the line
    when the file is missing or fails.
    """
    path = Path(path).expanduser().resolve()
    if not path.is_file():
        raise TaskError(f"--tasks: no file {path}")
    digest = hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
    name = f"proxy_tasks_of_{digest}"
    if name in sys.modules:
        return
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise TaskError(f"--tasks: {path} is not a Python file; its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    token = _file_hash.set(digest)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever the user's code raises is the user's to see
        del sys.modules[name]
        lines = [
            f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)
        ]
        line = getattr(error, "lineno", None) or (lines[-1] if lines else 1)
        raise TaskError(f"{path}:{line}: {type(error).__name__}: {error}") from error
    finally:
        _file_hash.reset(token)
