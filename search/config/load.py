"""From YAML text to `Config`, or to every mistake at once with its position.

A config is UTF-8 text of at most 64 KB. `--set a.b=value` replaces single keys, with a value in
YAML as well; a key with a dot stands in quotes, as in `evaluation.settings."toy@0.5".steps=5`.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from programs.program import printable
from search.arguments import listed
from search.config.messages import Schema, described, field_at, nearest, schema_of
from search.config.model import SettingsModel
from search.config.settings import Config
from search.config.strict_yaml import (
    KeyPath,
    NotAllowed,
    Position,
    Problem,
    StrictDumper,
    StrictLoader,
)
from search.config.validation import AnyConfig, overlaps, validated

MAX_BYTES = 64 * 1024

_KEY = re.compile(r"""\.\s*(?:"([^"]+)"|([^."\s](?:[^."]*[^."\s])?))\s*""")
_KEYS = re.compile(f"(?:{_KEY.pattern})+")

Found = Iterable[tuple[KeyPath, str]]
"""What is wrong with a config whose types are right, by key path."""

Check = Callable[[Config], Found]


class ConfigError(ValueError):
    """Every mistake in a config, one line each; the text is ready to print."""

    def __init__(self, lines: Sequence[str]):
        # A key may hold anything; a message is one printable line.
        self.lines = tuple(map(printable, lines))
        count = "1 error" if len(lines) == 1 else f"{len(lines)} errors"
        super().__init__(
            "\n".join([*(f"error: {line}" for line in self.lines), f"{count}; nothing was run."])
        )


def load(path: str | Path, overrides: Sequence[str] = (), check: Check | None = None) -> Config:
    """Reads a search's config; see `load_as`."""
    return load_as(Config, path, overrides=overrides, check=check)


