"""Where searches begin to overfit their tasks: many short ones with meta-validation.

Chen et al. 2023, Figure 3, has 50 searches; `search/selection/overfitting.py` has the rule.
"""

from __future__ import annotations

from search.config.load import ConfigError
from search.config.settings import Config
from search.evaluation.source import Fitness
from search.studies.searches import Planned, changed

ARM = "search"


def plan(
    config: Config, source: Fitness, *, children: int, points: int, repeats: int
) -> list[Planned]:
    """Searches of so many children, each with so many points of meta-validation.

    Raises:
      ConfigError: they would have no two points, so that nothing could rise or fall, or cannot have
        so many evenly.
    """
    if min(children, points) < 2:
        got = f"got {children} and {points}"
        raise ConfigError([f"children and points: expected 2 or more of each, {got}"])
    if children % points:
        near = max(1, round(children / points)) * points
        text = f"children: expected a multiple of the {points} points, got {children}"
        raise ConfigError([f"{text}; {near} would be one"])
    changes: dict[str, object] = {
        "evolution.children": children,
        "evolution.flat_children": None,
        "evolution.repeats": 1,
        "evolution.migration_interval": None,
        "evolution.rounds": 1,
        "meta_validation.every": children // points,
        "stop": {},
        "funnel": None,
        "rescore.programs": 0,
    }
    return [
        Planned(ARM, seed, changed(config, source, {**changes, "seed": seed}))
        for seed in range(config.seed, config.seed + repeats)
    ]
