"""A search's config, checked: whether what it asks for can be had (programs, earlier runs, seeds,
workers)."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from programs import Program, ProgramError
from programs import load as load_program
from programs.counted import counted
from programs.function_draws import named, of_trees, weights_of
from programs.program import KEEP
from search.config.load import Check, loads, read_as
from search.config.selection import (
    AblationSettings,
    FinalsSettings,
    FunnelSettings,
    StageSettings,
    TuningSettings,
    fewest_seeds,
)
from search.config.settings import Config, EvolutionSettings
from search.config.strict_yaml import KeyPath
from search.evaluation import seeds
from search.evaluation.seeds import SeedRange, TooManySeeds
from search.evaluation.source import Fitness
from search.shortening.ablation import ROUNDS
from search.storage import identity
from search.storage.errors import StoreError
from search.storage.kept import NOTHING, Kept
from search.storage.queries import has_results
from search.storage.store import Reader

WORKERS_PER_CORE = 16  # more on one machine are a slip
MEMORY_GB = 1.0  # what a worker needs: JAX and a small task alone take 0.6


ConfigLike = Config | str | Path | Mapping[str, Any]


def resolved(
    config: ConfigLike | None,
    run_dir: str | Path,
    *,
    overrides: Sequence[str] = (),
    resume: bool = False,
    source: Fitness,
    kept: Kept = NOTHING,
) -> Config:
    """The config of a search that begins or continues, checked (see `search`).

    kept: what the run keeps of the files that its config names.

    Raises:
      ConfigError: with all mistakes. StoreError: there is no search to go on with.
    """
    if resume:
        with Reader(run_dir, verified=False) as store:
            text, name = identity.config_text(store), f"the config in {store.path}"
            if has_results(store):
                identity.check_functions(store)  # before programs that use them are read
        if config is None:
            check = _check_of(source, kept)
            return loads(text.encode(), name, overrides=overrides, check=check)
    elif config is None:
        raise ValueError("a new search needs a config")
    return checked(config, source, overrides, kept=kept)


def checked(
    config: ConfigLike, source: Fitness, overrides: Sequence[str] = (), *, kept: Kept = NOTHING
) -> Config:
    """A config that a search can run with. Raises ConfigError with all mistakes.

    overrides: texts `a.b=value` that replace keys; kept: see `resolved`.
    """
    return read_as(Config, config, overrides=overrides, check=_check_of(source, kept))


def _check_of(source: Fitness, kept: Kept) -> Check:
    """What a config is checked by once its types are right."""
    return lambda config: [*mistakes(config, kept), *source.mistakes(config)]


def mistakes(config: Config, kept: Kept = NOTHING) -> Iterator[tuple[KeyPath, str]]:
    """All mistakes but those of tasks, by key path; those come from the source of fitness."""
    yield from missing_packages(config)
    yield from wrong_functions(config)
    yield from wrong_files(config, kept)
    yield from too_many_seeds(config)
    yield from wrong_workers(config)
    if config.reports.tensorboard and importlib.util.find_spec("tensorboardX") is None:
        yield ("reports", "tensorboard"), "needs tensorboardX: pip install tensorboardX"


def wrong_functions(config: Config) -> Iterator[tuple[KeyPath, str]]:
    """Functions that are none, or of which the search could make no program."""
    functions, path = config.evolution.functions, ("evolution", "functions")
    if functions is None:
        return
    unknown = False
    for name in functions:
        try:
            named(name)
        except ProgramError as error:
            yield (*path, name), str(error)
            unknown = True
    if unknown:
        return
    try:
        weights = weights_of(functions)
    except ProgramError as error:
        yield path, str(error)
        return
    if config.evolution.mode == "random" and not of_trees(weights):
        message = "the mode random needs at least one that can give a whole tree, as an update is"
        yield path, f"{message}, got {', '.join(weights)}"


def funnel_mistakes(config: Config) -> Iterator[tuple[KeyPath, str]]:
    """What of it a funnel on a finished search depends on, but for tasks."""
    if config.funnel is None:
        yield ("funnel",), "expected the settings of a funnel, got null: there is nothing to run"
    yield from missing_packages(config)
    yield from wrong_baselines(config)
    yield from too_many_seeds(config)
    yield from wrong_workers(config)


def missing_packages(config: Config) -> Iterator[tuple[KeyPath, str]]:
    """What is not installed and would be imported only hours later."""
    if config.workers.address != "in_process" and find_spec("ray") is None:
        message = "the package ray is not installed: install it, or give in_process, got"
        yield ("workers", "address"), f"{message} {config.workers.address}"
    if config.funnel is not None and find_spec("egglog") is None:
        message = "the package egglog, by which its final program is made short, is not installed"
        yield ("funnel",), f"{message}: install it, or give null"


def wrong_files(config: Config, kept: Kept = NOTHING) -> Iterator[tuple[KeyPath, str]]:
    """What a config names and cannot be read: programs and earlier runs."""
    yield from wrong_warm_starts(config)
    yield from wrong_baselines(config)
    for index, run in enumerate(() if kept.has_imported else config.cache.runs):
        try:
            Reader(run).close()
        except StoreError as error:
            yield ("cache", "runs", index), str(error)


def wrong_warm_starts(config: Config) -> Iterator[tuple[KeyPath, str]]:
    """Warm starts that cannot be read, or that no search could begin with."""
    evolution = config.evolution
    for index, name in enumerate(evolution.warm_start):
        path = "evolution", "warm_start", index
        try:
            program = load_program(name)
        except ProgramError as error:
            yield path, str(error)
            continue
        if evolution.mode == "tune" and not program.free_constants():
            yield path, f"{name} has no constant that the mode tune could change"
        most = evolution.max_states
        if most is not None and len(program.states) > most:
            count = len(program.states)
            message = f"{name} has {counted(count, 'state')} already; expected at least {count}"
            yield ("evolution", "max_states"), message
        for message in wrong_marks(config.evolution, program):
            yield path, f"{name}: {message}"
        longest, length = evolution.mutations.max_length, len(program)
        if longest is not None and length > longest:
            message = (
                f"{name} has {counted(length, 'statement')} already; expected at least {length}"
            )
            yield ("evolution", "mutations", "max_length"), message


def wrong_marks(settings: EvolutionSettings, start: Program) -> Iterator[str]:
    """Why a search could not keep a start's frozen statements and go on."""
    frozen, weights, count = start.frozen, settings.mutations, len(start)
    if not frozen or settings.mode != "evolution":
        return
    if not weights.insert:
        yield f"without insertions no statement may end in '{KEEP}': no mutation might be left"
    elif len(frozen) == count == weights.max_length:
        yield f"each of its {count} statements ends in '{KEEP}', and max_length allows no more"


