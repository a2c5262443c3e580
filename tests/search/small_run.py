"""A small finished run made by hand, for what reads runs: six individuals and a funnel."""

from __future__ import annotations

import json
from pathlib import Path

from programs import Program, analyse, load, parse, reaching, remove_redundant
from programs.canonical import canonical_hash
from search.config.load import dumps, loads
from search.config.settings import Config
from search.storage.lineage import edit_between
from search.storage.schema import (
    EvaluationRow,
    EventRow,
    IndividualRow,
    ProgramRow,
    StageEntryRow,
    StageRow,
)
from search.storage.store import Store

CONFIG = """
seed: 1
evolution: {warm_start: [library:adamw], children: 5}
evaluation: {tasks: [vision_mlp]}
rescore: {programs: 2, seeds: 3}
"""
EVIL = "</script></style><script>alert(1)</script>\"'><img src=x onerror=alert(2)><svg onload=alert(3)>"
"""Text that would run if a page took it for markup."""
SIGN = "def train(w, g, m, lr):\n    m = interp(g, m, 0.9)\n    s = sign(m)\n    update = s * 0.01\n    return update, m\n"


def steps() -> list[tuple[int | None, str, Program, float | None]]:
    """Parent, mutation, program, fitness (None: stopped at a hurdle) of each individual."""
    start = load("library:adamw")
    statements = start.statements
    extra = parse(
        "def train(w, g, m, v, lr):\n    x = cos(g)\n    update = g * 1\n    return update, m, v\n"
    ).statements[0]
    with_extra = Program(start.states, (*statements[:3], extra, *statements[3:]))
    modified = start.with_constant(start.constants()[0], 0.8)
    no_decay = Program(modified.states, tuple(s for s in modified.statements if "wd" not in str(s)))
    return [
        (None, "start", start, -2.0),
        (0, "insert", with_extra, -2.0),
        (0, "modify", modified, -1.5),
        (2, "delete", no_decay, -1.25),
        (2, "modify", modified.with_constant(modified.constants()[2], 0.1), None),
        (None, "start", parse(SIGN), -1.75),
    ]


def make(run_dir: Path, *, funnel: bool = True, config: str = CONFIG, texts: str = "") -> Path:
    """texts: stands in place of programs, edits, names, outcomes and mutations."""
    settings = loads(config.encode(), "config")
    with Store(run_dir) as store:
        store.set_meta("config", dumps(settings))
        store.set_meta("history", json.dumps(settings.history_settings()))
        store.add(EventRow(1, 1_700_000_000.0, "start", "{}"))
        _fill(store, settings)
        if funnel:
            _add_funnel(store)
        if texts:
            _replace_texts(store, texts)
        store.commit()
    return run_dir


def _replace_texts(store: Store, text: str) -> None:
    for pending in store._pending.values():
        for i, row in enumerate(pending.rows):
            if isinstance(row, IndividualRow):
                edit = (
                    f"0 0\n{text}"
                    if row.parent is not None
                    else f"def train(w, g, lr):\n    {text}\n    return update\n"
                )
                pending.rows[i] = row._replace(mutation=text, edit=edit)
            elif isinstance(row, ProgramRow):
                pending.rows[i] = row._replace(text=f"{text}\n{row.id}")
            elif isinstance(row, StageRow):
                pending.rows[i] = row._replace(name=text, tasks=json.dumps([text]))
            elif isinstance(row, StageEntryRow):
                pending.rows[i] = row._replace(name=f"{text}{row.place}", program=text)


def _fill(store: Store, config: Config) -> None:
    programs: dict[bytes, int] = {}
    all_steps = steps()
    for number, (parent, mutation, program, fitness) in enumerate(all_steps):
        analysis = analyse(program)
        key = analysis.functional_hash
        reuse = "functional" if key in programs else "new"
        if key not in programs:
            programs[key] = len(programs) + 1
            store.add(_program(programs[key], number, program, fitness))
            _add_evaluations(store, number, fitness)
        before = None if parent is None else all_steps[parent][2]
        store.add(
            IndividualRow(
                number=number, repeat=0, child=number - 1 if number < 5 else 4, parent=parent,
                mutation=mutation, attempts=1, statements=len(program), live=len(analysis.live),
                program=programs[key], reuse=reuse, edit=edit_between(before, program),
            )
        )  # fmt: skip


def _program(id_: int, number: int, program: Program, fitness: float | None) -> ProgramRow:
    analysis = analyse(program)
    return ProgramRow(
        id=id_, functional=analysis.functional_hash, canonical=canonical_hash(program),
        behavioural=None, evaluated=number, live=len(analysis.live),
        states=len(reaching(analysis)[0]), rate=1.0,
        fitness=float("-inf") if fitness is None else fitness,
        outcome="HURDLE" if fitness is None else "COMPLETED", text=str(remove_redundant(program)),
    )  # fmt: skip


def _add_evaluations(store: Store, number: int, fitness: float | None) -> None:
    outcome = "HURDLE" if fitness is None else "COMPLETED"
    at = [("search", 0)] + [("rescore", seed) for seed in (1000, 1001, 1002) if fitness is not None]
    for purpose, seed in at:
        value = None if fitness is None else fitness - 0.125 * (seed % 10)
        store.add(
            EvaluationRow(
                individual=number, purpose=purpose, task="vision_mlp", seed=seed, rate=1.0,
                fitness=value, outcome=outcome, steps=300, checkpoints="[]", compile_seconds=0.0,
                run_seconds=0.5,
            )
        )  # fmt: skip


def _add_funnel(store: Store) -> None:
    for stage, tasks in enumerate(("vision_mlp", "vision_mlp@10")):
        name, beat = "AB"[stage], stage
        store.add(StageRow(stage, name, json.dumps([tasks]), 0.05, beat, "null", "seeds"))
        rows = [("individual 3 (of 2)", str(steps()[3][2]), "library:adamw"),
                ("library:adamw", str(load("library:adamw")), None)]  # fmt: skip
        for place, (name, text, against) in enumerate(rows):
            tested = (0.1, 0.05, 0.15, 0.0, 0.01) if against else (None,) * 5
            store.add(
                StageEntryRow(
                    stage, place, name, text, json.dumps([-1.0 - place, -1.5 - place]),
                    1 - stage if against else 0, against, *tested,
                )
            )  # fmt: skip
