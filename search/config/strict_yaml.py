"""YAML as plain data, read strictly, with the position of every key and value.

No aliases, anchors, tags, merge keys or duplicate keys, one document, at most 20 levels deep.
Numbers, booleans and null are those of YAML 1.2's core schema, so that `1e-3` is a number and `no`
is a text.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import yaml

MAX_DEPTH = 20

KeyPath = tuple[str | int, ...]


class Position(NamedTuple):
    """Where something was given; sorts as it is read."""

    line: int
    column: int
    text: str  # what a message about it begins with, such as "c.yaml:3:1"


class Problem(NamedTuple):
    """A mistake in a config."""

    position: Position
    message: str
    path: KeyPath


class NotAllowed(yaml.MarkedYAMLError):
    """Valid YAML that a config has no need of."""

    def __init__(self, problem: str, mark: yaml.Mark):
        super().__init__(problem=problem, problem_mark=mark)


class StrictLoader(yaml.SafeLoader):
    """Reads one document; raises `yaml.YAMLError` for what is not YAML, or not allowed.

    source: what positions begin with, such as the file's name.
    """

    def __init__(self, text: str, source: str):
        super().__init__(text)
        self.source, self.depth = source, 0
        self.keys: dict[KeyPath, Position] = {}
        self.values: dict[KeyPath, Position] = {}
        self.problems: list[Problem] = []  # keys that are odd or given twice

    def read(self, empty: Any = None) -> Any:
        """The document as dicts with text keys, lists and scalars; `empty` if there is none."""
        node = self.get_single_node()
        return empty if node is None else self._value(node, ())

    def compose_document(self) -> yaml.Node | None:
        node = super().compose_document()
        if not self.check_event(yaml.StreamEndEvent):
            raise NotAllowed("one document expected", self._next_event().start_mark)
        return node

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self._next_event()
        if event.anchor is not None:  # of a node, or of the alias that this is
            raise NotAllowed("aliases and anchors are not allowed", event.start_mark)
        if event.tag is not None:
            raise NotAllowed(f"tags are not allowed, got {event.tag}", event.start_mark)
        nested = isinstance(event, yaml.CollectionStartEvent)
        self.depth += nested
        if self.depth > MAX_DEPTH:
            raise NotAllowed(f"nested deeper than {MAX_DEPTH}", event.start_mark)
        node = super().compose_node(parent, index)
        self.depth -= nested
        return node

    def _next_event(self) -> Any:
        return self.peek_event()  # type: ignore[no-untyped-call]  # its stub has no types

    def _position(self, node: yaml.Node) -> Position:
        line, column = node.start_mark.line + 1, node.start_mark.column + 1
        return Position(line, column, f"{self.source}:{line}:{column}")

    def _value(self, node: yaml.Node, path: KeyPath) -> Any:
        self.values[path] = self._position(node)
        if isinstance(node, yaml.SequenceNode):
            return [self._value(item, (*path, i)) for i, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode):
            return self.construct_object(node)
        data: dict[str, Any] = {}
        for key_node, value_node in node.value:
            position = self._position(key_node)
            scalar = isinstance(key_node, yaml.ScalarNode)
            key = self.construct_object(key_node) if scalar else None
            if not isinstance(key, str) or key == "<<":
                got = key_node.value if scalar else "a collection"
                message = f"expected a plain name as key, got {got}"
                self.problems.append(Problem(position, message, path))
            elif key in data:
                message = f"given twice, first at {self.keys[*path, key].text}"
                self.problems.append(Problem(position, message, (*path, key)))
            else:
                self.keys[*path, key] = position
                data[key] = self._value(value_node, (*path, key))
        return data


def _whole_number(_: StrictLoader, node: yaml.ScalarNode) -> int:
    return int(node.value, 0 if node.value[:2] in ("0o", "0x") else 10)


class StrictDumper(yaml.SafeDumper):
    """Writes what `StrictLoader` reads back: it quotes a text that either YAML takes for more."""


StrictLoader.yaml_implicit_resolvers = {}  # of its own: none of its base class's YAML 1.1
# The core schema. Longer whole numbers than Python reads are floats, so infinite.
for tag, pattern in {
    "null": r"(~|null|Null|NULL|)\Z",
    "bool": r"(true|True|TRUE|false|False|FALSE)\Z",
    "int": r"([-+]?[0-9]{1,300}|0o[0-7]{1,300}|0x[0-9a-fA-F]{1,300})\Z",
    "float": r"([-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
    r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))\Z",
}.items():
    for reads_or_writes in (StrictLoader, StrictDumper):
        name = f"tag:yaml.org,2002:{tag}"
        reads_or_writes.add_implicit_resolver(name, re.compile(pattern), None)
StrictLoader.add_constructor("tag:yaml.org,2002:int", _whole_number)
