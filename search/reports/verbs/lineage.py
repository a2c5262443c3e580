"""How an individual came to be: edit by edit from the warm start."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator
from typing import Any

from search.reports.tables import finite_or_none
from search.reports.verbs.asked import Asked
from search.reports.verbs.individuals import fitness_text
from search.storage.errors import StoreError
from search.storage.facts import facts
from search.storage.lineage import ProgramText, ancestors, program_text_of
from search.storage.store import Reader

CONTEXT = 1  # unchanged statements around a change


def lineage(store: Reader, asked: Asked) -> dict[str, Any]:
    """The steps from the warm start, the oldest first; without `all`, those that changed the
    function (the functional hash), and the individual itself."""
    steps = list(all_steps(store, asked.number))
    kept = [s for s in steps if asked.all or s["changed"] or s["individual"] == asked.number]
    return {"individual": asked.number, "steps": kept, "left_out": len(steps) - len(kept)}


def all_steps(store: Reader, number: int) -> Iterator[dict[str, Any]]:
    """Each with its mutation, change of fitness from its parent, and the statements that differ."""
    texts: dict[int, ProgramText] = {}
    before, parent = None, None
    for row in ancestors(store, number):
        if parent is not None:
            texts[parent.number] = program_text_of(texts, parent)
        fact = facts(store, row.number)
        change = math.nan if before is None else fact.fitness - before.fitness
        yield {
            "individual": row.number,
            "child": row.child,
            "mutation": row.mutation,
            "fitness": finite_or_none(fact.fitness),
            "change": finite_or_none(change),
            "outcome": fact.outcome,
            "changed": before is None or fact.functional != before.functional,
            "lines": _changed_lines(None if row.parent is None else texts[row.parent], row.edit),
        }
        before, parent = fact, row


def _changed_lines(parent: ProgramText | None, edit: str) -> list[tuple[str, int, str]]:
    """The statements around and in an edit: sign, number of the statement from 1 on, text."""
    if parent is None:
        return [(" ", i, line) for i, line in enumerate(edit.rstrip().split("\n"))]
    head, *inserted = edit.split("\n")
    start, removed = map(int, head.split())
    end = start + removed
    lines = parent.lines
    if not 0 <= start <= end <= len(lines):
        raise StoreError("an edit is not one of its parent")
    first = max(0, start - CONTEXT)
    changes = [(" ", i + 1, lines[i]) for i in range(first, start)]
    matcher = difflib.SequenceMatcher(None, lines[start:end], inserted, autojunk=False)
    for what, i, j, k, m in matcher.get_opcodes():
        if what == "equal":
            changes += [(" ", start + n + 1, inserted[n]) for n in range(k, m)]
        else:
            changes += [("-", start + n + 1, lines[start + n]) for n in range(i, j)]
            changes += [("+", start + n + 1, inserted[n]) for n in range(k, m)]
    shift = len(inserted) - removed
    changes += [(" ", i + 1 + shift, lines[i]) for i in range(end, min(len(lines), end + CONTEXT))]
    return [
        change
        for i, change in enumerate(changes)
        if any(near[0] != " " for near in changes[max(0, i - CONTEXT) : i + CONTEXT + 1])
    ]


def lineage_lines(answer: dict[str, Any]) -> Iterator[str]:
    for step in answer["steps"]:
        change = "" if step["change"] is None else f" ({step['change']:+.4g})"
        remark = "" if step["changed"] else ", the same function"
        fitness = fitness_text(step["fitness"])
        if step["fitness"] is None:
            fitness += f" ({step['outcome'].lower().replace('_', ' ')})"
        yield f"{step['individual']}  {step['mutation']}  fitness {fitness}{change}{remark}"
        start = step["child"] < 0
        for sign, position, line in step["lines"]:
            yield f"    {line}" if start else f"    {sign} {position:2d}  {line}"
    if answer["left_out"]:
        yield (
            f"steps that did not change the function, left out: {answer['left_out']:,}; --all "
            "shows them"
        )
