"""What a config names and must exist: programs and earlier runs."""

from __future__ import annotations

from collections.abc import Iterable

from programs import ProgramError
from programs import load as load_program
from search.config.messages import KeyPath
from search.config.settings import Config
from search.storage.store import Reader, StoreError


def wrong_files(config: Config) -> Iterable[tuple[KeyPath, str]]:
    """What a config names and cannot be read: programs and earlier runs."""
    yield from wrong_programs(config)
    for place, run in enumerate(config.cache.runs):
        try:
            Reader(run).close()
        except StoreError as error:
            yield ("cache", "runs", place), str(error)


def wrong_programs(config: Config) -> Iterable[tuple[KeyPath, str]]:
    """Warm starts and baselines that cannot be read."""
    named: list[tuple[KeyPath, str]] = [
        (("evolution", "warm_start", place), name)
        for place, name in enumerate(config.evolution.warm_start)
    ]
    if config.funnel is not None:
        named += [
            (("funnel", "baselines", place), name)
            for place, name in enumerate(config.funnel.baselines)
        ]
    for path, name in named:
        try:
            program = load_program(name)
        except ProgramError as error:
            yield path, str(error)
            continue
        tuned = config.evolution.mode == "tune" and path[0] == "evolution"
        if tuned and not program.constants():
            yield path, f"{name} has no constant for the mode tune to change"
