"""Where the budgets of `stop` end a search: at the same child whatever the workers do.

A budget of trainings or of fitness is reached by an individual, in order of birth. By then children
are born whose numbers are lower by the logical clock than its own plus one window of each repeat
(see `Repeats.end_of`); these still count, and no other is born. So the end depends on the config
alone, and follows from the store as well. A budget of hours ends it wherever it is; the store keeps
where that was.
"""

from __future__ import annotations

import json
import time

from search.config.settings import StopSettings
from search.evolution.evolution import Repeats
from search.storage.errors import StoreError
from search.storage.queries import first_as_fit, last_number, training_counts
from search.storage.store import Store
from search.storage.stored_json import stored_object


class Budget:
    """Follows a search in order of birth, and ends its rounds when a budget is used up."""

    def __init__(self, settings: StopSettings, store: Store):
        """Time runs from here on; what earlier processes used is in the store."""
        self.settings, self._store = settings, store
        self._before_s = float(store.meta("searched_s") or 0.0)
        self._began = time.monotonic()
        self.trainings = 0  # of all individuals that were committed
        self.used_up: str | None = None  # the budget that ended the search, by name
        self._stored = last_number(store) + 1  # individuals of earlier processes
        self._reached: dict[str, int] = {}  # number of the individual, by name of the budget
        self._cut: int | None = self._earlier_cut()  # individuals when time was up
        for number, trainings in training_counts(store):
            self._count(number, trainings)
        if settings.fitness is not None:
            first = first_as_fit(store, settings.fitness)
            if first is not None:
                self._reached["fitness"] = first

    def _earlier_cut(self) -> int | None:
        """Where time was up before, unless there is more of it now."""
        what = "the stored 'cut'"
        cut = stored_object(self._store.meta("cut"), what)
        if not cut or self.settings.hours is None:
            return None
        hours, individuals = cut.get("hours"), cut.get("individuals")
        if not isinstance(hours, int | float) or not isinstance(individuals, int):
            raise StoreError(f"{what} has no hours or individuals")
        return None if self.settings.hours > hours else individuals

    @property
    def seconds(self) -> float:
        """Of the search so far, over all processes."""
        return self._before_s + time.monotonic() - self._began

    def told(self, number: int, fitness: float, trainings: int) -> None:
        """Notes an individual, in order of birth; trainings: those that it took."""
        self._count(number, trainings)
        least = self.settings.fitness
        if least is not None and fitness >= least:
            self._reached.setdefault("fitness", number)

    def _count(self, number: int, trainings: int) -> None:
        self.trainings += trainings
        most = self.settings.trainings
        if most is not None and self.trainings >= most:
            self._reached.setdefault("trainings", number)

    def limit(self, repeats: Repeats) -> None:
        """Ends a round where a budget is used up; asked before each of its children is born."""
        hours = self.settings.hours
        if self._cut is None and hours is not None and self.seconds >= hours * 3600:
            self._cut = max(repeats.asked, self._stored)
            self._store.set_meta("cut", json.dumps({"individuals": self._cut, "hours": hours}))
        ends = {name: repeats.end_of(number) for name, number in self._reached.items()}
        if self._cut is not None:
            ends["hours"] = self._cut
        if ends:
            self.used_up = min(ends, key=lambda name: ends[name])
            repeats.limit = ends[self.used_up]

    def allows_round(self, first: int) -> bool:
        """Whether a round whose first number is this may begin; one that has begun goes on."""
        used_up = bool(self._reached) or (self._cut is not None and self._cut <= first)
        return not used_up or first < self._stored

    def save(self) -> None:
        """Keeps the time with the next commit."""
        self._store.set_meta("searched_s", repr(self.seconds))
