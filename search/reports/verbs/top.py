"""The leading programs, and the front by states and length."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from programs.simplify import simplify
from search.reports.tables import columns
from search.reports.verbs.asked import Asked
from search.reports.verbs.individuals import fitness_text, fresh, individual, measured_text
from search.storage.facts import facts, last_child
from search.storage.identity import config_of
from search.storage.leaders import Leader, front, hall_of_fame, leaders
from search.storage.store import Reader


def top(store: Reader, asked: Asked) -> list[dict[str, Any]]:
    """The fittest programs with different behaviour, the best first."""
    config, last = config_of(store), last_child(store)
    answer = []
    for leader in leaders(store, asked.count):
        fact = facts(store, leader.number)
        answer.append(
            {
                **individual(fact),
                "age": last[fact.repeat] - fact.child,  # children of its repeat born since
                "fresh": fresh(store, config, leader.number),
                "program": leader.text,
            }
        )
    return answer


def top_lines(answer: list[dict[str, Any]]) -> Iterator[str]:
    if not answer:
        yield "No program of this search has a fitness yet."
        return
    yield table(answer)
    for one in answer:
        yield ""
        yield f"# individual {one['individual']}: fitness {fitness_text(one['fitness'])}"
        yield one["program"].rstrip()


def table(answer: list[dict[str, Any]]) -> str:
    """One row for each program."""
    head = (
        "individual", "fitness", "on fresh seeds [95 %]", "live", "states", "child", "age",
        "mutation",
        "mutation",
    )  # fmt: skip
    rows = [
        (
            str(one["individual"]),
            fitness_text(one["fitness"]),
            measured_text(one["fresh"]),
            str(one["live"]),
            str(one["states"]),
            "start" if one["child"] < 0 else str(one["child"]),
            str(one["age"]),
            one["mutation"],
        )
        for one in answer
    ]
    return columns([head, *rows])


def best_by_size(store: Reader, asked: Asked) -> dict[str, Any]:
    """The front by states and length, and the hall of fame by length alone."""
    kept = [_entry(one) for one in front(store)]
    best: dict[int, dict[str, Any]] = {}
    for entry in kept:
        if entry["states"] not in best or entry["fitness"] > best[entry["states"]]["fitness"]:
            best[entry["states"]] = entry
    if asked.simplify:
        by_number = {one.number: one for one in front(store)}
        for entry in best.values():
            program = by_number[entry["individual"]].program
            entry["simplified"] = str(simplify(program).program)
    return {"front": kept, "hall_of_fame": best_by_length(store)}


def best_by_length(store: Reader) -> list[dict[str, Any]]:
    """The hall of fame."""
    return [_entry(one) for one in hall_of_fame(store)]


def _entry(leader: Leader) -> dict[str, Any]:
    return {
        "individual": leader.number,
        "states": leader.states,
        "live": leader.live,
        "fitness": leader.fitness,
        "program": leader.text,
    }
