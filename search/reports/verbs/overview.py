"""What the end of a search prints, as far as it has come."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from programs.program import printable
from search.evolution.counters import Statistics
from search.reports.conclusion import CERTIFICATE, FINAL
from search.reports.front import front_lines, front_texts
from search.reports.meta_validation import curve_lines
from search.reports.summary import fame, figures, measured
from search.reports.tables import finite_or_none
from search.reports.verbs.asked import Asked
from search.reports.verbs.funnel import funnel
from search.reports.verbs.stats import stats
from search.reports.verbs.top import best_by_length, top
from search.selection.finalists import stored_finalists
from search.selection.overfitting import curves
from search.storage.identity import config_of
from search.storage.leaders import leaders
from search.storage.store import Reader

LEADERS = 5


def overview(store: Reader, asked: Asked) -> dict[str, Any]:
    return {
        "stats": stats(store, asked),
        "leaders": top(store, Asked(count=LEADERS)),
        "hall_of_fame": best_by_length(store),
        "meta_validation": meta_validation(store),
    }


def meta_validation(store: Reader) -> list[dict[str, Any]]:
    """The points of each repeat: children, the search's fitness and the meta-validation's mean."""
    return [
        {
            "repeat": repeat,
            "child": point.child,
            "individual": point.number,
            "search": finite_or_none(point.search),
            "meta_validation": finite_or_none(point.mean),
        }
        for repeat, points in curves(store, config_of(store)).items()
        for point in points
    ]


def overview_lines(store: Reader, _: Asked) -> Iterator[str]:
    yield from figures(store, Statistics.counted(store))
    yield ""
    config = config_of(store)
    again = [one for one in stored_finalists(store, config) if one.fresh]
    unseen = "" if again else " (not scored on fresh seeds yet)"
    yield f"Fittest programs in the search{unseen}:"
    fresh = {one.leader.number: f", on fresh seeds {measured(one.fresh)}" for one in again}
    for leader in leaders(store, LEADERS):
        line = f"  {leader.fitness:.6g}  individual {leader.number}, {leader.live} live statements"
        yield line + fresh.get(leader.number, "")
    yield "Best for each number of live statements:"
    yield from fame(store, again)
    yield from curve_lines(curves(store, config), config.meta_validation)
    yield from _ending(store)


def _ending(store: Reader) -> Iterator[str]:
    """The funnel as far as it has come, and where the final program is."""
    run_dir = store.path.parent
    if stages := funnel(store):
        last = stages[-1]
        promoted = ", ".join(one["name"] for one in last["programs"] if one["goes_on"]) or "none"
        yield f"Funnel as far as stage {printable(last['stage'])}, promoted: {printable(promoted)}"
        yield f"All of it: python -m search.inspect {run_dir} funnel"
    if (run_dir / CERTIFICATE).exists():
        yield f"Final program: {run_dir / FINAL}; its steps and validation: {run_dir / CERTIFICATE}"


def leader_lines(store: Reader, asked: Asked) -> Iterator[str]:
    for leader in leaders(store, asked.count):
        yield f"# individual {leader.number}: fitness {leader.fitness:.6g}"
        yield leader.text


def best_by_size_lines(store: Reader, asked: Asked) -> Iterator[str]:
    yield from front_lines(store)
    yield ""
    yield from front_texts(store, simplified=asked.simplify)
