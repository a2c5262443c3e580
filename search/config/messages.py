"""What a setting takes and what it got, in words: made from the config's JSON schema.

root: of the whole config; by default of a search's.
"""

from __future__ import annotations

import difflib
import functools
import math
from collections.abc import Iterable, Iterator
from typing import Any

from search.config.model import SettingsModel
from search.config.settings import Config
from search.config.strict_yaml import KeyPath

Schema = dict[str, Any]

_CONFIG: Schema = Config.model_json_schema()


@functools.cache
def schema_of(model: type[SettingsModel]) -> Schema:
    """The schema of a whole config."""
    return _CONFIG if model is Config else model.model_json_schema()


_TYPES = {
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "string": "a text",
    "null": "null",
}
_BOUNDS = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}


def field_at(path: KeyPath, root: Schema = _CONFIG) -> Schema:
    """The schema of the setting at a key path; of an unknown key, that of what has it."""
    here = root
    for part in path:
        parent = _not_null(here, root)
        if "properties" in parent:
            here = parent["properties"].get(part, parent)
        elif parent.get("type") == "array":
            here = parent.get("items") or parent["prefixItems"][0]
        else:
            here = parent.get("additionalProperties", parent)
    return here


def _resolved(schema: Schema, root: Schema) -> Schema:
    return root["$defs"][schema["$ref"].rsplit("/", 1)[-1]] if "$ref" in schema else schema


def _not_null(schema: Schema, root: Schema) -> Schema:
    """The schema without the null that it may be."""
    options = [option for option in schema.get("anyOf", []) if option.get("type") != "null"]
    return _resolved(options[0] if len(options) == 1 else schema, root)


def expected(schema: Schema, root: Schema = _CONFIG) -> str:
    """What a setting takes, in words: "a whole number >= 0"."""
    schema = _resolved(schema, root)
    if "anyOf" in schema:
        return " or ".join(expected(option, root) for option in schema["anyOf"])
    if "enum" in schema:
        return "one of " + ", ".join(schema["enum"])
    if "properties" in schema:
        return "keys and values: " + ", ".join(schema["properties"])
    if schema["type"] == "object":
        return "keys and values, each " + expected(schema["additionalProperties"], root)
    if schema["type"] == "array":
        sized = f" of {len(schema['prefixItems'])}" if "prefixItems" in schema else ""
        sized += " that is not empty" if "items" in schema and schema.get("minItems") else ""
        item = schema.get("items") or schema["prefixItems"][0]
        return f"a list{sized}, each {expected(item, root)}"
    bounds = [f"{sign} {_number(schema[key])}" for key, sign in _BOUNDS.items() if key in schema]
    bounds += [f"that matches {schema['pattern']}"] if "pattern" in schema else []
    return " ".join([_TYPES[schema["type"]], " and ".join(bounds)]).strip()


def _number(value: float) -> str:
    return f"{value:g}" if value < 1_000 else f"{value:,.0f}"


def described(value: Any) -> str:
    """A value that was got, in words: "the text 'x'"."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f"the text {value[:60]!r}"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value).replace("inf", ".inf").replace("nan", ".nan")  # as YAML has it
    if isinstance(value, (int, float)):
        return str(value)[:60]
    if isinstance(value, (list, tuple)):
        return f"a list of {len(value)}" if value else "an empty list"
    return "keys and values"


def nearest_key(path: KeyPath, root: Schema = _CONFIG) -> str:
    """What to say after an unknown key."""
    keys = _not_null(field_at(path[:-1], root), root).get("properties")
    if keys is None:
        return ""
    if near := nearest(str(path[-1]), keys, 0.7):
        return near
    everywhere = {dotted.rsplit(".", 1)[-1]: dotted for dotted in key_paths(root)}
    far = difflib.get_close_matches(str(path[-1]), everywhere, n=1, cutoff=0.85)
    if far:
        return f"; did you mean {everywhere[far[0]]!r}?"
    return f"; valid keys: {', '.join(keys)}"


def nearest(name: str, names: Iterable[str], cutoff: float = 0.6) -> str:
    """ "; did you mean ...?", or nothing if no name is as close as `cutoff` (0 to 1)."""
    near = difflib.get_close_matches(name, list(names), n=1, cutoff=cutoff)
    return f"; did you mean {near[0]!r}?" if near else ""


def key_paths(root: Schema = _CONFIG) -> Iterator[str]:
    """Every valid key, dotted: `seed`, `evolution.mode`, ..."""
    return _key_paths(root, "", root)


def _key_paths(schema: Schema, front: str, root: Schema) -> Iterator[str]:
    for name, inner in schema["properties"].items():
        yield front + name
        if "properties" in (inside := _not_null(inner, root)):
            yield from _key_paths(inside, f"{front}{name}.", root)
