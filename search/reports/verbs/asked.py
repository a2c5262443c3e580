"""What is asked of a run, beside the verb."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, SupportsIndex

from search.storage.errors import StoreError
from search.storage.identity import config_text
from search.storage.store import Reader


@dataclass(frozen=True)
class Asked:
    """The words and options that follow a verb."""

    names: tuple[str, ...] = ()
    count: int = 10  # how many programs
    all: bool = False  # also the steps of a lineage that changed nothing
    simplify: bool = False  # the programs of the front also simplified, which takes seconds

    @property
    def number(self) -> int:
        """The first name, as the number of an individual. Raises StoreError if it is none."""
        return individual_number(self.names[0])


def individual_number(name: str | SupportsIndex) -> int:
    """An individual's number from a whole number, numpy's too, or its text. Raises StoreError."""
    if not isinstance(name, str):
        name = str(operator.index(name)) if isinstance(name, SupportsIndex) else repr(name)
    if not name.isascii() or not name.isdecimal() or len(name) > 15:
        raise StoreError(f"expected the number of an individual, such as 0, got {name[:40]!r}")
    return int(name)


@dataclass(frozen=True)
class Verb:
    """A question: its answer as plain values, and as lines for people."""

    what: str  # one line for --help
    data: Callable[[Reader, Asked], Any]
    lines: Callable[[Reader, Asked], Iterator[str]]
    names: tuple[str, ...] = ()  # what has to follow it
    whole: bool = False  # whether it reads the whole store, so that it is checked first
    reads_programs: bool = True  # so that the functions of the user's own must be known
    of_a_search: bool = True  # so that it has no answer where a funnel alone was run

    def check(self, store: Reader) -> None:
        """Raises StoreError where there is no search, and the question is about one."""
        if self.of_a_search:
            config_text(store)


def from_data(
    data: Callable[[Reader, Asked], Any], lines: Callable[[Any], Iterator[str]]
) -> Callable[[Reader, Asked], Iterator[str]]:
    """Lines that say nothing that the plain values do not."""

    def made(store: Reader, asked: Asked) -> Iterator[str]:
        return lines(data(store, asked))

    return made