def wrong_baselines(config: Config) -> Iterator[tuple[KeyPath, str]]:
    """The funnel's baselines that cannot be read."""
    for index, name in enumerate(config.funnel.baselines if config.funnel else ()):
        try:
            load_program(name)
        except ProgramError as error:
            yield ("funnel", "baselines", index), str(error)


def wrong_workers(config: Config) -> Iterator[tuple[KeyPath, str]]:
    """Workers that could not start, or would bring this machine down."""
    workers = config.workers
    if workers.memory_gb is not None and workers.memory_gb < MEMORY_GB:
        message = f"a worker needs at least {MEMORY_GB:g} to start, got {workers.memory_gb:g}"
        yield ("workers", "memory_gb"), message
    cores = os.cpu_count() or 1
    if workers.address == "local" and (workers.count or 0) > WORKERS_PER_CORE * cores:
        yield (
            ("workers", "count"),
            f"more than {WORKERS_PER_CORE} workers for each of this machine's {cores} cores; "
            f"expected at most {WORKERS_PER_CORE * cores}",
        )


def doubts(config: Config) -> list[str]:
    """Settings that have no effect, one line each; a search can run with them."""
    lines = [
        *_too_few_draws(config.tuning, "tuning"),
        *_too_few_draws(config.ablation.retuning, "ablation.retuning"),
        *_without_effect(config),
    ]
    if (start := config.evolution.tune_start) is not None:
        lines += _too_few_draws(start, "evolution.tune_start")
    if config.funnel is None:
        return lines
    lines += _too_few_draws(config.funnel.head_start, "funnel.head_start")
    coming = config.funnel.families
    for number, stage in enumerate(config.funnel.stages):
        front = f"funnel.stages[{number}]"
        if stage.keep > coming:
            lines.append(f"{front}.keep: {stage.keep} is more than the {coming} candidates: "
                         "all of them are promoted")  # fmt: skip
        lines += _too_few_draws(stage.tuning, f"{front}.tuning")
        if stage.beat:
            pairs = counted(stage.seeds, "seed")
            lines += _idle_looks(f"{front}.looks", stage, first=stage.seeds, pairs=pairs)
        coming = min(coming, stage.keep)
    finals = config.funnel.finals
    first = finals.most_pairs // finals.looks
    pairs = counted(first, finals.unit.removesuffix("s"))
    return [*lines, *_idle_looks("funnel.finals.looks", finals, first=first, pairs=pairs)]


