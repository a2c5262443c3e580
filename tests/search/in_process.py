"""Searches and commands run in this process, for the tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from programs import Program
from search.api import _rounds
from search.config.settings import Config
from search.evaluation.jobs import Factory
from search.evolution.counters import Statistics
from search.evolution.driver import Driver
from search.stopping import Stopped
from search.storage.queries import history_digest
from search.storage.store import Reader, Store
from search.workers.in_process import InProcess


def exit_code(main: Callable[[Sequence[str]], int], words: Sequence[str]) -> int:
    """The exit code of a command, whether it returns it or exits."""
    try:
        return main(words)
    except SystemExit as error:
        return error.code


def digest(run_dir) -> str:
    """The hash of a run's history."""
    with Reader(run_dir) as store:
        return history_digest(store)


def history(run_dir) -> list[tuple]:
    """Its individuals, in order of birth."""
    with Reader(run_dir) as store:
        return store.rows("SELECT * FROM history ORDER BY number")


def evolve(
    run_dir, config: Config, *, factory: Factory, starts: list[Program], stop_after=None
) -> str | None:
    """Runs the rounds of a search, or continues them; the digest, or None when it was stopped.

    factory: of what evaluates a job; starts: the warm starts; stop_after: individuals in the store at
    which it stops.
    """
    with Store(run_dir, config.store) as store:
        statistics = Statistics.of(store, config.evolution)
        stopping = lambda: stop_after is not None and statistics.individuals >= stop_after
        pool = InProcess(factory, config.workers)
        driver = Driver(config, store, pool=pool, statistics=statistics, stopping=stopping)
        try:
            _rounds(driver, starts)
        except Stopped:
            return None
        store.commit()
    return digest(run_dir)
