"""Hurdles: which fitness a training must have reached part of the way, from told results only.

The reference is the population as the child sees it, so thresholds, and with them the whole
history, follow from the config. What is wrongly rejected is measured by audits: a few rejected
programs, chosen by their hash, are trained to the end, and the search never hears of it.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from search.scores import NOT_TRAINED, Outcome, Score
from search.settings import HurdleSettings

Thresholds = tuple[tuple[float, ...], ...]  # [tasks, hurdles] least fitness; empty: none


def thresholds(population: Iterable[Score], settings: HurdleSettings) -> Thresholds:
    """Least fitness at each hurdle of each task.

    A training may be behind the population's quantile by `slack` times what the population's
    median still gained from the hurdle to the end.
    """
    if not settings.at:
        return ()
    scores = [score for score in population if score.outcome is Outcome.COMPLETED]
    if not scores:
        return ()
    final = np.median([score.by_task for score in scores], axis=0)  # [tasks]
    reached = np.array([score.checkpoints for score in scores])  # [scores, tasks, hurdles]
    still_to_gain = np.maximum(final[:, None] - np.median(reached, axis=0), 0)
    least = np.quantile(reached, settings.quantile, axis=0) - settings.slack * still_to_gain
    return tuple(tuple(row) for row in least.tolist())


def may_be_audited(outcome: Outcome, functional_hash: bytes, settings: HurdleSettings) -> bool:
    """Whether a program was rejected early, and is one of those that are trained to the end."""
    early = outcome is Outcome.HURDLE or outcome in NOT_TRAINED
    return early and int.from_bytes(functional_hash[:4], "big") < settings.audit_share * 2**32
