"""Which known rule the leading programs are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from search.reports.measurements import states
from search.reports.tables import columns
from search.reports.verbs.asked import Asked
from search.reports.verbs.individuals import fitness_text, fresh, measured_text
from search.selection.nearest_rule import Decay, nearest_rule
from search.storage.identity import config_of
from search.storage.leaders import leaders, numbers_of_states
from search.storage.store import Reader

NONE = "none"


def rules(store: Reader, asked: Asked) -> list[dict[str, Any]]:
    """The best program of each number of states, and the rule that its updates follow.

    With `all`, how often each rule occurs among the leading ones of different behaviour, too.
    """
    config, answer = config_of(store), []
    for number in numbers_of_states(store):
        leading = leaders(store, asked.count if asked.all else 1, states=number)
        nearest = [nearest_rule(leader.program) for leader in leading]
        best, rule = leading[0], nearest[0]
        entry: dict[str, Any] = {
            "states": number,
            "individual": best.number,
            "live": best.live,
            "fitness": best.fitness,
            "fresh": fresh(store, config, best.number),
            "rule": rule.name if rule and rule.is_same else NONE,
            "nearest": rule.name if rule else None,
            "decays": [one.as_json() for one in rule.decays] if rule else [],
            "share": round(rule.share, 3) if rule else 0.0,
            "program": best.text,
        }
        if asked.all:
            names = (one.name if one and one.is_same else NONE for one in nearest)
            entry["leading"] = dict(Counter(names).most_common())
        answer.append(entry)
    return answer


def rule_lines(answer: list[dict[str, Any]]) -> Iterator[str]:
    if not answer:
        yield "No program of this search has a fitness yet."
        return
    head = ["states", "individual", "live", "fitness", "on fresh seeds [95 %]", "rule"]
    rows = [
        [
            str(one["states"]),
            str(one["individual"]),
            str(one["live"]),
            fitness_text(one["fitness"]),
            measured_text(one["fresh"]),
            rule_text(one),
        ]
        for one in answer
    ]
    yield columns([head, *rows])
    for one in answer:
        if "leading" in one:
            counts = ", ".join(f"{count} {name}" for name, count in one["leading"].items())
            yield f"{states(one['states'])}, leading programs by rule: {counts}"


def rule_text(one: dict[str, Any]) -> str:
    """The rule with the decays of its averages, or the nearest one and how near it is."""
    if one["nearest"] is None:
        return NONE
    decays = ", ".join(str(Decay(low, high)) for low, high in one["decays"])
    named = one["nearest"] + (f" ({decays})" if decays else "")
    return named if one["rule"] != NONE else f"none; nearest {named}, {one['share']:.0%}"
