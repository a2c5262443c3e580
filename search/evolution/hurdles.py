"""Hurdles: which fitness a training must have reached part of the way, from committed results only.

The reference is the population as the child sees it, so thresholds, and with them the whole
history, follow from the config. What is wrongly rejected is measured by audits: a few rejected
programs, chosen by their hash, are trained to the end, and the search never hears of it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import numpy as np

from search.config.settings import HurdleSettings
from search.evaluation.fitness import NOT_TRAINED, Outcome, Score
from search.evaluation.request import Thresholds


class ThresholdTracker:
    """The thresholds of a population that moves on; only its newest scores are read.

    size: of the population; least: members with a fitness below which there are no thresholds.
    """

    def __init__(self, size: int, settings: HurdleSettings, least: int = 1):
        self._settings, self._least = settings, least
        self._completed = np.zeros(size, bool)
        self._rows = np.empty((size, 0, 0))  # [population, tasks, hurdles and the end]
        self._seen: int | None = None

    def thresholds(self, newest_first: Iterable[Score], seen: int) -> Thresholds:
        """Least fitness at each hurdle of each task.

        A training may be behind the population's quantile by `slack` times what the population's
        median still gained from the hurdle to the end.

        newest_first: the population; seen: how many results it has ever taken in.
        """
        if not self._settings.at:
            return ()
        size = len(self._completed)
        new = size if self._seen is None else min(size, seen - self._seen)
        for back, score in enumerate(itertools.islice(newest_first, new), start=1):
            self._put((seen - back) % size, score)
        self._seen = seen
        if self._completed.sum() < self._least:
            return ()
        rows = self._rows[self._completed]
        reached, final = rows[:, :, :-1], np.median(rows[:, :, -1], axis=0)
        still_to_gain = np.maximum(final[:, None] - np.median(reached, axis=0), 0)
        settings = self._settings
        least = np.quantile(reached, settings.quantile, axis=0) - settings.slack * still_to_gain
        return tuple(tuple(row) for row in least.tolist())

    def _put(self, index: int, score: Score) -> None:
        self._completed[index] = score.outcome is Outcome.COMPLETED
        if self._completed[index]:
            row = [(*at, end) for at, end in zip(score.checkpoints, score.by_task)]
            if not self._rows.size:
                self._rows = np.empty((len(self._rows), len(row), len(row[0])))
            self._rows[index] = row


def may_be_audited(outcome: Outcome, functional_hash: bytes, settings: HurdleSettings) -> bool:
    """Whether a program was rejected early, and is one of those that are trained to the end."""
    early = outcome is Outcome.HURDLE or outcome in NOT_TRAINED
    return early and int.from_bytes(functional_hash[:4], "big") < settings.audit_share * 2**32
