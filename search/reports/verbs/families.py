"""The families among the leading programs: the same structure, other constants."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from search.reports.tables import columns
from search.reports.verbs.asked import Asked
from search.reports.verbs.individuals import fitness_text
from search.selection.families import Candidate, families
from search.storage.leaders import leaders
from search.storage.store import Reader

POOL = 200  # leading programs among which families are looked for: a millisecond each


def leading_families(store: Reader, asked: Asked) -> dict[str, Any]:
    """The families of the best programs, the fittest family first."""
    best = leaders(store, POOL)
    by_number = {str(leader.number): leader for leader in best}
    pool = [Candidate(one.program, one.fitness, str(one.number)) for one in best]
    rows = []
    for family in families(pool, asked.count):
        leader = by_number[family.best.name]
        rows.append(
            {
                "individual": leader.number,
                "members": family.members,
                "fitness": leader.fitness,
                "live": leader.live,
                "states": leader.states,
                "program": leader.text,
            }
        )
    return {"among": len(pool), "families": rows}


def family_lines(answer: dict[str, Any]) -> Iterator[str]:
    yield (
        f"Families among the {answer['among']} fittest programs of different behaviour (the same "
        "structure with other constants, or updates that point the same way):"
    )
    head = "best", "fitness", "members", "live", "states"
    rows = [
        (
            f"individual {one['individual']}",
            fitness_text(one["fitness"]),
            *(str(one[name]) for name in head[2:]),
        )
        for one in answer["families"]
    ]
    yield columns([head, *rows])
    for one in answer["families"]:
        yield f"\n# individual {one['individual']}"
        yield one["program"].rstrip()
