"""Programs that failed: whose doing it was, theirs or the machine's."""

from __future__ import annotations

from search.evaluation.jobs import Result, TooManyFailures

MOST = 20  # in a row are not the programs' own


class Failures:
    """Failures in a row, held back until another program succeeds, or there are no others.

    While there are any, nothing of the search is committed, so that a machine that fails at all of
    them leaves no trace.
    """

    def __init__(self) -> None:
        self._held: list[Result] = []
        self._in_a_row = 0

    def __bool__(self) -> bool:
        """Whether the last programs failed."""
        return self._in_a_row > 0

    def add(self, result: Result) -> None:
        """Raises TooManyFailures: there are too many in a row."""
        self._held.append(result)
        self._in_a_row += 1
        if self._in_a_row == MOST:
            raise TooManyFailures(f"{MOST} programs in a row failed, the last: {result.failure}")

    def end(self) -> None:
        """Another has succeeded."""
        self._in_a_row = 0

    def taken(self) -> list[Result]:
        """What was held back, once."""
        held, self._held = self._held, []
        return held
