"""Settings of a task: the typed keyword arguments of the function that builds it."""

from __future__ import annotations

import inspect
import math
import typing
from collections.abc import Callable, Mapping
from typing import Any

from proxy_tasks.errors import TaskError, did_you_mean, shown

Presets = Mapping[str, Mapping[str, Any]]
TYPES = (int, float, str, bool)


def signature_of(owner: str, build: Callable[..., Any]) -> dict[str, tuple[Any, Any]]:
    """(type, default) of every setting; TaskError when a setting has none."""
    hints = typing.get_type_hints(build)
    settings = {}
    for name, parameter in inspect.signature(build).parameters.items():
        hint = hints.get(name)
        literal = typing.get_origin(hint) is typing.Literal
        if parameter.default is inspect.Parameter.empty or not (hint in TYPES or literal):
            known = ", ".join(kind.__name__ for kind in TYPES)
            raise TaskError(f"{owner}: setting {name!r} needs a default and a type of {known}")
        settings[name] = hint, parameter.default
    return settings


def checked(owner: str, build: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """All settings, the given ones checked and the others at their defaults. Raises TaskError."""
    settings = signature_of(owner, build)
    for name in given:
        if name not in settings:
            raise TaskError(f"{owner}: no setting {shown(name)}{did_you_mean(name, settings)}")
    return {
        name: _value(owner, name, hint, given[name]) if name in given else default
        for name, (hint, default) in settings.items()
    }


def from_text(owner: str, build: Callable[..., Any], name: str, text: str) -> Any:
    """The value of a setting written as text on a command line. Raises TaskError."""
    settings = signature_of(owner, build)
    if name not in settings:
        raise TaskError(f"{owner}: no setting {shown(name)}{did_you_mean(name, settings)}")
    hint = settings[name][0]
    value: Any = text
    try:
        if hint is bool:
            value = {"true": True, "false": False}[text.lower()]
        elif typing.get_origin(hint) is typing.Literal:
            value = {str(choice): choice for choice in typing.get_args(hint)}[text]
        elif hint in (int, float):
            value = float(text)
            value = int(value) if hint is int and value.is_integer() else value
    except (KeyError, ValueError):
        value = text  # refused below, with the message of any other wrong value
    return _value(owner, name, hint, value)


def _value(owner: str, name: str, hint: Any, value: Any) -> Any:
    def wrong(expected: str) -> TaskError:
        return TaskError(f"{owner}: {name}: expected {expected}, got {shown(value)}")

    if typing.get_origin(hint) is typing.Literal:
        choices = typing.get_args(hint)
        if value not in choices or isinstance(value, bool):
            raise wrong("one of " + ", ".join(map(str, choices)))
    elif hint is bool:
        if not isinstance(value, bool):
            raise wrong("true or false")
    elif hint is int:
        if type(value) is not int or not 1 <= value < 2**31:
            raise wrong("a whole number of at least 1")
    elif hint is float:
        if type(value) not in (int, float) or not (math.isfinite(value) and value > 0):
            raise wrong("a number above 0")
        return float(value)
    elif not isinstance(value, str):
        raise wrong("a text")
    return value
