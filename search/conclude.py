"""What follows a search: funnel, simplification, and the files that a user takes away.

funnel.md           every program in every stage of the funnel
final.py            the final program's text
final_optax.py      the same as a module that needs only jax and optax
certificate.md      each step from the evolved program to the final one, and why it was allowed
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from programs.export import to_optax
from search.ablate import Untrainable
from search.finalists import Finalist
from search.funnel import REPORT, Lines, Setup, candidates_of, ledger_of, run_funnel
from search.settings import Config
from search.simplify import Shortened, certificate, shorten
from search.stages import table
from search.store import Store

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
        if funnelled.confirmed:
            winner = funnelled.confirmed[0]
            name, program, verdict = winner.name, winner.program, "confirmed by the funnel"
        else:
            best = finalists[0].leader
            name, program = f"individual {best.number}", best.program
            verdict = "the search's best; the funnel confirmed no program"
        said = ["Funnel:", table(funnelled.stages), ""]
        ledger.progress.expected = 0  # how many trainings the ablation takes is not known
        try:
            done = shorten(program, ledger, setup.tasks, config.ablation, config.tuning)
        except Untrainable as error:
            return [*said, f"{name} ({verdict}) is left as it is: {error}", "", str(program)]
    _write(store.run_dir, done, f"{name}: {verdict}.")
    return [
        *said,
        f"Final program, from {name} ({verdict}), "
        f"{len(done.exact.original)} -> {len(done.program)} statements:",
        "",
        str(done.program),
        f"Its steps: {store.run_dir / CERTIFICATE}; as optax: {store.run_dir / FINAL_OPTAX}; "
        f"the funnel: {store.run_dir / REPORT}",
    ]


def _write(run_dir: Path, done: Shortened, origin: str) -> None:
    (run_dir / FINAL).write_text(str(done.program))
    (run_dir / FINAL_OPTAX).write_text(to_optax(done.program, "final"))
    (run_dir / CERTIFICATE).write_text(f"{certificate(done)}\nFrom {origin}\n")
