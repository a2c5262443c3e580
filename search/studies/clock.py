"""When a piece of a study ends: its hours are over, or somebody stops it."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable


class Clock:
    """Asked often, as a search asks whether to stop: a number ends what runs, and it is kept.

    So the pieces in which a study is run do not change what it gives.
    """

    def __init__(self, hours: float | None, asked: Callable[[], int | None] = lambda: None):
        """hours: of this piece; None: as long as it takes. asked: the signal that stops it."""
        self._end = None if hours is None else time.monotonic() + 3600 * hours
        self._asked = asked
        self.is_over = False  # whether it ended something because the hours were over

    def __call__(self) -> int | None:
        if (number := self._asked()) is not None:
            return number
        if self._end is None or time.monotonic() < self._end:
            return None
        self.is_over = True
        return signal.SIGALRM
