"""What a setting takes and what it got, in words, for the messages of `search.config`."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from search.config.settings import Config

KeyPath = tuple[str | int, ...]


def field_at(path: KeyPath) -> Any:
    """The field (FieldInfo), or the type of an item of a field, at a key path."""
    here: Any = Config
    for part in path:
        inside = _plain_type(here)
        if (model := _model(inside)) is not None:
            here = model.model_fields.get(str(part), model)
        elif get_origin(inside) in (tuple, dict):
            here = get_args(inside)[0 if get_origin(inside) is tuple else 1]
    return here


def _plain_type(field: Any) -> Any:
    """A field's type without its bounds and without the null that it may be."""
    here = field.annotation if isinstance(field, FieldInfo) else field
    if hasattr(here, "__metadata__"):
        return _plain_type(get_args(here)[0])
    if get_origin(here) in (Union, UnionType):
        options = [option for option in get_args(here) if option is not NoneType]
        return _plain_type(options[0]) if len(options) == 1 else here
    return here


def _model(annotation: Any) -> type[BaseModel] | None:
    is_model = isinstance(annotation, type) and issubclass(annotation, BaseModel)
    return annotation if is_model else None


_PLAIN = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a text",
    NoneType: "null",
}


def expected(field: Any) -> str:
    """What a field takes, in words: "a whole number >= 0"."""
    if isinstance(field, FieldInfo):
        return _in_words(field.annotation, field.metadata)
    return _in_words(field, ())


def _in_words(annotation: Any, metadata: Sequence[Any]) -> str:
    bounds = [
        f"{sign} {getattr(limit, attribute):g}"
        for limit in metadata
        for kind, attribute, sign in (
            (Ge, "ge", ">="),
            (Gt, "gt", ">"),
            (Le, "le", "<="),
            (Lt, "lt", "<"),
        )
        if isinstance(limit, kind)
    ]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if hasattr(annotation, "__metadata__"):
        extra = [m for data in annotation.__metadata__ for m in getattr(data, "metadata", [data])]
        return _in_words(arguments[0], [*metadata, *extra])
    if origin is Literal:
        words = "one of " + ", ".join(map(str, arguments))
    elif origin in (Union, UnionType):
        words = " or ".join(_in_words(a, metadata) for a in arguments)
        bounds = []
    elif origin is tuple:
        sized = "" if Ellipsis in arguments else f" of {len(arguments)}"
        least = [m.min_length for m in metadata if isinstance(m, MinLen)]
        words = f"a list{sized}{' that is not empty' if any(least) else ''}, each "
        words += _in_words(arguments[0], ())
    elif origin is dict:
        words = "keys and values, each " + _in_words(arguments[1], ())
    elif (model := _model(annotation)) is not None:
        words = "keys and values: " + ", ".join(model.model_fields)
    else:
        patterns = [p for p in (getattr(m, "pattern", None) for m in metadata) if p]
        bounds += [f"that matches {pattern}" for pattern in patterns]
        words = _PLAIN.get(annotation, str(annotation))
    return " ".join([words, " and ".join(bounds)]).strip() if annotation is not NoneType else words


def described(value: Any) -> str:
    """A value that was got, in words: "the text 'x'"."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f"the text {value[:60]!r}"
    if isinstance(value, (int, float)):
        return str(value)[:60]
    if isinstance(value, list):
        return f"a list of {len(value)}" if value else "an empty list"
    return "keys and values"


def nearest_key(path: KeyPath) -> str:
    """What to say after an unknown key."""
    here = _model(_plain_type(field_at(path[:-1])))
    if here is None:
        return ""
    suggestion = nearest(str(path[-1]), list(here.model_fields))
    if suggestion:
        return suggestion
    everywhere = {dotted.rsplit(".", 1)[-1]: dotted for dotted in key_paths()}
    near = difflib.get_close_matches(str(path[-1]), everywhere, n=1, cutoff=0.75)
    return (
        f"; did you mean {everywhere[near[0]]!r}?"
        if near
        else f"; valid keys: {', '.join(here.model_fields)}"
    )


def nearest(name: str, names: list[str]) -> str:
    """ "; did you mean ...?", or nothing."""
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""


def key_paths(model: type[BaseModel] = Config, front: str = "") -> Iterator[str]:
    """Every valid key, dotted: `seed`, `evolution.mode`, ..."""
    for name, field in model.model_fields.items():
        yield front + name
        if (inner := _model(_plain_type(field))) is not None:
            yield from key_paths(inner, f"{front}{name}.")
