"""Every key of a config with its values, default and meaning, as Markdown made from the models."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import yaml

from search.config.messages import nearest
from search.config.model import SettingsModel

WIDTH = 98  # of a line, in characters

Schema = Mapping[str, Any]  # a part of a JSON schema


def reference(model: type[SettingsModel], title: str, key: str = "") -> str:
    """The keys of `model`, or `key` and those below it, in the order of the models.

    A model that is a part of the config and stands below other keys, too, as that of `tuning` does,
    is described once, as that part. Raises ValueError, with the nearest one, for an unknown key.
    """
    schema = model.model_json_schema()
    keys = list(_Keys(schema).below("", schema))
    shown = [one for one in keys if not key or f"{one.name}.".startswith(f"{key}.")]
    if not shown:
        raise ValueError(f"no key {key!r} in a config{nearest(key, [one.name for one in keys])}")
    return "\n".join([f"# {title}", "", *(line for one in shown for line in one.lines())]) + "\n"


class _Key(NamedTuple):
    name: str  # dotted
    values: str  # what may stand there; empty: keys of its own
    default: str  # as YAML; empty: none
    meaning: str

    def lines(self) -> Iterator[str]:
        default = f"default `{self.default}`" if self.default else ""
        if not self.values:
            yield from ("", f"## `{self.name}`", "")
            text = self.meaning + (f" {default.capitalize()}." if default else "")
            yield from (*textwrap.wrap(text, WIDTH), "")
            return
        text = f"- `{self.name}`: {'; '.join(filter(None, (self.values, default)))}."
        text = f"{text} {self.meaning}"
        yield from textwrap.wrap(text, WIDTH, subsequent_indent="  ", break_on_hyphens=False)


class _Keys:
    def __init__(self, root: Schema):
        self._models: Schema = root.get("$defs", {})
        parts = {name: _model_of(field) for name, field in root["properties"].items()}
        self._parts = {model: name for name, model in parts.items() if model}

    def below(self, prefix: str, model: Schema, defaults: Any = None) -> Iterator[_Key]:
        """The keys of a model, and those below them.

        defaults: those that it has in this place; what they lack has the model's own.
        """
        for name, field in model["properties"].items():
            default = (defaults or {}).get(name, field.get("default"))
            required = name in model.get("required", ())
            yield from self._key(f"{prefix}{name}", field, default, required=required)

    def _key(self, name: str, field: Schema, default: Any, *, required: bool) -> Iterator[_Key]:
        model = _model_of(field)
        part = self._parts.get(model)
        here = bool(model) and part in (None, name)  # described in this place
        meaning = [field.get("description", "")]
        if here:
            meaning.append(self._models[model].get("description", ""))
        words = " ".join(" ".join(meaning).split())
        if required and not here:
            words = f"It must be given. {words}"
        values = "" if part == name else self._values(field)
        yield _Key(name, values, self._default(field, default, here=here), words)
        if here:
            prefix = f"{name}.NAME." if _is_list(field) else f"{name}."
            yield from self.below(
                prefix, self._models[model], default if isinstance(default, dict) else None
            )

    def _default(self, field: Schema, default: Any, *, here: bool) -> str:
        """Nothing for a model that is described here: its keys say it."""
        model = _model_of(field)
        if "default" not in field or (here and isinstance(default, dict)):
            return ""
        if model and isinstance(default, list):
            default = [self._differing(self._models[model], one) for one in default]
        text = yaml.safe_dump(default, default_flow_style=True, sort_keys=False, width=10_000)
        return text.strip().removesuffix("...").strip()

    def _differing(self, model: Schema, values: Mapping[str, Any]) -> dict[str, Any]:
        """What of a model's values is not its default."""
        found: dict[str, Any] = {}
        for name, field in model["properties"].items():
            default, value, inner = field.get("default"), values[name], _model_of(field)
            if inner and isinstance(value, dict):
                value = self._differing(self._models[inner], {**default, **value})
                default = self._differing(self._models[inner], default)
            if value != default:
                found[name] = value
        return found

    def _values(self, field: Schema, *, several: bool = False) -> str:
        """What may stand there, in words."""
        if "anyOf" in field:
            return " or ".join(self._values(one, several=several) for one in field["anyOf"])
        if "$ref" in field:
            part = self._parts.get(_model_of(field))
            return f"keys as of `{part}`" if part else "the keys below"
        if "enum" in field or "const" in field:
            return " or ".join(f"`{value}`" for value in field.get("enum", [field.get("const")]))
        kind = field["type"]
        if kind == "array":
            items = field.get("prefixItems", [field.get("items")])
            number = f"{len(items)} " if "prefixItems" in field else ""
            return f"a list of {number}{self._values(items[0], several=True)}"
        if kind == "object":
            return f"names, each with {self._values(field['additionalProperties'])}"
        return _WORDS[kind][several] + _bounds(field)


_WORDS = {
    "boolean": ("`true` or `false`", "`true` or `false`"),
    "string": ("text", "texts"),
    "null": ("`null`", "`null`"),
    "integer": ("whole number", "whole numbers"),
    "number": ("number", "numbers"),
}  # one, several


def _bounds(field: Schema) -> str:
    low, high = field.get("minimum"), field.get("maximum")
    above, under = field.get("exclusiveMinimum"), field.get("exclusiveMaximum")
    if low is not None and high is not None:
        return f" from {_figure(low)} to {_figure(high)}"
    bounds = ("of at least", low), ("above", above), ("below", under), ("of at most", high)
    words = [f"{word} {_figure(bound)}" for word, bound in bounds if bound is not None]
    return f" {' and '.join(words)}" if words else ""


def _figure(value: float) -> str:
    return f"{int(value):,}" if value == int(value) else f"{value:g}"


def _model_of(field: Schema) -> str:
    """Name of the model that a field holds, alone, optional or in a list; empty: none."""
    for one in (field, *field.get("anyOf", ())):
        name = one.get("$ref") or one.get("items", {}).get("$ref", "")
        if name:
            return str(name).rsplit("/", 1)[1]
    return ""


def _is_list(field: Schema) -> bool:
    return any(one.get("type") == "array" for one in (field, *field.get("anyOf", ())))
