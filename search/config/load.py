"""From YAML text to `Config`, or to every mistake at once with its place.

YAML is read strictly: UTF-8, at most 64 KB, no aliases, tags, merge keys or duplicate keys;
numbers, booleans and null as in
YAML 1.2's core schema, so `1e-3` is a number and `no` is a text. `--set a.b=value` replaces single
keys.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from search.config.messages import KeyPath, described, expected, field_at, nearest, nearest_key
from search.config.settings import Config

MAX_BYTES = 64 * 1024
MAX_DEPTH = 20

Place = tuple[int, int, str]  # sort keys line and column, then the text in front of the message
Check = Callable[[Config], Iterable[tuple[KeyPath, str]]]

_NULL = re.compile(r"(~|null|Null|NULL|)\Z")
_BOOL = re.compile(r"(true|True|TRUE|false|False|FALSE)\Z")
_INT = re.compile(r"([-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_INFINITE = re.compile(r"([-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))\Z")


class ConfigError(ValueError):
    """Every mistake in a config, one line each; the text is ready to print."""

    def __init__(self, lines: Sequence[str]):
        # A key may hold anything; a message is one printable line.
        self.lines = tuple("".join(c if c.isprintable() else " " for c in line) for line in lines)
        count = "1 error" if len(lines) == 1 else f"{len(lines)} errors"
        super().__init__(
            "\n".join([*(f"error: {line}" for line in self.lines), f"{count}; nothing was run."])
        )


def load(path: str | Path, overrides: Sequence[str] = (), check: Check | None = None) -> Config:
    """Reads a config file; raises ConfigError with all mistakes.

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
    return loads(raw, name, overrides, check)


def loads(
    raw: bytes, name: str = "<text>", overrides: Sequence[str] = (), check: Check | None = None
) -> Config:
    """As `load`, from the file's bytes."""
    reader = _Reader()
    data = reader.document(raw, name)
    for override in overrides:
        reader.override(data, override)
    config, problems, left_out = _validated(data, reader, name)
    if {("evaluation", "tasks"), ("evaluation", "settings")} & left_out:
        left_out.add(("evaluation",))  # what is said of tasks would be of others
    for path, message in check(config) if check and config else ():
        if not _touches(path, left_out):
            problems.append((reader.place(path, name), path, message))
    problems += reader.problems
    if problems or config is None:
        raise ConfigError(_sorted_lines(problems))
    return config


def dumps(config: Config, header: str = "") -> str:
    """The resolved config as YAML text that `loads` reads back to an equal config."""
    body = yaml.safe_dump(
        config.model_dump(mode="json"), sort_keys=False, default_flow_style=None, width=120
    )
    return "".join(f"# {line}\n" for line in header.splitlines()) + body


Problem = tuple[Place, KeyPath, str]


def _sorted_lines(problems: Iterable[Problem]) -> list[str]:
    lines = []
    for (_, _, front), path, message in sorted(problems, key=lambda p: (p[0], p[2])):
        key = _dotted(path)
        lines.append(f"{front}: {key}: {message}" if key else f"{front}: {message}")
    return list(dict.fromkeys(lines))


def _dotted(path: KeyPath) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(
        "."
    )


