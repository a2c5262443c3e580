"""Checksums of the tables, so that damage is one clear line and never another history.

SQLite notices damage to its own structures, not to what they hold. So the file keeps, for each
table, how many rows it has and the sum of their CRC-32, and each commit brings both up to date.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from search.storage.errors import all_printable
from search.storage.schema import Table


class Checksum(NamedTuple):
    """What a table holds, in whatever order."""

    rows: int = 0
    total: int = 0

    def plus(self, other: Checksum) -> Checksum:
        return Checksum(self.rows + other.rows, self.total + other.total)

    def minus(self, other: Checksum) -> Checksum:
        return Checksum(self.rows - other.rows, self.total - other.total)


def checksum(table: Table, rows: Iterable[tuple[Any, ...]]) -> Checksum:
    """rows: as SQLite gives them back; see `as_stored`."""
    as_text = "\x1f".join("%r" if kind is bytes else "%s" for kind in table.types).__mod__
    count = total = 0
    for value in map(zlib.crc32, map(str.encode, map(as_text, rows))):
        count += 1
        total += value
    return Checksum(count, total)


def as_stored(table: Table, rows: Sequence[Sequence[Any]]) -> list[tuple[Any, ...]]:
    """Rows as SQLite gives them back: of exactly the columns' types, NaN as None, without -0; and
    without control characters."""
    if not rows:
        return []
    columns: list[Sequence[Any]] = list(zip(*rows, strict=True))
    for i, kind in enumerate(table.types):
        if kind is float:
            columns[i] = [None if x is None or x != x else float(x) + 0.0 for x in columns[i]]
        elif not set(map(type, columns[i])) <= {kind, type(None)}:
            columns[i] = [x if x is None else kind(x) for x in columns[i]]
        if kind is str:
            columns[i] = all_printable(columns[i])
    return list(zip(*columns, strict=True))
