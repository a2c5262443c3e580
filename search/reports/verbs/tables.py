"""The tables of a run's store, for other programs: listed, or written as CSV or Parquet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from search.reports.tables import columns
from search.reports.verbs.asked import Asked
from search.storage.files import write_file
from search.storage.queries import table as table_of
from search.storage.queries import table_sizes
from search.storage.schema import TABLES
from search.storage.store import Reader

FORMATS = ("csv", "parquet")


class NoParquet(ImportError):
    """Parquet was asked for, and no package can write it."""

    def __init__(self) -> None:
        super().__init__("--format parquet needs pyarrow: pip install pyarrow; csv needs nothing")


def tables(store: Reader, _: Asked) -> list[dict[str, Any]]:
    """Each table with its columns; search/storage/schema.py explains them."""
    sizes = table_sizes(store)
    return [_listed(t.name, sizes[t.name], t.row._fields) for t in TABLES.values()]


def _listed(name: str, rows: int, names: Sequence[str]) -> dict[str, Any]:
    return {"table": name, "rows": rows, "columns": list(names)}


def tables_lines(found: list[dict[str, Any]]) -> Iterator[str]:
    rows = [(one["table"], str(one["rows"]), ", ".join(one["columns"])) for one in found]
    yield columns([("table", "rows", "columns"), *rows])


def write_tables(store: Reader, folder: Path, form: str) -> list[dict[str, Any]]:
    """Writes each table into a file of its own; returns the tables as `tables` does, each with its
    `file`.

    form: csv or parquet. Raises OSError, NoParquet.
    """
    write = _parquet if form == "parquet" else _csv
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for one in TABLES.values():
        path = folder / f"{one.name}.{form}"
        names, rows = table_of(store, one.name)
        write_file(path, write(names, rows))
        written.append(_listed(one.name, len(rows), names) | {"file": str(path)})
    return written


def _csv(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> bytes:
    """UTF-8, as spreadsheets read it; hashes in hexadecimal, no value as an empty cell."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    for row in rows:
        writer.writerow(value.hex() if isinstance(value, bytes) else value for value in row)
    return text.getvalue().encode()


def _parquet(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> bytes:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise NoParquet from None
    values = zip(*rows) if rows else ((),) * len(names)
    buffer = io.BytesIO()
    parquet.write_table(pyarrow.table(dict(zip(names, map(list, values)))), buffer)
    return buffer.getvalue()
