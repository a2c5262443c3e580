"""Look into a run, also while it is being made: `python -m search.inspect RUN [what]`.

overview           its figures, leading programs and hall of fame (the default)
leaders            the fittest programs, as text
front              the best program for each number of states, as it is and simplified
show NUMBER        an individual: the whole program, redundant statements marked
lineage NUMBER     how it came to be, edit by edit
curve              best fitness, cache hits and redundant share over the individuals, as CSV
events             starts, resumes, lost workers, failures
digest             a hash of the history: equal for equal searches
"""

from __future__ import annotations

if __name__ == "__main__":  # before the imports, which take seconds
    from proxy_tasks.console import exit_on_sigint

    exit_on_sigint()


import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from programs import ProgramError, analyse, load_functions_file
from proxy_tasks.console import run_command
from search.config.load import ConfigError
from search.console import Parser, report
from search.evolution.counters import Statistics
from search.reports.front import front_lines, front_texts
from search.reports.meta_validation import curve_lines
from search.reports.summary import fame, figures
from search.selection.overfitting import curves
from search.storage import queries
from search.storage.errors import StoreError
from search.storage.identity import check_functions, config_of
from search.storage.leaders import leaders
from search.storage.lineage import ancestors, individual
from search.storage.store import Reader

POINTS = 300  # of a curve


def overview(store: Reader, _: argparse.Namespace) -> Iterator[str]:
    """What the end of a search prints, as far as it has come."""
    yield from figures(store, Statistics.counted(store))
    yield ""
    yield "Fittest programs in the search (not scored on fresh seeds):"
    for leader in leaders(store, 5):
        yield f"  {leader.fitness:.6g}  individual {leader.number}, {leader.live} live statements"
    yield "Best for each number of live statements:"
    yield from fame(store)
    settings = config_of(store).meta_validation
    yield from curve_lines(curves(store, settings), settings)


def leading(store: Reader, options: argparse.Namespace) -> Iterator[str]:
    for leader in leaders(store, options.count):
        yield f"# individual {leader.number}: fitness {leader.fitness:.6g}"
        yield leader.text


def best_by_states(store: Reader, _: argparse.Namespace) -> Iterator[str]:
    yield from front_lines(store)
    yield ""
    yield from front_texts(store)


def show(store: Reader, options: argparse.Namespace) -> Iterator[str]:
    program = individual(store, options.number)
    live = set(analyse(program).live)
    head, *lines = str(program).rstrip().split("\n")
    yield head
    for place, line in enumerate(lines[:-1]):
        yield line if place in live else f"{line}  # redundant"
    yield lines[-1]


def lineage(store: Reader, options: argparse.Namespace) -> Iterator[str]:
    for row in ancestors(store, options.number):
        fitness = queries.fitness_of(store, row.number)
        yield f"{row.number}  {row.mutation}  fitness {fitness:.6g}"
        yield from (f"    {line}" for line in row.edit.split("\n"))


def curve(store: Reader, options: argparse.Namespace) -> Iterator[str]:
    """Shares are of the individuals since the row before."""
    yield "individuals,best_fitness,functional_hits,canonical_hits,redundant,statements"
    best = float("-inf")
    for point in queries.curve(store, POINTS):
        best, count = max(best, point.best), point.individuals
        hits = point.functional / count, point.canonical / count
        shares = [f"{share:.4f}" for share in (*hits, 1 - point.live / point.statements)]
        length = f"{point.statements / count:.1f}"
        yield ",".join([str(point.last + 1), f"{best:.6g}", *shares, length])


def events(store: Reader, _: argparse.Namespace) -> Iterator[str]:
    for event in queries.events(store):
        at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(event.at))
        yield f"{at}  {event.kind}: {event.text}"


def digest(store: Reader, _: argparse.Namespace) -> Iterator[str]:
    yield queries.history_digest(store)


WHAT: dict[str, Callable[[Reader, argparse.Namespace], Iterator[str]]] = {
    "overview": overview,
    "leaders": leading,
    "front": best_by_states,
    "show": show,
    "lineage": lineage,
    "curve": curve,
    "events": events,
    "digest": digest,
}
WITH_PROGRAMS = ("front", "show", "lineage")  # which read texts, so must know all functions


def main(argv: Sequence[str] | None = None) -> int:
    parser = Parser("inspect", __doc__ or "")
    parser.add_argument("run", type=Path, help="a run directory")
    parser.add_argument("what", nargs="?", choices=WHAT, default="overview")
    parser.add_argument("number", nargs="?", type=int, default=0, help="of an individual")
    parser.add_argument("--count", type=int, default=10, help="how many leaders")
    parser.add_functions_file()
    options = parser.parse_args(argv)
    try:
        if options.functions_file:
            load_functions_file(options.functions_file)
        with Reader(options.run) as store:
            if options.what in WITH_PROGRAMS:
                check_functions(store)
            for line in WHAT[options.what](store, options):
                print(line)
    except (StoreError, ConfigError, ProgramError) as error:
        return report(error)
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
