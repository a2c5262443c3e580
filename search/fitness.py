"""Where fitness comes from: proxy tasks, or anything else with the same three answers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from programs import ProgramError
from programs import load as load_program
from search.jobs import Factory
from search.settings import Config
from search.wording import KeyPath


class Fitness(Protocol):
    """A source of fitness."""

    def factory(self, config: Config) -> Factory:
        """Makes the evaluation function of a worker, in the worker."""
        ...

    def fingerprints(self, config: Config) -> dict[str, str]:
        """What fitness depends on besides the config: task settings and data, by name."""
        ...

    def mistakes(self, config: Config) -> Iterable[tuple[KeyPath, str]]:
        """What is wrong with a config whose types are right, by key path."""
        ...


def wrong_starts(config: Config) -> Iterable[tuple[KeyPath, str]]:
    """Warm starts that cannot be read."""
    for place, name in enumerate(config.evolution.warm_start):
        try:
            load_program(name)
        except ProgramError as error:
            yield ("evolution", "warm_start", place), str(error)


@dataclass(frozen=True)
class Function:
    """Fitness from a factory of one's own, such as a toy's."""

    made: Factory

    def factory(self, config: Config) -> Factory:
        return self.made

    def fingerprints(self, config: Config) -> dict[str, str]:
        return {}

    def mistakes(self, config: Config) -> Iterable[tuple[KeyPath, str]]:
        return wrong_starts(config)
