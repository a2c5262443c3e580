"""A description of a program, as data and as text: `python -m programs show`, `diff`, `list`."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from typing import Any

from programs.abstract import analyse, live_across_steps, reaching
from programs.counted import counted
from programs.decay import weight_decay
from programs.hyperparameters import hyperparameters, reads_schedule
from programs.memory import needed_states
from programs.program import Program, printable
from programs.source import lines_of

NO_SCHEDULE = "never reads the schedule value lr: a schedule changes nothing"
SAMENESS = (
    "(functional: same computation; canonical: same after sound normal forms; "
    "behavioural: same first steps, no proof)"
)


def comment(text: str) -> str:
    """The comment at the head of a program's text, line by line, without signs that a terminal
    would obey."""
    lines = itertools.takewhile(lambda line: line.startswith("#"), lines_of(text))
    return "\n".join(printable(line.removeprefix("#").strip()) for line in lines)


def headline(text: str) -> str:
    """The first sentence of a program's comment."""
    return re.split(r"(?<=\.)\s", comment(text).replace("\n", " "), maxsplit=1)[0]


def differences(text: str) -> str:
    """What a program's comment says of its namesakes elsewhere, from "Differs from" on, or ""."""
    _, differs, rest = comment(text).replace("\n", " ").partition("Differs from")
    return differs + rest


def hashes(program: Program) -> dict[str, str]:
    """The three hashes, in hexadecimal."""
    from programs.behaviour import behaviour
    from programs.canonical import canonical_hash

    return {
        "functional": analyse(program).functional_hash.hex(),
        "canonical": canonical_hash(program).hex(),
        "behavioural": behaviour(program).hash.hex(),
    }


def sameness(one: Program, other: Program) -> dict[str, bool]:
    """Whether two programs are the same function, by each of the three hashes."""
    first, second = hashes(one), hashes(other)
    return {name: first[name] == second[name] for name in first}


def describe(program: Program, text: str = "") -> dict[str, Any]:
    """All that `show` prints, as data; `text` is what the program was read from."""
    from programs.behaviour import behaviour

    analysis = analyse(program)
    read, kept = reaching(analysis)
    needed = needed_states(analysis)
    live = live_across_steps(program)
    return {
        "text": str(program),
        "comment": comment(text),
        "statements": [
            {
                "text": str(statement),
                "kind": str(kind),
                "live": i in analysis.live,
                "reaches_an_update": i in kept,
            }
            for i, (statement, kind) in enumerate(zip(program, analysis.kinds))
        ],
        "live_statements": len(analysis.live),
        "live_statements_across_steps": len(kept),
        "states": list(program.states),
        "states_needed": [program.states[i] for i in needed],
        "states_only_read": [program.states[i] for i in read if i not in needed],
        "constants": {h.name: h.value for h in hyperparameters(live)},
        "weight_decay": [str(live.statements[i]) for i in weight_decay(live)],
        "reads_schedule": reads_schedule(live),
        "hashes": hashes(program),
        "screening": behaviour(program).screening.value,
    }


def note_of(statement: Mapping[str, Any]) -> str:
    """The comment on a statement as `describe` has it: its kind, and whether it is redundant."""
    if not statement["live"]:
        return f"{statement['kind']}, redundant"
    if not statement["reaches_an_update"]:
        return f"{statement['kind']}, reaches no later update"
    return str(statement["kind"])


def annotate(program: Program, text: str = "", dim: bool = False) -> str:
    """The program with each statement's kind, its redundant statements dimmed or commented out."""
    facts = describe(program, text)
    head, *_, tail = str(program).splitlines()
    lines = [f"# {line}" for line in facts["comment"].splitlines()]
    lines.append(head)
    width = max((len(s["text"]) for s in facts["statements"]), default=0) + 2
    for fact in facts["statements"]:
        line = f"{fact['text']:<{width}}  # {note_of(fact)}"
        if fact["live"]:
            lines.append(f"    {line}")
        else:
            lines.append(f"    \x1b[2m{line}\x1b[0m" if dim else f"    # {line}")
    return "\n".join([*lines, tail, "", *_summary(program, facts)])


def _summary(program: Program, facts: dict[str, Any]) -> list[str]:
    states = f"{len(facts['states_needed'])} of {len(facts['states'])}"
    if facts["states_needed"]:
        states += f": {', '.join(facts['states_needed'])}"
    if facts["states_only_read"]:
        unused = " and ".join(facts["states_only_read"])
        states += f" (no update depends on {unused}, which is read)"
    lines = [
        f"{counted(len(program), 'statement')}, {facts['live_statements']} live in a step, "
        f"{facts['live_statements_across_steps']} live across steps; states needed: {states}",
        facts["screening"],
    ]
    if not facts["reads_schedule"]:
        lines.append(NO_SCHEDULE)
    rows = {
        "constants": ", ".join(f"{name} {value:g}" for name, value in facts["constants"].items()),
        "weight decay": "; ".join(facts["weight_decay"]),
        **facts["hashes"],
    }
    return lines + [f"{name:<12} {value or 'none'}" for name, value in rows.items()]
