"""The figures of a search: counts, shares, time, and how well each kind of mutation does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from search.evolution.counters import Statistics
from search.reports.tables import columns, finite_or_none
from search.reports.verbs.asked import Asked
from search.storage import courses, queries
from search.storage.facts import mutation_counts
from search.storage.store import Reader

POINTS = 300  # of a curve


def stats(store: Reader, _: Asked) -> dict[str, Any]:
    """Shares are of all individuals, programs or seconds, as docs/reading-the-output.md says."""
    s = Statistics.counted(store)
    return {
        "individuals": s.individuals,
        "programs": sum(s.outcomes.values()),
        "evaluations": s.evaluations,
        "functional_hits": s.hit_rate("functional"),
        "canonical_hits": s.hit_rate("canonical"),
        "behavioural_hits": s.hit_rate("behavioural"),
        "redundant": s.redundant_share,
        "invalid": s.invalid_share,
        "wasted_time": s.wasted_share,
        "start_fitness": finite_or_none(s.start_fitness),
        "best_fitness": finite_or_none(s.best),
        "outcomes": {
            outcome: {
                "programs": count,
                "training_seconds": s.training_s.get(outcome, 0.0),
                "compile_seconds": s.compile_s.get(outcome, 0.0),
            }
            for outcome, count in sorted(s.outcomes.items())
        },
        "mutations": [row._asdict() for row in mutation_counts(store)],
    }


def stats_lines(answer: dict[str, Any]) -> Iterator[str]:
    names = "individuals", "programs", "evaluations"
    yield ", ".join(f"{answer[name]:,} {name}" for name in names)
    yield "shares: " + ", ".join(
        f"{name.replace('_', ' ')} {answer[name]:.1%}"
        for name in (
            "functional_hits", "canonical_hits", "behavioural_hits", "redundant", "invalid",
            "wasted_time",
        )
    )  # fmt: skip
    yield ""
    rows = [
        (name.lower().replace("_", " "), f"{row['programs']:,}", f"{row['training_seconds']:,.0f}")
        for name, row in answer["outcomes"].items()
    ]
    yield columns([("outcome", "programs", "seconds of training"), *rows])
    yield ""
    yield columns([MUTATION_HEAD, *map(mutation_row, answer["mutations"])])
    yield "(completed and better are shares of the children with another function than the parent)"


MUTATION_HEAD = ("mutation", "children", "another function", "completed", "better than its parent")


def mutation_row(row: dict[str, Any]) -> tuple[str, ...]:
    """The children of one kind of mutation as cells under MUTATION_HEAD."""
    changed = max(row["changed"], 1)
    return (
        row["mutation"],
        f"{row['children']:,}",
        f"{row['changed'] / row['children']:.1%}",
        f"{row['completed'] / changed:.1%}",
        f"{row['better'] / changed:.2%}",
    )


def curve(store: Reader, _: Asked) -> list[dict[str, Any]]:
    """The course of a search in at most POINTS parts; shares are of the part's individuals."""
    best, points = float("-inf"), []
    for point in courses.curve(store, POINTS):
        best, count = max(best, point.best), point.individuals
        points.append(
            {
                "individuals": point.last + 1,
                "best_fitness": finite_or_none(best),
                "functional_hits": point.functional / count,
                "canonical_hits": point.canonical / count,
                "redundant": 1 - point.live / point.statements,
                "statements": point.statements / count,
            }
        )
    return points


def curve_lines(points: list[dict[str, Any]]) -> Iterator[str]:
    yield "individuals,best_fitness,functional_hits,canonical_hits,redundant,statements"
    for point in points:
        best = "-inf" if point["best_fitness"] is None else f"{point['best_fitness']:.6g}"
        shares = [
            f"{point[name]:.4f}" for name in ("functional_hits", "canonical_hits", "redundant")
        ]
        yield ",".join([str(point["individuals"]), best, *shares, f"{point['statements']:.1f}"])


def events(store: Reader, _: Asked) -> list[dict[str, Any]]:
    """Starts, resumes, lost workers, failures; `at` in Unix seconds."""
    return [{"at": e.at, "kind": e.kind, "text": e.text} for e in queries.events(store)]


def event_lines(answer: list[dict[str, Any]]) -> Iterator[str]:
    for event in answer:
        at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(event["at"]))
        yield f"{at}  {event['kind']}: {event['text']}"


def digest(store: Reader, _: Asked) -> dict[str, Any]:
    return {"digest": queries.history_digest(store)}


def digest_lines(answer: dict[str, Any]) -> Iterator[str]:
    yield answer["digest"]
