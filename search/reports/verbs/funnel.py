"""The latest funnel of a run, and what became of one program in it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from programs import Program
from search.reports.measurements import p_value
from search.reports.tables import columns
from search.reports.verbs.asked import Asked
from search.reports.verbs.individuals import fitness_text
from search.selection.families import structure
from search.storage.conversion import program_from
from search.storage.queries import stage_entries, stages
from search.storage.schema import StageEntryRow
from search.storage.store import Reader
from search.storage.stored_json import stored_array


def funnel(store: Reader, _: Asked = Asked()) -> list[dict[str, Any]]:  # noqa: B008 (frozen)
    """The stages in order, each with its candidates and baselines, the best first."""
    return [
        {
            "stage": stage.name,
            "tasks": _values(stage.tasks),
            "level": stage.level,
            "must_beat_baselines": bool(stage.beat),
            "programs": [_entry(entry, stage.unit) for entry in stage_entries(store, stage.stage)],
        }
        for stage in stages(store)
    ]


def _entry(row: StageEntryRow, unit: str) -> dict[str, Any]:
    fitness = _values(row.fitness)
    complete = fitness and all(isinstance(value, float) for value in fitness)
    return {
        "name": row.name,
        "baseline": row.baseline is None,
        "fitness": sum(fitness) / len(fitness) if complete else None,
        "pairs": len(fitness),
        "unit": unit,
        "against": row.baseline,
        "difference": row.difference,
        "interval": [row.low, row.high],
        "margin": row.margin,
        "p": row.p,
        "goes_on": bool(row.promoted),
        "program": row.program,
    }


def _values(text: str) -> list[Any]:
    return stored_array(text, "a stored array")


def funnel_lines(answer: list[dict[str, Any]]) -> Iterator[str]:
    if not answer:
        yield "No funnel has been run yet."
        return
    for stage in answer:
        yield f"Stage {stage['stage']}: {', '.join(map(str, stage['tasks']))}"
        yield columns([FUNNEL_HEAD, *map(entry_row, stage["programs"])])
        yield ""


FUNNEL_HEAD = ("program", "fitness", "compared on", "minus strongest baseline", "p", "promoted")


def entry_row(entry: Mapping[str, Any]) -> tuple[str, ...]:
    """A program in a stage as cells under FUNNEL_HEAD."""
    row = entry["name"], fitness_text(entry["fitness"]), f"{entry['pairs']} {entry['unit']}"
    if entry["baseline"]:
        return (*row, "", "", "baseline")
    low, high = entry["interval"]
    difference = "none"
    if None not in (entry["difference"], low, high):
        difference = f"{entry['difference']:+.4g} [{low:+.4g}, {high:+.4g}] {entry['against']}"
    p = "" if entry["p"] is None else p_value(entry["p"], entry["margin"] or 0.0)
    return (*row, difference, p, "yes" if entry["goes_on"] else "no")


def candidate_number(name: str) -> int | None:
    """The individual that a candidate of the funnel is, from its name."""
    match = re.match(r"individual (\d{1,15})\b", name)
    return int(match[1]) if match else None


def _program(stage: Mapping[str, Any], entry: Mapping[str, Any]) -> Program:
    return program_from(entry["program"], f"in stage {stage['stage']} {entry['name']}")


def funnel_record(
    stages_: list[dict[str, Any]], number: int | None, program: Program
) -> dict[str, Any]:
    """What became of a program in the funnel: as itself, or through one with the same structure."""
    if not stages_:
        return {"what": "no funnel has been run yet", "stages": []}
    same, kin = [], []
    for stage in stages_:
        for entry in stage["programs"]:
            row = {"stage": stage["stage"], **{k: v for k, v in entry.items() if k != "program"}}
            if number is not None and candidate_number(entry["name"]) == number:
                same.append(row)
            elif structure(_program(stage, entry)) == structure(program):
                kin.append(row)
    if same:
        return {"what": "a candidate of the funnel", "stages": same}
    if kin:
        return {"what": "not a candidate; one with the same structure was in it", "stages": kin}
    return {"what": "not among the candidates of the funnel", "stages": []}
