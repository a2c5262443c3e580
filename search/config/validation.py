"""From plain data to a Config, or to every mistake in the data, in words."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from search.config.messages import (
    Schema,
    described,
    expected,
    field_at,
    nearest_key,
    schema_of,
)
from search.config.model import SettingsModel
from search.config.strict_yaml import KeyPath

AnyConfig = TypeVar("AnyConfig", bound=SettingsModel)


@dataclass(frozen=True)
class Mistake:
    """One of pydantic's errors."""

    path: KeyPath
    message: str  # empty: another mistake explains it
    about: tuple[KeyPath, ...]  # the keys that it depends on
    is_unknown_key: bool = False


def validated(
    data: dict[str, Any], model: type[AnyConfig]
) -> tuple[AnyConfig | None, list[Mistake], set[KeyPath]]:
    """The config of all that is right, what is wrong, and the keys that were left out for it.

    Constraints between keys are checked once each of these keys is right, so what is wrong is left
    out and the rest is checked again; a constraint on a key that was left out is not reported.

    model: of the whole config.
    """
    rest, left_out = copy.deepcopy(data), set[KeyPath]()
    mistakes: list[Mistake] = []
    while True:
        try:
            return model.model_validate_json(json.dumps(rest)), mistakes, left_out
        except ValidationError as error:
            root = schema_of(model)
            current = [_mistake(detail, rest, root) for detail in error.errors(include_url=False)]
        before = set(left_out)
        for mistake in current:
            if mistake.message:
                if not any(overlaps(key, before) for key in mistake.about):
                    mistakes.append(mistake)
                left_out.add(_leave_out(rest, mistake.path))
        if left_out == before:
            return None, mistakes, left_out


def overlaps(path: KeyPath, keys: Iterable[KeyPath]) -> bool:
    """Whether a key path is one of the keys, or inside one, or has one inside."""
    return any(all(a == b for a, b in zip(path, key)) for key in keys)


def _mistake(detail: ErrorDetails, data: dict[str, Any], root: Schema) -> Mistake:
    path = _path_in(data, detail["loc"], lacks_last=detail["type"] in ("missing", "constraint"))
    kind, got, context = detail["type"], detail["input"], detail.get("ctx", {})
    if kind == "constraint":
        keys = tuple((*path, *key.split(".")) for key in context["keys"])
        given = [key for key in keys if _has(data, key)]
        return Mistake((given or [path])[0], context["message"], keys)
    if kind == "extra_forbidden":
        return Mistake(path, f"unknown key{nearest_key(path, root)}", (path,), is_unknown_key=True)
    if kind == "missing" and isinstance(detail["loc"][-1], str):
        message = f"missing; expected {expected(field_at(path, root), root)}"
    elif kind == "too_short" and len(got) >= context["min_length"]:  # its items are wrong, too
        message = ""
    elif isinstance(got, float) and not math.isfinite(got):
        message = f"expected a finite number, got {described(got)}"
    else:
        message = f"expected {expected(field_at(path, root), root)}, got {described(got)}"
    return Mistake(path, message, (path,))


def _path_in(data: Any, location: tuple[str | int, ...], *, lacks_last: bool) -> KeyPath:
    """pydantic's location without its parts for unions, up to the first that the data lack.

    lacks_last: whether that is a key that should be there, not the name of a union's part.
    """
    path: KeyPath = ()
    for part in location:
        inside = _has(data, (part,))
        if inside or (lacks_last and isinstance(data, dict)):
            path = (*path, part)
        if not inside:
            break
        data = data[part]
    return path


def _has(data: Any, path: KeyPath) -> bool:
    for part in path:
        keys = (
            data if isinstance(data, dict) else range(len(data)) if isinstance(data, list) else ()
        )
        if part not in keys:
            return False
        data = data[part]
    return True


def _leave_out(data: dict[str, Any], path: KeyPath) -> KeyPath:
    """Removes a key from the data, or the list that has it as an item; returns what was removed."""
    while path and (isinstance(path[-1], int) or (len(path) > 2 and not _has(data, path))):
        path = path[:-1]
    if path and _has(data, path):
        parent: Any = data
        for part in path[:-1]:
            parent = parent[part]
        parent.pop(path[-1], None)
    if path in (("evaluation",), ("evaluation", "tasks")):  # there must be some
        data.setdefault("evaluation", {})["tasks"] = "-"
        path = ("evaluation", "tasks")
    return path
