"""One program in full."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from programs import Program, analyse, load
from programs.counted import counted
from programs.describe import describe, note_of
from programs.program import printable
from search.reports.tables import columns, finite_or_none
from search.reports.verbs.asked import Asked, individual_number
from search.reports.verbs.contributions import contributions
from search.reports.verbs.funnel import FUNNEL_HEAD, entry_row, funnel, funnel_record
from search.reports.verbs.individuals import fitness_text, fresh, individual, measured_text
from search.storage.facts import Facts, evaluations_of, facts, first_with_program
from search.storage.identity import config_of, config_text
from search.storage.lineage import individual as whole_program
from search.storage.store import Reader


class Named(NamedTuple):
    """A program that was asked for: of the run, or of a file or the library."""

    name: str
    program: Program  # redundant statements included
    fact: Facts | None

    @property
    def evaluated(self) -> int | None:
        """The individual whose trainings in the search are the program's."""
        return None if self.fact is None else self.fact.evaluated


def named(store: Reader, name: str) -> Named:
    """name: the number of an individual, a file, or `library:NAME`.

    Raises:
      StoreError: there is no such individual. ProgramError: there is no such program.
    """
    if name.isdecimal():
        config_text(store)  # there is a search
        number = individual_number(name)
        fact = facts(store, number)
        return Named(f"individual {number}", whole_program(store, number), fact)
    return Named(name if ":" in name else Path(name).name, load(name), None)


def program(store: Reader, asked: Asked) -> dict[str, Any]:
    """All that is known of a program: its statements with their kinds, trainings in the search by
    task and seed, what each statement contributes, and its result in the funnel."""
    one = named(store, asked.names[0])
    facts_ = describe(one.program)
    answer = {
        "name": one.name,
        "program": str(one.program),
        "lines": facts_["statements"],
        "declared_states": facts_["states"],
        "states_needed": facts_["states_needed"],
        "reads_schedule": facts_["reads_schedule"],
        "hashes": facts_["hashes"],
        "contributions": contributions(store, one.program, one.evaluated),
    }
    number = None
    if one.fact is not None:
        number = first_with_program(store, one.fact.program)
        known = individual(one.fact)
        answer |= known | {
            "first": number,
            "fresh": fresh(store, config_of(store), number),
            "evaluations": _evaluations(store, one.fact),
        }
    return {**answer, "funnel": funnel_record(funnel(store), number, one.program)}


def _evaluations(store: Reader, fact: Facts) -> list[dict[str, Any]]:
    """Of the individual that was trained for this program."""
    if fact.evaluated is None:
        return []
    return [
        {
            "purpose": purpose.value,
            "task": evaluation.task,
            "seed": evaluation.seed,
            "rate": evaluation.rate,
            "outcome": evaluation.outcome.name,
            "fitness": finite_or_none(evaluation.fitness),
            "steps": evaluation.steps,
        }
        for purpose, evaluation in evaluations_of(store, fact.evaluated)
    ]


def text_lines(store: Reader, asked: Asked) -> Iterator[str]:
    """The text alone, as a program to copy, redundant statements marked."""
    name, program, fact = named(store, asked.names[0])
    if fact is not None:  # what an export of it then says of where it is from
        fitness = fitness_text(fact.fitness)
        run = printable(store.path.resolve().parent.name)
        yield f"# {name.capitalize()} of the run {run}, fitness {fitness}."
    live = set(analyse(program).live)
    head, *lines = str(program).rstrip().split("\n")
    yield head
    for index, line in enumerate(lines[:-1]):
        yield line if index in live else f"{line}  # redundant"
    yield lines[-1]


def program_lines(answer: dict[str, Any]) -> Iterator[str]:
    yield from _head(answer)
    yield ""
    yield from _statements(answer)
    if answer.get("evaluations"):
        names = "purpose", "task", "seed", "rate", "outcome", "fitness", "steps"
        rows = [_cells(row, names) for row in answer["evaluations"]]
        yield from ["", "Trainings in the search:", columns([names, *rows])]
    yield from ["", "What each statement contributes (the program minus the program without it):"]
    rows = [contribution_row(one) for one in answer["contributions"]]
    yield columns([CONTRIBUTION_HEAD, *rows])
    yield from ["", f"In the funnel: {answer['funnel']['what']}."]
    if answer["funnel"]["stages"]:
        rows = [(row["stage"], *entry_row(row)) for row in answer["funnel"]["stages"]]
        yield columns([("stage", *FUNNEL_HEAD), *rows])


def _cells(row: dict[str, Any], names: Sequence[str]) -> tuple[str, ...]:
    outcome = row["outcome"].lower().replace("_", " ")
    shown = {**row, "fitness": fitness_text(row["fitness"]), "outcome": outcome}
    return tuple(str(shown[name]) for name in names)


def _head(answer: dict[str, Any]) -> Iterator[str]:
    if "individual" not in answer:
        yield f"# {answer['name']}"
        return
    born = "a warm start" if answer["child"] < 0 else f"child {answer['child']:,}"
    parent = "" if answer["parent"] is None else f" of individual {answer['parent']}"
    yield f"# individual {answer['individual']}: {born} of repeat {answer['repeat']}, " + (
        f"{answer['mutation']}{parent}"
    )
    again = "" if answer["fresh"] is None else f"; on fresh seeds {measured_text(answer['fresh'])}"
    outcome = answer["outcome"].lower().replace("_", " ")
    yield f"# fitness {fitness_text(answer['fitness'])} ({outcome}){again}"
    if answer["first"] != answer["individual"]:
        yield f"# computes what individual {answer['first']} computed first"
    needed, declared = len(answer["states_needed"]), len(answer["declared_states"])
    states = f"{needed} of {counted(declared, 'state')} needed"
    yield f"# {counted(answer['statements'], 'statement')}, {answer['live']} live; {states}"


def _statements(answer: dict[str, Any]) -> Iterator[str]:
    head, *_, tail = answer["program"].rstrip().splitlines()
    width = max((len(one["text"]) for one in answer["lines"]), default=0) + 2
    yield head
    for one in answer["lines"]:
        yield f"    {one['text']:<{width}}  # {note_of(one)}"
    yield tail


CONTRIBUTION_HEAD = ("statement", "contribution [95 %]", "seeds", "without it", "")


def contribution_row(one: dict[str, Any]) -> tuple[str, ...]:
    """A statement's contribution as cells under CONTRIBUTION_HEAD."""
    rest = str(one["seeds"] or ""), one["without"], one["verdict"]
    if one.get("mean") is None:
        return (one["statement"], "", *rest)
    low, high = one["interval"]
    around = "" if low is None or high is None else f" [{low:+.4g}, {high:+.4g}]"
    return (one["statement"], f"{one['mean']:+.4g}{around}", *rest)
