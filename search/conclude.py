"""What follows a search: funnel, simplification, and the files that a user takes away.

funnel.md           every program in every stage of the funnel
final.py            the final program's text
final_optax.py      the same as a module that needs only jax and optax
certificate.md      each step from the evolved program to the final one, and why it was allowed
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from programs import Program, library, load
from programs.export import to_optax
from programs.simplify import Simplification, simplify
from search.config.settings import Config
from search.evaluation.request import scaled
from search.reports.certificate import certificate, exact_certificate
from search.reports.funnel import REPORT, outcome, table, write_report
from search.reports.progress import Lines
from search.reports.validation import validation_markdown, validation_table
from search.selection.families import is_variant
from search.selection.finalists import Finalist
from search.selection.funnel import Setup, candidates_of, ledger_of, run_funnel
from search.selection.ledger import Ledger
from search.selection.stages import Funnelled, Named
from search.selection.validation import Validation, validate
from search.shortening.ablation import Untrainable
from search.shortening.shorten import Shortened, shorten
from search.storage.store import Store

FINAL, FINAL_OPTAX, CERTIFICATE = "final.py", "final_optax.py", "certificate.md"


def conclude(
    config: Config,
    store: Store,
    finalists: Sequence[Finalist],
    stopping: Callable[[], int | None] = lambda: None,
    tasks_file: str | None = None,
) -> list[str]:
    """Takes a search's best programs through the funnel and makes the winner short.

    The winner is the best that the funnel confirmed; if it confirmed none, the search's own best,
    and the text says so. What was trained is kept in the store, so a stopped conclusion goes on.

    Returns:
      What came out, line by line; nothing if the config has no funnel.
    """
    if config.funnel is None:
        return []
    candidates = candidates_of(store, config.funnel)
    if not candidates:
        return ["No program of this search has a fitness: there is nothing to select."]
    setup = Setup.of(config, tasks_file)
    with ledger_of(store, setup, config.funnel.timeout_s, Lines(sys.stderr), stopping) as ledger:
        funnelled = run_funnel(candidates, ledger, setup, config.funnel)
        write_report(store.run_dir, funnelled)
        ledger.progress.expected = None  # how many trainings the rest takes is not known
        winner = Winner.of(funnelled, finalists)
        final = finished(winner, funnelled, ledger, setup, config)
    _write(store.run_dir, final)
    return [
        "Funnel:",
        table(funnelled.stages),
        "",
        *outcome(funnelled),
        "",
        f"Final program, from {winner.name} ({winner.verdict}), "
        f"{len(winner.program)} -> {len(final.program)} statements. {final.said}",
        "",
        str(final.program),
        f"The same on {', '.join(final.validation.tasks)}, on fresh seeds:",
        validation_table(final.validation),
        "",
        f"Its steps: {store.run_dir / CERTIFICATE}; as optax: {store.run_dir / FINAL_OPTAX}; "
        f"the funnel: {store.run_dir / REPORT}",
    ]


@dataclass(frozen=True)
class Winner:
    """The program that the final one is made of."""

    name: str
    program: Program
    verdict: str

    @classmethod
    def of(cls, funnelled: Funnelled, finalists: Sequence[Finalist]) -> Winner:
        if funnelled.confirmed:
            best = funnelled.confirmed[0]
            return cls(best.name, best.program, "confirmed by the funnel")
        leader = finalists[0].leader
        verdict = "the search's best; the funnel confirmed no program"
        return cls(f"individual {leader.number}", leader.program, verdict)


@dataclass(frozen=True)
class Final:
    """What is delivered."""

    program: Program
    said: str  # how it came about, in a sentence or two
    certificate: str
    validation: Validation


def finished(
    winner: Winner, funnelled: Funnelled, ledger: Ledger, setup: Setup, config: Config
) -> Final:
    """The winner made short, as far as it stays as good as it was where the funnel ended."""

    rules = config.funnel
    assert rules is not None

    def validated(*made: Named) -> Validation:
        programs = [("winner", winner.program), *made]
        tasks, weights, baselines = _last(funnelled, setup)
        scored = programs, baselines, ledger, tasks, weights
        return validate(*scored, rules.finals, config.ablation)

    def exact_only(exact: Simplification, why: str, tried: Shortened | None, *made: Named) -> Final:
        said = f"By exact passes alone: {why}."
        found = validated(*made, ("exact passes alone", exact.program))
        page = exact_certificate(exact, said, tried)
        return Final(exact.program, said, _page(page, winner, said, found), found)

    try:
        done = shorten(winner.program, ledger, setup.tasks, config.ablation, config.tuning)
    except Untrainable as error:
        return exact_only(simplify(winner.program), str(error), None)
    found = validated(("final program", done.program))
    if found.clearly_worse(1):
        why = f"after the ablation it was clearly worse on {', '.join(found.tasks)}"
        return exact_only(done.exact, why, done, ("after the ablation", done.program))
    said = f"{done.constants} It is {found.verdict(1)}."
    if like := known_structure(done.program, rules.baselines):
        said += f" But for its constants it is {like}"
        said += ", a baseline: any gain is the constants'." if like in rules.baselines else "."
    return Final(done.program, said, _page(certificate(done), winner, said, found), found)


def known_structure(program: Program, baselines: Sequence[str]) -> str | None:
    """The baseline, or else the library's program, that a program is but for its constants."""
    names = (*baselines, *(f"library:{name}" for name in library()))
    return next((name for name in names if is_variant(program, of=load(name))), None)


def _last(
    funnelled: Funnelled, setup: Setup
) -> tuple[tuple[str, ...], Sequence[float] | None, list[Named]]:
    """Where the funnel ended: tasks, their weights, and the baselines as tuned there."""
    if not funnelled.stages:
        return tuple(scaled(task, 1) for task in setup.tasks), setup.weights, []
    last = funnelled.stages[-1]
    return last.tasks, last.weights, [(entry.name, entry.program) for entry in last.baselines]


def _page(steps: str, winner: Winner, said: str, found: Validation) -> str:
    return (
        f"{steps}\n{validation_markdown(found)}\n\nFrom {winner.name}: {winner.verdict}. {said}\n"
    )


def _write(run_dir: Path, final: Final) -> None:
    (run_dir / FINAL).write_text(str(final.program))
    (run_dir / FINAL_OPTAX).write_text(to_optax(final.program, "final"))
    (run_dir / CERTIFICATE).write_text(final.certificate)