def _idle_looks(
    path: str, stage: StageSettings | FinalsSettings, *, first: int, pairs: str
) -> list[str]:
    """A first look at so few pairs that no program can pass in it."""
    least = fewest_seeds(stage.level / stage.looks)
    if stage.looks == 1 or least is None or first >= least:
        return []
    return [
        f"{path}: with {pairs} the first of {stage.looks} looks can show nothing at level "
        f"{stage.level:g}; it takes {least}"
    ]


def _without_effect(config: Config) -> Iterator[str]:
    """Settings of evolution and evaluation that others make useless."""
    evolution, evaluation, default = config.evolution, config.evaluation, EvolutionSettings()
    is_random = evolution.mode == "random"
    if evolution.mode != "evolution" and evolution.mutations != default.mutations:
        why = "draws whole programs" if is_random else "changes constants alone"
        yield f"evolution.mutations: the mode {evolution.mode} {why}"
    if not is_random and evolution.random_length != default.random_length:
        yield f"evolution.random_length: the mode {evolution.mode} draws no whole program"
    if is_random and evolution.tournament != default.tournament:
        yield "evolution.tournament: a random program has no parent"
    if is_random and evolution.migration_interval is not None:
        yield "evolution.migration_interval: a random program has no parent that could migrate"
    if is_random and evolution.niches is not None:
        yield "evolution.niches: a random program has no parent, so shares have no effect"
    if evolution.mode == "tune" and evolution.functions is not None:
        yield "evolution.functions: the mode tune inserts nothing"
    if evolution.mode == "tune" and evolution.max_states is not None:
        yield "evolution.max_states: the mode tune assigns no further state"
    if is_random and (evolution.price.state or evolution.price.statement):
        yield "evolution.price: a random program has no parent, so there are no tournaments"
    if evolution.mode != "evolution" and evaluation.match_size:
        why = "a random program has no parent" if is_random else "no structure changes"
        yield f"evaluation.match_size: in the mode {evolution.mode} {why}"
    if evolution.mode == "tune" and evaluation.rates_when == "changed":
        yield "evaluation.rates_when: in the mode tune no structure changes, so one rate is tried"
    if len(evaluation.rates) == 1 and evaluation.rates_when != "failed":
        yield "evaluation.rates_when: there is one rate only"
    if evaluation.race is not None and evaluation.seeds == 1:
        yield "evaluation.race: there is one seed only"


def _too_few_draws(tuning: TuningSettings, front: str) -> list[str]:
    if tuning.keep <= tuning.draws or tuning.draws == 1:  # 1: no tuning at all
        return []
    kept, draws = tuning.keep, tuning.draws
    return [f"{front}.keep: {kept} is more than the {draws} draws: all of them are kept"]


class Asked(NamedTuple):
    """Seeds that a setting asks for."""

    path: KeyPath
    seeds: int  # in all
    source: SeedRange
    block: int = 0


def too_many_seeds(config: Config) -> Iterator[tuple[KeyPath, str]]:
    """Numbers of seeds that are more than their purpose has (see search/evaluation/seeds.py)."""
    evaluation, rescore, meta = config.evaluation, config.rescore, config.meta_validation
    asked = [
        Asked(("evaluation", "seeds"), evaluation.seeds, seeds.SEARCH),
        Asked(("rescore", "seeds"), rescore.seeds, seeds.RESCORING),
        Asked(("meta_validation", "seeds"), meta.seeds, seeds.META_VALIDATION),
        *start_tuning_seeds(config.evolution.tune_start),
        *ablation_seeds(config.ablation, ("ablation",)),
        Asked(("tuning", "seeds"), config.tuning.seeds, seeds.ABLATION_TUNING),
    ]
    if config.funnel is not None:
        asked += funnel_seeds(config.funnel, ("funnel",))
    return refused(asked)


def start_tuning_seeds(tuning: TuningSettings | None) -> list[Asked]:
    """What the tuning of the warm starts asks for."""
    if tuning is None:
        return []
    return [Asked(("evolution", "tune_start", "seeds"), tuning.seeds, seeds.START_TUNING)]


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
        Asked((*section, "finals", "seeds"), settings.finals.most_seeds, seeds.FINALS),
    ]
    if settings.finals.tunings > 1:
        each = settings.head_start.seeds + sum(stage.tuning.seeds for stage in settings.stages)
        path, last = (*section, "finals", "tunings"), settings.finals.most_pairs - 1
        asked.append(Asked(path, each, seeds.FINALS_TUNING, last))
    for number, stage in enumerate(settings.stages):
        path = *section, "stages", number
        asked.append(Asked((*path, "seeds"), stage.most_seeds, seeds.STAGE, number))
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
