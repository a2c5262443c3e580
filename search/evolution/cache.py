"""Programs that compute the same are evaluated once: the table of scores by hash."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from programs import Analysis, Program, remove_redundant
from programs.canonical import canonical_hash
from search.config.settings import CacheSettings
from search.evaluation.fitness import Score


@dataclass(slots=True)
class Entry:
    """One thing to evaluate; `score` is None until its evaluation has arrived."""

    score: Score | None = None
    evaluated: int | None = None  # number of the individual that is evaluated
    trainings: int = 0  # that its evaluation took, if it was made by this process


@dataclass(frozen=True, slots=True)
class Lookup:
    """What the cache knows of a child."""

    functional: bytes
    canonical: bytes | None  # None: the functional hash was known, so it was not computed
    entry: Entry
    reuse: str  # functional, canonical or new: the first hash that was known
    live: Program | None  # without what is redundant and not frozen; None: the hash was known
    is_new: bool  # nobody has evaluated the entry yet
    is_at_best_rate: bool = False  # it is what the program of that hash became at its best rate


class Cache:
    """Scores by functional or canonical hash, filled in order of birth.

    Both hashes' hits are counted, whichever is the key.
    """

    def __init__(self, settings: CacheSettings, known: Iterable[tuple[bytes, Score]] = ()):
        """known: cache keys and scores imported from earlier runs."""
        self._by_canonical = settings.key == "canonical"
        self._functional: dict[bytes, Entry] = {}
        self._canonical: dict[bytes, Entry] = {}
        self._known = dict(known)
        self.behaviours: set[bytes] = set()  # of the programs trained so far
        self._drawn: dict[bytes, bytes] = {}  # hash at the best rate -> hash as it was drawn
        self._rescaled: dict[bytes, bytes] = {}  # the other way round, of what is not found so yet

    def look_up(self, analysis: Analysis) -> Lookup:
        """The entry of a child; a new one is the caller's to evaluate."""
        functional = analysis.functional_hash
        if (drawn := self._drawn.get(functional)) is not None:
            return Lookup(drawn, None, self._functional[drawn], "functional", None, False, True)
        entry = self._functional.get(functional)
        if entry is not None:
            return Lookup(functional, None, entry, "functional", None, False)
        live = remove_redundant(analysis.program, analysis, keep_frozen=True)
        return self._look_further(functional, canonical_hash(analysis.program, analysis), live)

    def _look_further(self, functional: bytes, canonical: bytes, live: Program | None) -> Lookup:
        twin = self._canonical.get(canonical)
        reuse = "new" if twin is None else "canonical"
        entry = twin if twin is not None and self._by_canonical else None
        is_new = entry is None
        if entry is None:
            key = canonical if self._by_canonical else functional
            entry = Entry(self._known.get(key))
            is_new = entry.score is None
        self._functional[functional] = entry
        self._canonical.setdefault(canonical, entry)
        return Lookup(functional, canonical, entry, reuse, live, is_new)

    def add_best_rate(self, drawn: bytes, rescaled: bytes) -> None:
        """Remembers what a program is at its best rate.

        drawn, rescaled: functional hashes of the first individual that has it, as it was drawn and
          at that rate. Others of the same hash may have another one there: where a statement stands
          twice, the rate may go elsewhere.
        """
        self._rescaled[drawn] = rescaled

    def show_best_rate(self, drawn: bytes) -> None:
        """Lets a program be found at its best rate, too, from now on."""
        rescaled = self._rescaled.pop(drawn, None)
        if rescaled is not None and rescaled not in self._functional:
            self._drawn.setdefault(rescaled, drawn)

    def restore(self, functional: bytes, canonical: bytes) -> Entry:
        """The entry of a program that an earlier process of this run had committed."""
        return self._look_further(functional, canonical, None).entry

    def entry(self, functional: bytes) -> Entry:
        """The entry of a program that was looked up or restored."""
        return self._functional[functional]
