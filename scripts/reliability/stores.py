"""What a run holds, and how it differs from another: rows and files, bit for bit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search.storage.queries import history_digest
from search.storage.schema import (
    EVALUATIONS,
    INDIVIDUALS,
    PROGRAMS,
    STAGE_ENTRIES,
    STAGES,
    TRAININGS,
    Table,
)
from search.storage.store import Reader

KEPT = (INDIVIDUALS, PROGRAMS, EVALUATIONS, TRAININGS)  # what is committed once
AFTERWARDS = (STAGES, STAGE_ENTRIES)  # of the latest funnel
FILES = ("final.py", "final_optax.py", "certificate.md", "funnel.md")
TIMES = {"compile_seconds", "run_seconds", "seconds"}  # what may differ

Key = tuple[Any, ...]  # a table's name and a row's key
Rows = dict[Key, str]  # without times


@dataclass(frozen=True)
class Held:
    """The rows that a run holds."""

    rows: Rows
    trainings: frozenset[Key]  # what was paid for, as the search asks for it

    def missing_in(self, later: Held) -> int:
        """Rows that are not there any more, or not as they were."""
        return sum(later.rows.get(key) != row for key, row in self.rows.items())


def held(run_dir: Path) -> Held:
    """What is committed; nothing, where there is no search yet."""
    if not (run_dir / "search.db").exists():
        return Held({}, frozenset())
    with Reader(run_dir) as store:
        rows = _rows(store, KEPT)
        paid = store.rows("SELECT individual, purpose, task, seed FROM evaluations")
        paid += store.rows(
            "SELECT program, task, seed, split FROM trainings WHERE outcome != 'FAILED'"
        )
    return Held(rows, frozenset(paid))


def _rows(store: Reader, tables: tuple[Table, ...]) -> Rows:
    rows: Rows = {}
    for table in tables:
        times = {i for i, name in enumerate(table.row._fields) if name in TIMES}
        for row in store.rows(f"SELECT {table.columns} FROM {table.name}"):
            kept = [value for i, value in enumerate(row) if i not in times]
            rows[table.name, *row[: table.key]] = repr(kept)
    return rows


def compared(run_dir: Path, undisturbed: Path) -> dict[str, Any]:
    """How a finished run differs from one that nobody disturbed; "charged": how many of its
    trainings have the deaths of their workers for an outcome, from which others may follow."""
    with Reader(run_dir) as store, Reader(undisturbed) as other:
        tables = (*KEPT, *AFTERWARDS)
        mine, theirs = _rows(store, tables), _rows(other, tables)
        digests = history_digest(store), history_digest(other)
        charged = sum(
            len(store.rows(f"SELECT 1 FROM {table.name} WHERE outcome = 'FAILED'"))
            for table in (EVALUATIONS, TRAININGS)
        )
    different = [name for name in FILES if _content(run_dir, name) != _content(undisturbed, name)]
    keys = mine.keys() | theirs.keys()
    changed = sorted(key for key in keys if mine.get(key) != theirs.get(key))
    return {
        "digest": digests[0],
        "same digest": digests[0] == digests[1],
        "charged": charged,
        "rows": len(theirs),
        "rows that differ": len(changed),
        "examples": [f"{mine.get(key)} for {theirs.get(key)}" for key in changed[:3]],
        "files that differ": different,
    }


def _content(run_dir: Path, name: str) -> bytes | None:
    path = run_dir / name
    return path.read_bytes() if path.exists() else None
