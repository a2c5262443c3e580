"""How a search went: what changed over its children, in parts of equal size."""

from __future__ import annotations

import math
from typing import NamedTuple

from search.storage.queries import last_number
from search.storage.store import Reader


class CurvePoint(NamedTuple):
    """Some individuals that were born one after the other."""

    last: int  # the number of the last of them
    individuals: int
    best: float  # of their fitness
    functional: int  # how many of their functional hashes were known
    canonical: int  # how many functional or canonical ones
    live: int  # statements
    statements: int


_OF_PART = (
    "count(*), max(fitness), sum(reuse = 'functional'), sum(reuse IN ('functional', 'canonical')),"
    " sum(live), sum(statements) FROM history"
)


def curve(store: Reader, points: int) -> list[CurvePoint]:
    """All individuals in order of birth, in at most so many parts of equal size."""
    query = f"SELECT max(number), {_OF_PART} GROUP BY number / ? ORDER BY 1"
    size = _size(last_number(store), points)
    return list(map(CurvePoint._make, store.iterate(query, (size,))))


def courses(store: Reader, points: int) -> dict[int, list[CurvePoint]]:
    """The same for the children of each repeat; `last` is the last child of each part."""
    query = (
        f"SELECT repeat, max(child), {_OF_PART} WHERE child >= 0"
        " GROUP BY repeat, child / ? ORDER BY 1, 2"
    )
    found: dict[int, list[CurvePoint]] = {}
    [(last,)] = store.rows("SELECT coalesce(max(child), 0) FROM individuals")
    for repeat, *row in store.iterate(query, (_size(last, points),)):
        found.setdefault(repeat, []).append(CurvePoint(*row))
    return found


def rises_by_states(store: Reader, points: int) -> dict[int, list[tuple[int, float]]]:
    """By number of states that programs need: in each part of all individuals in which one had a
    better fitness than all before, the last of that part and that fitness."""
    query = (
        "SELECT states, max(number), max(fitness) FROM individuals JOIN programs ON id = program"
        " WHERE outcome = 'COMPLETED' GROUP BY states, number / ? ORDER BY 1, 2"
    )
    found: dict[int, list[tuple[int, float]]] = {}
    for states, number, fitness in store.iterate(query, (_size(last_number(store), points),)):
        rises = found.setdefault(states, [])
        if not rises or fitness > rises[-1][1]:
            rises.append((number, fitness))
    return found


def _size(last: int, points: int) -> int:
    """Of each of so many parts."""
    return max(1, math.ceil((last + 1) / points))
