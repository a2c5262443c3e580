"""Tasks of a user's own: registered one by one, or by a Python file that does so."""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import marshal
import sys
import traceback
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from proxy_tasks.errors import TaskError, short_repr
from proxy_tasks.registry import TASKS, Presets, TaskSpec
from proxy_tasks.settings import TaskSettings, from_function, validated
from proxy_tasks.task import Task

Function = TypeVar("Function", bound=Callable[..., Task])

_loaded: dict[Path, str] = {}  # files of tasks, and the hash of what was loaded last from each


def register(build: Function, /, presets: Presets | None = None) -> Function:
    """Add a task under the name of the function that builds it; usable as a decorator.

    build: its keyword parameters, each with a type and a default, are the task's settings; or its
      only parameter is annotated with a subclass of TaskSettings.
    presets: by name, the settings that differ from the defaults.

    A function of the same module or file replaces an earlier one of its name. Raises TaskError
    when a setting has no type or default, or when another task has the name.
    """
    function = inspect.unwrap(build)
    if not inspect.isfunction(function):
        raise TaskError(f"register: expected a function, got {short_repr(build)}")
    name = build.__name__
    defined_in = frozenset([build.__module__, function.__code__.co_filename])
    if name in TASKS and not TASKS[name].defined_in & defined_in:
        raise TaskError(f"task {name}: there is a task of that name already; choose another")
    settings, from_settings = _settings_of(build)
    for preset, values in {"laptop": {}, **(presets or {})}.items():
        validated(f"task {name}, preset {preset}", settings, values)
    checked = _checked(name, from_settings, function.__code__.co_filename)
    TASKS[name] = TaskSpec(settings, checked, presets or {}, _source(function), defined_in)
    return build


def _settings_of(
    build: Callable[..., Task],
) -> tuple[type[TaskSettings], Callable[[TaskSettings], Task]]:
    """The settings model of a user's function, and the function as one of an instance of it."""
    parameters = list(inspect.signature(build).parameters)
    if len(parameters) == 1:
        hint = typing.get_type_hints(build).get(parameters[0])
        if inspect.isclass(hint) and issubclass(hint, TaskSettings):
            return hint, build

    def from_settings(settings: TaskSettings) -> Task:
        return build(**{key: getattr(settings, key) for key in parameters})

    return from_function(f"task {build.__name__}", build), from_settings


def _checked(name: str, build: Callable[[Any], Task], file: str) -> Callable[[Any], Task]:
    """`build`, whose mistakes become TaskErrors before a training starts."""

    def build_and_check(settings: TaskSettings) -> Task:
        try:
            task = build(settings)
            if isinstance(task, Task):
                _check(task)
        except TaskError as error:
            raise TaskError(f"task {name}: {error}") from error
        except Exception as error:  # the user's code may raise anything
            raise TaskError(f"task {name}: {_with_line(error, file)}") from error
        return task

    return build_and_check


def _check(task: Task) -> None:
    """Whether the functions of a task fit together, without computing anything."""
    weights = jax.eval_shape(task.init, jax.random.key(0))
    missing = [name for name in task.state if not isinstance(weights, dict) or name not in weights]
    if missing:
        raise TaskError(f"state: init returns no entry {missing[0]!r}")
    for path, leaf in jax.tree.leaves_with_path(weights):
        if leaf.dtype != np.float32 and not _of_state(task, path):
            at = f" at {jax.tree_util.keystr(path)}" if path else ""
            raise TaskError(f"init: expected weights of float32, got {leaf.dtype}{at}")
    arrays = jax.tree.map(jax.typeof, task.data.arrays)
    indices = jax.typeof(np.zeros(task.batch_size, np.int32))
    batch = jax.eval_shape(task.data.take, arrays, indices)
    for name, function in (("loss", task.loss), ("metric", task.fitness)):
        _check_number(name, jax.eval_shape(function, weights, batch))
    trained, state = task.split(weights)
    key = jax.eval_shape(jax.random.key, 0)
    step = lambda weights, batch, state, key: task.step_loss(weights, batch, state=state, key=key)
    of_step, after = jax.eval_shape(step, trained, batch, state, key)
    if jax.tree.map(jax.typeof, after) != jax.tree.map(jax.typeof, state):
        expected, got = short_repr(state, 120), short_repr(after, 120)
        raise TaskError(f"training_loss: expected a state as init gives it, {expected}; got {got}")
    _check_number("training_loss", of_step)
    jax.eval_shape(jax.grad(step, has_aux=True), trained, batch, state, key)


def _check_number(name: str, value: Any) -> None:
    if getattr(value, "shape", None) != () or not jnp.issubdtype(value.dtype, jnp.floating):
        got = jax.tree.map(lambda leaf: f"{leaf.dtype}{list(leaf.shape)}", value)
        raise TaskError(f"{name}: expected one number, got {got}")


def _of_state(task: Task, path: Any) -> bool:
    return bool(task.state) and getattr(path[0], "key", None) in task.state


def _source(function: Callable[..., Task]) -> str:
    """Hash of the file that defines a function, or of the function alone where there is no file.

    It makes the fitness of an edited task another one's. What the file imports is not looked at.
    """
    code = function.__code__
    try:
        content = Path(code.co_filename).read_bytes()
    except OSError:  # a notebook or an interactive session
        try:
            content = inspect.getsource(function).encode()
        except OSError:
            content = marshal.dumps(code) + repr(function.__defaults__).encode()
    return _hash(content)


def _hash(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def load_tasks_file(path: str | Path) -> None:
    """Run a user's Python file that registers tasks, which are then used by name as any other.

    docs/tasks.md and examples/plane.py show such a file, whole. It is trusted as any program that
    the user runs; a config alone never names one. Loading an unchanged file again does nothing, so
    each worker process can load it. Raises TaskError with the line when the file is missing or
    fails, or registers no task; then none of its tasks is registered.
    """
    path = Path(path).expanduser().resolve()
    if not path.is_file():
        raise TaskError(f"file of tasks: no file {path}")
    digest = _hash(path.read_bytes())
    if _loaded.get(path) == digest:
        return
    name = f"proxy_tasks_of_{digest}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise TaskError(f"file of tasks: {path} is not a Python file; its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    before = dict(TASKS)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # the user's code may raise anything
        del sys.modules[name]
        TASKS.clear()
        TASKS.update(before)
        raise TaskError(_with_line(error, str(path))) from error
    if before == TASKS:
        del sys.modules[name]
        raise TaskError(f"file of tasks: {path} registers no task")
    _loaded[path] = digest


def _with_line(error: BaseException, file: str) -> str:
    """The error in one line, with the last line of the file that it passed through."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == file]
    line = getattr(error, "lineno", None) or (lines[-1] if lines else None)
    where = file if line is None else f"{file}:{line}"
    return f"{where}: {type(error).__name__}: {' '.join(str(error).split())}"