def load_as(
    model: type[AnyConfig],
    path: str | Path,
    *,
    overrides: Sequence[str] = (),
    check: Callable[[AnyConfig], Found] | None = None,
) -> AnyConfig:
    """Reads a config file; raises ConfigError with all mistakes.

    model: of the whole config.
    overrides: texts `a.b=value` that replace keys of the file.
    check: further checks of a valid config, as pairs of key path and message.
    """
    name = str(path)
    try:
        with open(path, "rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        near = [str(p) for p in sorted(Path(path).parent.glob("*.yaml"))]
        raise ConfigError(
            [f"{name}: cannot be read: {error.strerror}{nearest(name, near)}"]
        ) from None
    return loads_as(model, raw, name, overrides=overrides, check=check)


def read_as(
    model: type[AnyConfig],
    config: AnyConfig | str | Path | Mapping[str, Any],
    *,
    overrides: Sequence[str] = (),
    check: Callable[[AnyConfig], Found] | None = None,
) -> AnyConfig:
    """As `load_as`, from a file, from a config or from the same as nested dictionaries."""
    if isinstance(config, (str, Path)):
        return load_as(model, config, overrides=overrides, check=check)
    data = config.model_dump(mode="json") if isinstance(config, model) else config
    if not isinstance(data, Mapping):
        raise ConfigError([f"config: expected a file, a dictionary or settings, got {data!r}"])
    return loads_as(model, as_yaml(data), "config", overrides=overrides, check=check)


def loads(
    raw: bytes,
    name: str = "<text>",
    *,
    overrides: Sequence[str] = (),
    check: Check | None = None,
) -> Config:
    """As `load`, from the file's bytes."""
    return loads_as(Config, raw, name, overrides=overrides, check=check)


def loads_as(
    model: type[AnyConfig],
    raw: bytes,
    name: str,
    *,
    overrides: Sequence[str] = (),
    check: Callable[[AnyConfig], Found] | None = None,
) -> AnyConfig:
    """As `load_as`, from the file's bytes."""
    draft = Draft(raw, name, schema_of(model))
    for override in listed("overrides", overrides):
        draft.override(override)
    config, mistakes, left_out = validated(draft.data, model)
    problems = draft.problems + [
        Problem(draft.position(m.path, key=m.is_unknown_key), m.message, m.path) for m in mistakes
    ]
    if {("evaluation", "tasks"), ("evaluation", "settings")} & left_out:
        left_out.add(("evaluation",))  # its mistakes would be those of other tasks
    for path, message in check(config) if check and config else ():
        if not overlaps(path, left_out):
            problems.append(Problem(draft.position(path), message, path))
    if problems or config is None:
        raise ConfigError(_lines(problems))
    return config


def dumps(config: SettingsModel, header: str = "") -> str:
    """The resolved config as YAML text that `loads` reads back to an equal config."""
    data = config.model_dump(mode="json")
    body = yaml.dump(data, Dumper=StrictDumper, sort_keys=False, default_flow_style=None, width=120)
    return "".join(f"# {line}\n" for line in header.splitlines()) + body


def as_yaml(data: Mapping[str, Any]) -> bytes:
    """A config as nested dictionaries, with paths and numpy's numbers, as text that `loads` reads.

    Raises ConfigError for what is no value of a config.
    """

    def plain(value: Any) -> Any:
        if isinstance(value, (Path, np.generic)):
            return str(value) if isinstance(value, Path) else value.item()
        raise ConfigError(
            [f"config: expected numbers, texts, lists and dictionaries, got {value!r}"]
        )

    return json.dumps(data, default=plain).encode()


def _lines(problems: Iterable[Problem]) -> list[str]:
    lines = []
    for position, message, path in sorted(problems, key=lambda problem: problem[:2]):
        key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
        lines.append(": ".join(filter(None, (position.text, key.lstrip("."), message))))
    return list(dict.fromkeys(lines))


class Draft:
    """A config as plain data that nobody has validated, with the position of each part."""

    def __init__(self, raw: bytes, name: str, root: Schema):
        """Raises ConfigError for what is not strict YAML, or not keys and values."""
        if len(raw) > MAX_BYTES:
            raise ConfigError([f"{name}: longer than {MAX_BYTES // 1024} KB"])
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            line = raw.count(b"\n", 0, error.start) + 1
            raise ConfigError([f"{name}:{line}: not UTF-8 (byte {error.start})"]) from None
        data, loader = _read(text, name, empty={})
        if not isinstance(data, dict):
            raise ConfigError([f"{name}:1:1: expected keys and values, got {described(data)}"])
        self.name, self.data, self.problems, self._root = name, data, loader.problems, root
        self.keys, self.values = loader.keys, loader.values
        self._overrides = 0

    def position(self, path: KeyPath, key: bool = False) -> Position:
        """Where a value (or a key) is given, or else the innermost part that has it and is."""
        positions = self.keys if key else self.values
        while path and path not in positions:
            path = path[:-1]
        return positions.get(path, Position(1, 1, f"{self.name}:1:1"))

    def override(self, text: str) -> None:
        """Applies one `a.b=value`; notes a problem if it cannot be."""
        self._overrides += 1
        position = Position(1 << 30, self._overrides, f"--set {text}")
        dotted, equals, value = text.partition("=")
        keys = tuple(match[1] or match[2] for match in _KEY.finditer(f".{dotted}"))
        if not equals or not _KEYS.fullmatch(f".{dotted}"):
            message = "expected KEY=VALUE with a dotted key, such as evolution.population=100"
            self.problems.append(Problem(position, message, ()))
            return
        try:
            data, loader = _read(value, position.text)
        except ConfigError as error:
            message = error.lines[0].removeprefix(f"{position.text}:")
            self.problems.append(Problem(position, message, ()))
            return
        try:
            path = self._put(keys, data, position)
        except KeyError as error:
            self.problems.append(Problem(position, *error.args))
        else:
            for _, message, inside in loader.problems:
                self.problems.append(Problem(position, message, (*path, *inside)))

    def _put(self, keys: tuple[str, ...], value: Any, position: Position) -> KeyPath:
        """Puts a value under keys, where a list's items go by name; returns its path.

        Raises KeyError, with a message and a path, if there is no such key."""
        inner: Any = self.data
        path: KeyPath = ()
        for key in keys:
            if path:
                if isinstance(inner, dict) and not isinstance(inner.get(path[-1]), (dict, list)):
                    inner[path[-1]] = _default(path, self._root)
                    self.keys[path] = self.values[path] = position
                inner = inner[path[-1]]
            if not isinstance(inner, (dict, list)):
                raise KeyError(f"has no part {key!r}", path)
            part = _item(inner, key) if isinstance(inner, list) else key
            if part is None:
                raise KeyError(f"has no item {key!r}", path)
            path = (*path, part)
        for positions in (self.keys, self.values):
            for given in [given for given in positions if given[: len(path)] == path]:
                del positions[given]
            positions[path] = position
        inner[path[-1]] = value
        return path


def _read(text: str, source: str, empty: Any = None) -> tuple[Any, StrictLoader]:
    """The data in YAML text (`empty` if there are none), and the loader with their positions.

    Raises ConfigError for what is not strict YAML."""
    try:
        loader = StrictLoader(text, source)
        return loader.read(empty), loader
    except yaml.MarkedYAMLError as error:
        kind = "" if isinstance(error, NotAllowed) else "not YAML: "
        mark = error.problem_mark
        where = f"{source}:{mark.line + 1}:{mark.column + 1}" if mark else source
        raise ConfigError([f"{where}: {kind}{error.problem or error.context}"]) from None
    except yaml.YAMLError as error:  # characters that YAML does not allow
        raise ConfigError([f"{source}: not YAML: {str(error).splitlines()[0]}"]) from None


def _item(items: list[Any], name: str) -> int | None:
    """The index of the item with a name, or with a number."""
    names = [item.get("name") if isinstance(item, dict) else None for item in items]
    if name in names:
        return names.index(name)
    return int(name) if name.isdecimal() and int(name) < len(items) else None


def _default(path: KeyPath, root: Schema) -> Any:
    """What an override of a part begins with: the default list of parts, or nothing yet."""
    default = field_at(path, root).get("default")
    of_parts = isinstance(default, list) and all(isinstance(item, dict) for item in default)
    return copy.deepcopy(default) if of_parts else {}