class _Reader:
    """YAML nodes to plain data, with the place of every key and value."""

    def __init__(self) -> None:
        self.places: dict[tuple[KeyPath, str], Place] = {}  # by key path and "key" or "value"
        self.problems: list[Problem] = []
        self.reported: set[KeyPath] = set()

    def place(self, path: KeyPath, name: str, part: str = "value") -> Place:
        """Where a value stands, or the innermost part that is written in the file."""
        while path and (path, part) not in self.places:
            path = path[:-1]
        return self.places.get((path, part), (1, 1, f"{name}:1:1"))

    def document(self, raw: bytes, name: str) -> dict[str, Any]:
        if len(raw) > MAX_BYTES:
            raise ConfigError([f"{name}: longer than {MAX_BYTES // 1024} KB"])
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            line = raw.count(b"\n", 0, error.start) + 1
            raise ConfigError([f"{name}:{line}: not UTF-8 (byte {error.start})"]) from None
        node = self.compose(text, name)
        if node is None:
            return {}
        data = self.value(
            node,
            (),
            lambda mark: (
                mark.line + 1,
                mark.column + 1,
                f"{name}:{mark.line + 1}:{mark.column + 1}",
            ),
        )
        if not isinstance(data, dict):
            raise ConfigError([f"{name}:1:1: expected keys and values, got {described(data)}"])
        return data

    def compose(self, text: str, name: str) -> yaml.Node | None:
        """The document's node; refuses what strict YAML has no need of, and deep nesting."""

        def refuse(mark: yaml.Mark | None, message: str) -> ConfigError:
            return ConfigError(
                [
                    f"{name}:{mark.line + 1}:{mark.column + 1}: {message}"
                    if mark
                    else f"{name}: {message}"
                ]
            )

        depth, documents = 0, 0
        try:
            for event in yaml.parse(text, Loader=yaml.SafeLoader):
                if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                    raise refuse(event.start_mark, "aliases and anchors are not allowed")
                if getattr(event, "tag", None):
                    raise refuse(event.start_mark, f"tags are not allowed, got {event.tag}")
                documents += isinstance(event, yaml.DocumentStartEvent)
                depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(
                    event, yaml.CollectionEndEvent
                )
                if depth > MAX_DEPTH or documents > 1:
                    what = (
                        "one document expected"
                        if documents > 1
                        else f"nested deeper than {MAX_DEPTH}"
                    )
                    raise refuse(event.start_mark, what)
            return yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            raise refuse(
                error.problem_mark, f"not YAML: {error.problem or error.context}"
            ) from None
        except yaml.YAMLError as error:  # characters that YAML does not allow
            raise refuse(None, f"not YAML: {str(error).splitlines()[0]}") from None

    def value(
        self, node: yaml.Node, path: KeyPath, mark_place: Callable[[yaml.Mark], Place]
    ) -> Any:
        self.places[path, "value"] = mark_place(node.start_mark)
        if isinstance(node, yaml.MappingNode):
            data: dict[str, Any] = {}
            for key_node, value_node in node.value:
                key, place = key_node.value, mark_place(key_node.start_mark)
                if (
                    not isinstance(key_node, yaml.ScalarNode)
                    or key == "<<"
                    or not isinstance(_scalar(key_node), str)
                ):
                    shown = key if isinstance(key_node, yaml.ScalarNode) else "a collection"
                    self.problem(place, path, f"expected a plain name as key, got {shown}")
                    continue
                if key in data:
                    first = self.places[(*path, key), "key"][2]
                    self.problem(place, (*path, key), f"given twice, first at {first}")
                    continue
                self.places[(*path, key), "key"] = place
                data[key] = self.value(value_node, (*path, key), mark_place)
            return data
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, i), mark_place) for i, item in enumerate(node.value)]
        value = _scalar(node)
        if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
            self.problem(
                self.places[path, "value"], path, f"expected a finite number, got {node.value}"
            )
            self.reported.add(path)
            return None
        return value

    def problem(self, place: Place, path: KeyPath, message: str) -> None:
        self.problems.append((place, path, message))

    def override(self, data: dict[str, Any], text: str) -> None:
        """Applies one `a.b=value` to the data."""
        place = (1 << 30, len(self.places), f"--set {text}")
        dotted, equals, raw = text.partition("=")
        keys = tuple(key.strip() for key in dotted.split("."))
        if not equals or not all(keys):
            self.problem(
                place, (), "expected KEY=VALUE with a dotted key, such as evolution.population=100"
            )
            return
        try:
            node = self.compose(raw, f"--set {text}")
        except ConfigError as error:
            self.problem(place, (), error.lines[0].removeprefix(f"--set {text}:"))
            return
        inner: Any = data
        path: KeyPath = ()
        for key in keys:
            part = _named(inner, key) if isinstance(inner, list) else key
            if part is None:
                self.problem(place, path, f"has no item {key!r}")
                return
            path = (*path, part)
            if len(path) == len(keys):
                break
            if isinstance(inner, list) or isinstance(inner.get(key), (dict, list)):
                inner = inner[part]
            else:
                inner[key] = _default(path)
                self.places[path, "key"] = self.places[path, "value"] = place
                inner = inner[key]
            if not isinstance(inner, (dict, list)):
                self.problem(place, path, f"has no part {keys[len(path)]!r}")
                return
        for written in [there for there, _ in self.places if there[: len(path)] == path]:
            self.places.pop((written, "key"), None), self.places.pop((written, "value"), None)
        inner[path[-1]] = None if node is None else self.value(node, path, lambda mark: place)
        self.places[path, "key"] = self.places[path, "value"] = place


def _named(items: list[Any], name: str) -> int | None:
    """The place of the item with a name, or with a number."""
    names = [item.get("name") if isinstance(item, dict) else None for item in items]
    if name in names:
        return names.index(name)
    return int(name) if name.isdecimal() and int(name) < len(items) else None


