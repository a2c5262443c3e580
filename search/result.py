"""What a search has found, as data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, SupportsIndex

from programs import Program, parse
from search.arguments import check_choice, check_count
from search.reports.conclusion import FINAL, is_confirmed, text_of
from search.reports.page.report import report
from search.reports.verbs.asked import Asked, individual_number
from search.reports.verbs.table import VERBS
from search.selection.finalists import Finalist, stored_finalists
from search.shortening.final import Conclusion
from search.storage.identity import config_of
from search.storage.leaders import Leader, hall_of_fame, leaders
from search.storage.lineage import line
from search.storage.queries import Birth, births
from search.storage.queries import table as table_of
from search.storage.schema import TABLES as SCHEMA
from search.storage.store import Reader

if TYPE_CHECKING:
    import pandas

TABLES = tuple(table.name for table in SCHEMA.values())


class Ancestor(NamedTuple):
    """One step on the way to an individual."""

    number: int
    mutation: str
    program: Program  # redundant statements included


@dataclass(frozen=True)
class SearchResult:
    """The end of a search. What is large is read from the run directory when it is asked for."""

    run_dir: Path
    finalists: tuple[Finalist, ...]  # the leading programs, scored on fresh seeds, the best first
    conclusion: Conclusion | None  # None: no funnel was asked for, or no program has a fitness
    used_up: str | None = None
    """The budget of `stop` that ended the search early: hours, trainings or fitness."""
    final_text: str | None = None  # of final.py, where the run was only read

    @classmethod
    def of(cls, run_dir: str | Path) -> SearchResult:
        """The result so far of the search in a run directory, running or ended: what is stored. The
        conclusion is not, but for the final program; nor is `used_up`."""
        with Reader(run_dir) as store:
            begun = store.meta("config") is not None  # a funnel alone has no search
            finalists = stored_finalists(store, config_of(store)) if begun else []
        final = text_of(Path(run_dir) / FINAL)
        return cls(Path(run_dir), tuple(finalists), None, final_text=final)

    @property
    def best(self) -> Program:
        """The leading program, without redundant statements.

        Raises ValueError if none has a fitness.
        """
        if not self.finalists:
            raise ValueError(f"{self.run_dir}: no program of this search has a fitness")
        return self.finalists[0].leader.program

    @property
    def final(self) -> Program | None:
        """The final program: what the funnel chose, made short; None where there is none.

        Raises ProgramError if the run directory's is no program.
        """
        if self.conclusion is not None:
            return self.conclusion.final.program
        if self.final_text is None:
            return None
        return parse(self.final_text, str(self.run_dir / FINAL))

    @property
    def confirmed(self) -> bool | None:
        """Whether the funnel has shown what the final program is made of to beat the baselines.

        None where there is no final program.
        """
        if self.conclusion is not None:
            return self.conclusion.winner.confirmed
        return None if self.final_text is None else is_confirmed(self.final_text)

    def leaders(self, count: int = 10) -> list[Leader]:
        """The fittest programs of the search with different behaviour, by the search's fitness."""
        check_count("count", count)
        with Reader(self.run_dir) as store:
            return leaders(store, count)

    def hall_of_fame(self) -> list[Leader]:
        """The fittest program of each number of live statements that no shorter one equals, the
        shortest first."""
        with Reader(self.run_dir) as store:
            return hall_of_fame(store)

    def lineage(self, number: SupportsIndex) -> list[Ancestor]:
        """An individual and those that it comes from, the warm start first.

        Raises StoreError if there is no individual of this number.
        """
        with Reader(self.run_dir) as store:
            ancestors = line(store, individual_number(number))
        return [Ancestor(row.number, row.mutation, program) for row, program in ancestors]

    def frame(self, table: str = "individuals") -> pandas.DataFrame:
        """One of TABLES of the run's store as a pandas frame (pandas must be installed).

        Raises ValueError if there is no such table.
        """
        check_choice("frame", table, TABLES)
        import pandas

        with Reader(self.run_dir) as store:
            columns, rows = table_of(store, table)
        return pandas.DataFrame.from_records(rows, columns=list(columns))

    def inspect(self, what: str, *names: str | SupportsIndex, count: int = 10) -> Any:
        """What `python -m search.inspect RUN what names --json` prints, as plain values.

        Raises ValueError if there is no such verb (docs/inspect.md lists them), or if it needs
        other names; StoreError if there is no search to ask about.
        """
        check_choice("inspect", what, VERBS)
        check_count("count", count)
        if len(names) != len(VERBS[what].names):
            wanted, got = (" ".join((what, *map(str, few))) for few in (VERBS[what].names, names))
            raise ValueError(f"inspect: expected {wanted}, got {got}")
        with Reader(self.run_dir) as store:
            VERBS[what].check(store)
            return VERBS[what].data(store, Asked(tuple(map(str, names)), count))

    def report(self, *others: str | Path) -> str:
        """The run as one HTML page that needs nothing else; others: runs to compare it with."""
        return report([self.run_dir, *map(Path, others)])

    def history(self) -> list[Birth]:
        """All individuals in order of birth."""
        with Reader(self.run_dir) as store:
            return list(births(store))
