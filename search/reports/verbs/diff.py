"""Two programs side by side: what differs in the text, in the function and in fitness."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from typing import Any

from programs import Program, live_across_steps
from programs.counted import counted
from programs.describe import sameness
from search.reports.verbs.asked import Asked
from search.reports.verbs.contributions import difference, fitness_of
from search.reports.verbs.individuals import fitness_text, individual
from search.reports.verbs.program import Named, named
from search.selection.families import structure
from search.storage.store import Reader


def diff(store: Reader, asked: Asked) -> dict[str, Any]:
    """Two programs of the run, of files or of the library, without redundant statements."""
    one, other = (named(store, name) for name in asked.names)
    first, second = (live_across_steps(of.program) for of in (one, other))
    same = sameness(first, second)
    return {
        "programs": [_described(one), _described(other)],
        "same": {**same, "structure": structure(first) == structure(second)},
        "lines": changes(_lines(first), _lines(second)),
        "second_minus_first": difference(
            *(fitness_of(store, of.program, of.evaluated) for of in (other, one))
        ),
    }


def _described(one: Named) -> dict[str, Any]:
    known = {} if one.fact is None else individual(one.fact)
    return {"name": one.name, "program": str(live_across_steps(one.program)), **known}


def _lines(program: Program) -> list[str]:
    return str(program).rstrip().split("\n")


def changes(before: Sequence[str], after: Sequence[str]) -> list[tuple[str, str]]:
    """Lines of both with what became of them: " " in both, "-" only before, "+" only after."""
    lines = []
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    for what, i, j, k, m in matcher.get_opcodes():
        if what == "equal":
            lines += [(" ", line) for line in before[i:j]]
        else:
            lines += [("-", line) for line in before[i:j]]
            lines += [("+", line) for line in after[k:m]]
    return lines


def diff_lines(answer: dict[str, Any]) -> Iterator[str]:
    for sign, one in zip("-+", answer["programs"]):
        fitness = f": fitness {fitness_text(one['fitness'])}" if "fitness" in one else ""
        yield f"{sign} {one['name']}{fitness}"
    yield ""
    yield from (f"{sign} {line}" for sign, line in answer["lines"])
    yield ""
    same = [name for name, value in answer["same"].items() if value]
    yield f"the same by: {', '.join(same) or 'none of the hashes, and not by structure'}"
    measured = answer["second_minus_first"]
    if measured.get("mean") is None:
        yield f"difference in fitness on the same seeds: {measured['verdict']}"
        return
    low, high = measured["interval"]
    around = " (one seed: no interval)" if low is None else f" [{low:+.4g}, {high:+.4g}] (95 %)"
    seeds = f"{counted(measured['seeds'], 'seed')}, {measured['verdict']}"
    yield f"second minus first, on the same {seeds}: {measured['mean']:+.4g}{around}"
