"""The best program for each number of states, and the shorter ones that nothing smaller matches."""

from __future__ import annotations

from collections.abc import Iterator

from programs.simplify import simplify
from search.reports.measurements import states
from search.storage.leaders import Leader, front
from search.storage.store import Reader


def front_lines(store: Reader) -> Iterator[str]:
    """One line for each program of the front."""
    for entry in front(store):
        yield (
            f"  {states(entry.states)}, {entry.live:2d} live statements: "
            f"{entry.fitness:.6g}  individual {entry.number}"
        )


def front_texts(store: Reader, *, simplified: bool) -> Iterator[str]:
    """The best program for each number of states.

    simplified: also its simplified form, which takes seconds.
    """
    best: dict[int, Leader] = {}
    for entry in front(store):
        if entry.states not in best or entry.fitness > best[entry.states].fitness:
            best[entry.states] = entry
    for entry in best.values():
        yield f"# {states(entry.states)}: individual {entry.number}, fitness {entry.fitness:.6g}"
        yield entry.text
        if simplified:
            yield "# The same, simplified:"
            yield str(simplify(entry.program).program)
