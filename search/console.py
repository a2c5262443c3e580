"""Ctrl-C and SIGTERM: at once while a search is prepared, between two steps once it runs."""

from __future__ import annotations

import signal

from search.evaluation.jobs import Stopped


class Stopping:
    """The signal that has asked to stop, SIGINT or SIGTERM.

    It raises Stopped where it arrives; after `orderly` it is kept for the search's loop to ask for,
    and a second one ends the process.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._orderly = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._receive)

    def orderly(self) -> None:
        """From now on the loop asks."""
        self._orderly = True

    def __call__(self) -> int | None:
        return self.received

    def _receive(self, number: int, _: object) -> None:
        if not self._orderly:
            raise Stopped(number)
        if self.received is not None:
            raise SystemExit(128 + number)
        self.received = number
