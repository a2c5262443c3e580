"""The trainings that a study needs besides its searches, each paid for once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from programs import Program
from search.config.settings import Config
from search.evaluation.seeds import STUDIES
from search.reports.progress import LINES_EVERY_S, progress_line
from search.reports.tables import finite_or_none
from search.selection.funnel import Setup, ledger_of
from search.selection.ledger import Ledger, Progress
from search.selection.objective import Objective
from search.storage.store import Store
from search.studies.folder import Folder
from search.studies.searches import Asked


@contextmanager
def trainings(
    folder: Folder, config: Config, *, clock: Asked, say: Callable[[str], None]
) -> Iterator[Ledger]:
    """What trains on the config's tasks; its results are kept in the study's folder.

    clock: asked whether to stop.

    Raises:
      Stopped: the clock or the user ended it; what has been trained is kept.
    """
    due = time.monotonic() + LINES_EVERY_S

    def show(progress: Progress) -> None:
        nonlocal due
        if time.monotonic() >= due:
            due = time.monotonic() + LINES_EVERY_S
            say(progress_line(progress))

    limit = config.workers.timeout_s
    with (
        Store(folder.run_dir("trainings"), config.store) as store,
        ledger_of(store, Setup.of(config), timeout_s=limit, show=show, stopping=clock) as ledger,
    ):
        yield ledger


def on_fresh_seeds(
    ledger: Ledger, config: Config, programs: Sequence[Program], *, seeds: int, phase: str
) -> np.ndarray:
    """[N, seeds] fitness on seeds that no search has used, on the config's tasks; -inf: none."""
    objective = Objective(ledger, config.evaluation.tasks, config.evaluation.weights)
    ledger.progress.begin(phase, objective.expected(len(programs) * seeds))
    return objective.by_seed(programs, STUDIES.take(seeds))


def fresh_mean(
    program: Program,
    folder: Folder,
    config: Config,
    *,
    seeds: int,
    clock: Asked,
    say: Callable[[str], None],
) -> float | None:
    """Its mean on fresh seeds; None: it has no fitness on one of them."""
    with trainings(folder, config, clock=clock, say=say) as ledger:
        [row] = on_fresh_seeds(ledger, config, [program], seeds=seeds, phase="on fresh seeds")
    return finite_or_none(float(row.mean()))
