"""Evolution against the paper's baselines: constants alone, and random programs.

Chen et al. 2023, Figure 2 (left): both get several times the trainings of evolution. Trainings are
what is counted, not children: most of evolution's children were known before, hardly any of the
baselines' were. All searches of a seed start alike, from the same tuned program if the config tunes
it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from search import api
from search.config.settings import Config
from search.evaluation.source import Fitness
from search.storage.errors import StoreError
from search.storage.identity import config_of
from search.storage.leaders import leaders
from search.storage.store import Reader, opened
from search.studies.folder import Folder
from search.studies.searches import Asked, Planned, changed, counted
from search.studies.trainings import fresh_mean

EVOLUTION, CONSTANTS, RANDOM = "evolution", "constants only", "random"
MODES = {EVOLUTION: "evolution", CONSTANTS: "tune", RANDOM: "random"}
ENDLESS = 10**9  # children: the budget of trainings ends the search


def plan(
    config: Config, source: Fitness, *, trainings: int, others: float, repeats: int
) -> list[Planned]:
    """The searches with the config's seed and those that follow it, seed by seed.

    trainings: of evolution; the baselines get `others` times as many.
    """
    planned = []
    for seed in range(config.seed, config.seed + repeats):
        planned.append(_planned(config, source, arm=EVOLUTION, seed=seed, trainings=trainings))
        planned += _baselines(config, source, seed=seed, trainings=round(others * trainings))
    return planned


def plan_beside(given: Mapping[str, Config], source: Fitness, *, others: float) -> list[Planned]:
    """The baselines of searches that have been run, each with its search's config and seed.

    given: their configs by run directory.

    Raises:
      StoreError: two of them have one seed.
    """
    seeds = [config.seed for config in given.values()]
    if len(set(seeds)) < len(seeds):
        raise StoreError(f"searches of evolution: expected different seeds, got {seeds}")
    planned = []
    for run, config in given.items():
        trainings = round(others * counted(Path(run))["trainings"])
        planned += _baselines(config, source, seed=config.seed, trainings=trainings)
    return planned


def config_beside(run: Path, source: Fitness, overrides: Sequence[str] = ()) -> Config:
    """The config of a search that has been run, without what follows it."""
    with Reader(run, verified=False) as store:
        return api.checked(config_of(store), source, [*overrides, "funnel=null"])


def best_fresh(
    run: Path,
    folder: Folder,
    config: Config,
    *,
    seeds: int,
    clock: Asked,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """The best program of a search by its fitness, and its mean on fresh seeds; null: none has a
    fitness."""
    with opened(run) as store:
        leading = leaders(store, 1)
    if not leading:
        return dict.fromkeys(("program", "fitness", "fresh"))
    [best] = leading
    fresh = fresh_mean(best.program, folder, config, seeds=seeds, clock=clock, say=say)
    return {"program": best.text, "fitness": best.fitness, "fresh": fresh}


def _baselines(config: Config, source: Fitness, *, seed: int, trainings: int) -> list[Planned]:
    return [
        _planned(config, source, arm=arm, seed=seed, trainings=trainings)
        for arm in (CONSTANTS, RANDOM)
    ]


def _planned(config: Config, source: Fitness, *, arm: str, seed: int, trainings: int) -> Planned:
    changes = {
        "seed": seed,
        "evolution.mode": MODES[arm],
        "evolution.children": ENDLESS,
        "evolution.flat_children": None,
        "evolution.repeats": 1,
        "evolution.migration_interval": None,
        "evolution.rounds": 1,
        "stop": {"trainings": trainings},
        "funnel": None,
        "rescore.programs": 0,
    }
    return Planned(arm, seed, changed(config, source, changes), work=float(trainings))
