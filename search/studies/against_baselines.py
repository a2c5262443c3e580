"""Evolution against the paper's baselines: constants alone, and random programs.

Chen et al. 2023, Figure 2 (left): both get several times the trainings of evolution. Trainings are
what is counted, not children: most of evolution's children were known before, hardly any of the
baselines' were. All searches of a seed start alike, from the same tuned program if the config tunes
it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from search import api
from search.config.settings import Config
from search.evaluation.source import Fitness
from search.storage.identity import config_of
from search.storage.store import Reader
from search.studies.folder import Folder
from search.studies.searches import Planned, changed, counted

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


def plan_beside(
    runs: Sequence[Path], source: Fitness, *, others: float, overrides: Sequence[str] = ()
) -> list[Planned]:
    """The baselines of searches that have been run, each with its search's config and seed.

    overrides: texts `a.b=value` that replace keys of the configs, such as other workers.
    """
    planned = []
    for run in runs:
        with Reader(run, verified=False) as store:
            config = api.checked(config_of(store), source, [*overrides, "funnel=null"])
        trainings = round(others * counted(run)["trainings"])
        planned += _baselines(config, source, seed=config.seed, trainings=trainings)
    return planned


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
        "evolution.rounds": 1,
        "stop": {"trainings": trainings},
        "funnel": None,
    }
    return Planned(arm, seed, changed(config, source, changes), work=float(trainings))


def arms_of(planned: Sequence[Planned], folder: Folder) -> dict[str, list[Path]]:
    """The run directories of the searches that have ended, by arm."""
    arms: dict[str, list[Path]] = {}
    for one in planned:
        if folder.result(one.name) is not None:
            arms.setdefault(one.arm, []).append(folder.run_dir(one.name))
    return arms
