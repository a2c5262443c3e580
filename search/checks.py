"""What a config asks for and can be had: programs, earlier runs, seeds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from programs import ProgramError
from programs import load as load_program
from search.config.messages import KeyPath
from search.config.selection import AblationSettings, FunnelSettings
from search.config.settings import Config
from search.evaluation import seeds
from search.evaluation.seeds import SeedRange, TooManySeeds
from search.shortening.ablation import ROUNDS
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


class Asked(NamedTuple):
    """Seeds that a setting asks for."""

    path: KeyPath
    count: int  # in all
    source: SeedRange
    block: int = 0


def too_many_seeds(config: Config) -> Iterator[tuple[KeyPath, str]]:
    """Numbers of seeds that are more than their purpose has (see search/evaluation/seeds.py)."""
    evaluation, rescore, meta = config.evaluation, config.rescore, config.meta_validation
    asked = [
        Asked(("evaluation", "seeds"), evaluation.seeds, seeds.SEARCH),
        Asked(("rescore", "seeds"), rescore.seeds, seeds.RESCORING),
        Asked(("meta_validation", "seeds"), meta.seeds, seeds.META_VALIDATION),
        *ablation_seeds(config.ablation, ("ablation",)),
        Asked(("tuning", "seeds"), config.tuning.seeds, seeds.ABLATION_TUNING),
    ]
    if config.funnel is not None:
        asked += funnel_seeds(config.funnel, ("funnel",))
    return refused(asked)


def refused(asked: Iterable[Asked]) -> Iterator[tuple[KeyPath, str]]:
    """What of it cannot be had, and why."""
    for path, count, source, block in asked:
        try:
            source.take(count, block=block)
        except TooManySeeds as error:
            yield path, str(error)


def funnel_seeds(settings: FunnelSettings, section: KeyPath = ()) -> list[Asked]:
    asked = [
        Asked((*section, "head_start", "seeds"), settings.head_start.seeds, seeds.HEAD_START),
        Asked((*section, "finals", "seeds"), settings.finals.seeds, seeds.FINALS),
    ]
    for number, stage in enumerate(settings.stages):
        path = *section, "stages", number
        asked.append(Asked((*path, "seeds"), stage.seeds, seeds.STAGE, number))
        tuning = stage.tuning.seeds, seeds.STAGE_TUNING, number
        asked.append(Asked((*path, "tuning", "seeds"), *tuning))
    return asked


def ablation_seeds(settings: AblationSettings, section: KeyPath = ()) -> list[Asked]:
    confirming = settings.confirm_seeds * ROUNDS
    tuning = settings.retuning.seeds
    return [
        Asked((*section, "seeds"), settings.seeds, seeds.ABLATION),
        Asked((*section, "confirm_seeds"), confirming, seeds.CONFIRMATION),
        Asked((*section, "retuning", "seeds"), tuning, seeds.ABLATION_TUNING),
    ]
