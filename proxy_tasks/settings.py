"""Settings of a task: one frozen pydantic model per task, and one line for whatever is wrong."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from proxy_tasks.errors import TaskError, did_you_mean, short_repr
from proxy_tasks.names import MAX_SCALE

Count = Annotated[int, Field(ge=1, le=10**9)]
Positive = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(gt=0, le=1)]
Scale = Annotated[float, Field(gt=0, le=MAX_SCALE)]
Shape = Literal["cosine", "linear", "constant", "square_root", "cube_root"]  # see schedules.py

TYPES: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a text",
}
BOUNDS = ((Ge, "ge", ">="), (Gt, "gt", ">"), (Le, "le", "<="), (Lt, "lt", "<"))


class TaskSettings(BaseModel):
    """What the settings of all tasks have in common: frozen, no unknown keys, no conversions.

    A task's own model adds fields of the types int, float, str, bool or Literal, each with a
    default; the defaults are the preset `laptop`.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, protected_namespaces=()
    )

    # Half-widths of uniform distributions, in powers of ten; see gradient_scale.py.
    gradient_scale_by_seed: Annotated[float, Field(ge=0, le=10)] = 0.0
    gradient_scale_by_array: Annotated[float, Field(ge=0, le=10)] = 0.0
    random_signs: bool = False  # of the weights as the optimizer sees them; see random_signs.py
    shuffled_labels: bool = False  # each example has another one's; see shuffled_labels.py
    schedule: Shape = "cosine"

    def facts(self) -> dict[str, Any]:
        """All settings, for a fingerprint, without those of all tasks that are as they are by
        default: so a fingerprint is the same as before there were these settings."""
        common = TaskSettings.model_fields.items()
        plain = {name for name, field in common if getattr(self, name) == field.default}
        return self.model_dump(exclude=plain)


Settings = TypeVar("Settings", bound=TaskSettings)
RESERVED = {*dir(TaskSettings), *TaskSettings.model_fields}  # names that a setting cannot have


def validated(owner: str, model: type[Settings], values: Mapping[str, Any]) -> Settings:
    """The settings with these values, and the defaults of all others.

    owner: what a message begins with, such as "task vision_mlp"; values: numpy's numbers are taken
    as Python's. Raises TaskError for the first mistake, with its key, its value, and what would be
    right.
    """
    plain = {k: v.item() if isinstance(v, np.generic) else v for k, v in values.items()}
    try:
        return model.model_validate(plain)
    except ValidationError as error:
        mistake = error.errors(include_url=False)[0]
    raise _error(owner, model, mistake)


def value_from_text(owner: str, model: type[TaskSettings], *, key: str, text: str) -> Any:
    """The value of one setting, written as text on a command line. Raises TaskError."""
    field = model.model_fields.get(key)
    value = text if field is None else _converted(field.annotation, text)
    return getattr(validated(owner, model, {key: value}), key)


def from_function(owner: str, build: Callable[..., Any]) -> type[TaskSettings]:
    """The settings model of a function whose keyword parameters are the settings.

    Raises TaskError when a parameter has no default, or a type that is none of TYPES or Literal.
    """
    fields: dict[str, Any] = {}
    try:
        hints = typing.get_type_hints(build, include_extras=True)
    except (NameError, TypeError) as error:
        raise TaskError(f"{owner}: its type hints cannot be read: {error}") from None
    for name, parameter in inspect.signature(build).parameters.items():
        hint = hints.get(name)
        plain = typing.get_args(hint)[0] if typing.get_origin(hint) is Annotated else hint
        keyword = parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        typed = plain in TYPES or typing.get_origin(plain) is Literal
        if parameter.default is parameter.empty or not keyword or not typed:
            types = ", ".join(kind.__name__ for kind in TYPES)
            raise TaskError(f"{owner}: setting {name!r} needs a default and a type of {types}")
        if name.startswith("_") or name in RESERVED:
            raise TaskError(f"{owner}: no setting can be named {name!r}; choose another name")
        fields[name] = (hint, parameter.default)
    model = create_model(f"{build.__name__}_settings", __base__=TaskSettings, **fields)
    validated(f"{owner}, defaults", model, {name: default for name, (_, default) in fields.items()})
    return model


def _error(owner: str, model: type[TaskSettings], mistake: ErrorDetails) -> TaskError:
    key, message = ".".join(map(str, mistake["loc"])), mistake["msg"].replace("\n", " ")
    if mistake["type"] == "extra_forbidden":
        near = did_you_mean(key, model.model_fields)
        return TaskError(f"{owner}: no setting {short_repr(key)}{near}")
    if mistake["type"] == "value_error":  # of a validator: its message says all
        return TaskError(
            ": ".join(filter(None, [owner, key, message.removeprefix("Value error, ")]))
        )
    field = model.model_fields.get(key)
    expected = _in_words(field) if field else message
    return TaskError(f"{owner}: {key}: expected {expected}, got {short_repr(mistake['input'])}")


def _converted(annotation: Any, text: str) -> Any:
    """The text as a value of the type; where it is none, the text, which validation refuses."""
    try:
        if annotation is bool:
            return {"true": True, "false": False}[text.lower()]
        if typing.get_origin(annotation) is Literal:
            return {str(choice): choice for choice in typing.get_args(annotation)}[text]
        if annotation is float:
            return float(text)
        if annotation is int:
            return _whole_number(text)
    except (KeyError, ValueError):
        pass
    return text


def _whole_number(text: str) -> int | float:
    """Also of "2e4"; a number that is not whole is returned as it is, for validation to refuse."""
    try:
        return int(text)
    except ValueError:
        number = float(text)
        return int(number) if number.is_integer() else number


def _in_words(field: FieldInfo) -> str:
    """What a setting takes: "a number > 0 and <= 1"."""
    if typing.get_origin(field.annotation) is Literal:
        return "one of " + ", ".join(map(str, typing.get_args(field.annotation)))
    limits = [
        (sign, getattr(limit, name))
        for limit in field.metadata
        for kind, name, sign in BOUNDS
        if isinstance(limit, kind)
    ]
    bounds = [
        f"{sign} {limit:,}" if isinstance(limit, int) else f"{sign} {limit:g}"
        for sign, limit in limits
    ]
    kind = TYPES.get(field.annotation, str(field.annotation))
    return " ".join([kind, " and ".join(bounds)]).strip()