def _default(path: KeyPath) -> Any:
    """What an override of a part begins with: the default list, or nothing yet."""
    default = getattr(field_at(path), "default", None)
    if isinstance(default, tuple) and all(isinstance(item, BaseModel) for item in default):
        return [item.model_dump(mode="json") for item in default]
    return {}


def _scalar(node: yaml.ScalarNode) -> Any:
    """A scalar by YAML 1.2's core schema; quoted text is text."""
    text = node.value
    if node.style is not None:
        return text
    if _NULL.match(text):
        return None
    if _BOOL.match(text):
        return text.lower() == "true"
    if _INT.match(text) and len(text) <= 300:
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    if _FLOAT.match(text):
        return float(text)
    if _INFINITE.match(text):
        return float(text.replace(".", "", 1).lower())
    return text


def _validated(
    data: dict[str, Any], reader: _Reader, name: str
) -> tuple[Config | None, list[Problem], set[KeyPath]]:
    """The config of all that is right, what is wrong, and the keys left out for it.

    Rules over several keys are checked once each of these keys is right, so what is wrong is left
    out and the rest looked at again; a rule that meets a key left out says nothing.
    """
    rest, left_out = copy.deepcopy(data), set[KeyPath]()
    problems: list[Problem] = []
    while True:
        try:
            return Config.model_validate_json(json.dumps(rest)), problems, left_out
        except ValidationError as error:
            details = error.errors(include_url=False)
        before = set(left_out)
        explained = [_explained(detail, rest) for detail in details]
        for detail, (path, about, message) in zip(details, explained):
            part = "key" if detail["type"] == "extra_forbidden" else "value"
            known = path in reader.reported or any(_touches(key, before) for key in about)
            if message and not known:
                problems.append((reader.place(path, name, part), path, message))
            if message:
                left_out.add(_leave_out(rest, path))
        if left_out == before:
            return None, problems, left_out


def _touches(path: KeyPath, keys: Iterable[KeyPath]) -> bool:
    """Whether a key path is, or is part of, or has as a part, one of the keys."""
    return any(all(a == b for a, b in zip(path, key)) for key in keys)


def _explained(detail: Any, data: dict[str, Any]) -> tuple[KeyPath, list[KeyPath], str]:
    """Where one of pydantic's errors is, what it is about, and what is to be said, if anything."""
    path = _written_path(detail["loc"], data)
    kind, got, context = detail["type"], detail["input"], detail.get("ctx", {})
    if kind == "rule":
        keys: list[KeyPath] = [(*path, *key.split(".")) for key in context["keys"]]
        written = [key for key in keys if _has(data, key)]
        return (written or [path])[0], keys, context["said"]
    if kind == "value_error":
        return path, [path], str(context["error"])
    if kind == "extra_forbidden":
        return path, [path], f"unknown key{nearest_key(path)}"
    if kind == "missing" and isinstance(detail["loc"][-1], str):
        return path, [path], f"missing; expected {expected(field_at(path))}"
    if kind == "too_short" and len(got) >= context["min_length"]:  # its items are wrong, too
        return path, [path], ""
    return path, [path], f"expected {expected(field_at(path))}, got {described(got)}"


def _has(data: Any, path: KeyPath) -> bool:
    for part in path:
        of_dict = data if isinstance(data, dict) else ()
        if part not in (range(len(data)) if isinstance(data, list) else of_dict):
            return False
        data = data[part]
    return True


def _leave_out(data: dict[str, Any], path: KeyPath) -> KeyPath:
    """Takes a key out of the data, or the list that has it as an item; returns what was taken."""
    while path and (isinstance(path[-1], int) or (len(path) > 2 and not _has(data, path))):
        path = path[:-1]
    inner: Any = data
    for part in path[:-1]:
        inner = inner[part] if _has(data, path) else {}
    if path:
        inner.pop(path[-1], None)
    if path in (("evaluation",), ("evaluation", "tasks")):  # there must be some
        data.setdefault("evaluation", {})["tasks"] = "-"
        path = ("evaluation", "tasks")
    return path


def _written_path(loc: tuple[str | int, ...], data: Any) -> KeyPath:
    """pydantic's location without its parts for unions, up to the first that the data lacks."""
    path: list[str | int] = []
    for part in loc:
        inside = (
            part in data
            if isinstance(data, dict)
            else isinstance(part, int) and isinstance(data, list) and part < len(data)
        )
        if isinstance(data, dict) or inside:
            path.append(part)
        if not inside:
            break
        data = data[part]  # type: ignore[index]
    return tuple(path)
