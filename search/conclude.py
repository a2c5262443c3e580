"""What follows a search: funnel, simplification, and the files that a user takes away.

funnel.md           every program in every stage of the funnel
final.py            the final program's text
final_optax.py      the same as a module that needs only jax and optax
certificate.md      each step from the evolved program to the final one, and why it was allowed
card.md             its transfer card: where it was compared, memory, where it does not help

With a margin for memory there is a final program for each number of states; the second and later
ones are final_1_state.py, certificate_1_state.md and so on.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path

from programs.export import Origin, to_optax
from search.config.settings import Config
from search.reports.card import card
from search.reports.conclusion import files_of, files_there, heading, page
from search.reports.funnel import write_report
from search.selection.finalists import Finalist
from search.selection.funnel import Setup, candidates_of, ledger_of, run_funnel
from search.selection.ledger import Progress
from search.selection.objective import Objective
from search.shortening.between_stages import Shortener
from search.shortening.final import Check, Conclusion, Delivered, finish, winners
from search.stopping import at_once
from search.storage.files import write_file
from search.storage.store import Store


def conclude(
    config: Config,
    store: Store,
    finalists: Sequence[Finalist],
    *,
    setup: Setup | None = None,
    show: Callable[[Progress], None] = lambda _: None,
    stopping: Callable[[], int | None] = lambda: None,
) -> Conclusion | None:
    """Takes a search's best programs through the funnel and makes the winner short.

    The winner is the best that the funnel confirmed; if it confirmed none, the search's own best,
    and the text says so. What was trained is kept in the store, so a stopped conclusion is
    continued.

    setup: tasks and workers; by default the config's.

    Returns:
      What came out; None if the config has no funnel, or no program has a fitness.
    """
    candidates = []
    if config.funnel is not None:
        with at_once(stopping):
            candidates = candidates_of(store, config.funnel, show=show)
    if config.funnel is None or not candidates:
        return None
    setup, limit = setup or Setup.of(config), config.funnel.timeout_s
    with (
        ledger_of(store, setup, timeout_s=limit, show=show, stopping=stopping) as ledger,
        at_once(stopping),
    ):
        objective, begin = Objective(ledger, setup.tasks, setup.weights), ledger.progress.begin
        shortener = Shortener(
            objective, ablation=config.ablation, tuning=config.tuning, begin=begin
        )
        funnel = run_funnel(
            candidates, ledger, setup=setup, settings=config.funnel, shorten=shortener
        )
        write_report(store.run_dir, funnel)
        delivered = []
        for winner in winners(funnel, finalists, candidates=candidates, settings=config.funnel):
            check = Check.of(
                winner,
                funnel,
                objective=objective,
                settings=config.funnel,
                ablation=config.ablation,
            )
            final = finish(
                check,
                objective=objective,
                tuning=config.tuning,
                baselines=config.funnel.baselines,
                begin=begin,
            )
            delivered.append(Delivered(winner, final))
    done = Conclusion(funnel, tuple(delivered), config.funnel.baselines, shortener.steps)
    with at_once(stopping):
        _write(store.run_dir, done)
    return done


def _write(run_dir: Path, done: Conclusion) -> None:
    """Writes the final programs' files; what an earlier conclusion has left beside them goes."""
    files = [files_of(done, one, run_dir) for one in done.delivered]
    for path in {*files_there(run_dir)}.difference(*files):
        path.unlink()
    for one in done.delivered:
        paths, program = files_of(done, one, run_dir), one.final.program
        about = "\n".join(textwrap.wrap(heading(one.winner), 90))
        write_file(paths.program, textwrap.indent(about, "# ") + f"\n{program}")
        write_file(paths.optax, to_optax(program, "final", Origin("a search", about)))
        write_file(paths.certificate, page(done, one))
        write_file(paths.card, card(done, one, heading(one.winner)))
