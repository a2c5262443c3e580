"""Which points of the meta-validation curves are due.

    meta = MetaValidation(store, settings, tasks)    in the driver
    meta.due()                                       after a commit: jobs to submit

What the scores show is in search/selection/overfitting.py.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from programs import parse
from search.config.selection import MetaValidationSettings
from search.evaluation.jobs import Job, Purpose
from search.evaluation.request import META, Request, scaled
from search.evaluation.seeds import META_VALIDATION
from search.storage.queries import births, evaluations
from search.storage.store import Reader


class MetaValidation:
    """Finds the points of the curves as they are reached.

    It reads the store alone, so after a kill what has no score is asked for again, and so is what
    other settings than before ask for.
    """

    def __init__(self, store: Reader, settings: MetaValidationSettings, tasks: Sequence[str]):
        """tasks: the search's; meta-validation is on the same at its scale."""
        self.store, self.settings = store, settings
        self._tasks = [scaled(task, settings.scale) for task in tasks]
        self._history = History(store, settings)
        stored = evaluations(store, Purpose.META_VALIDATION)
        self._asked = {n: {(e.task, e.seed) for e in its} for n, its in stored.items()}

    def due(self) -> list[Job]:
        """Jobs for the points reached since the last call: what their leaders lack, if anything.

        Cheap: reads the rows committed since.
        """
        jobs = []
        seeds = META_VALIDATION.take(self.settings.seeds)
        for _, _, number, _, text in self._history.reached() if self.settings.every else ():
            asked = self._asked.setdefault(number, set())
            missing = [(t, s) for t in self._tasks for s in seeds if (t, s) not in asked]
            if missing:
                asked.update(missing)
                program = parse(text)
                requests = (Request(program, task, seed, META) for task, seed in missing)
                jobs.append(Job(number, Purpose.META_VALIDATION, tuple(requests)))
        return jobs


class History:
    """One pass over the individuals in order of birth, with the best so far of each repeat."""

    def __init__(self, store: Reader, settings: MetaValidationSettings):
        self._store, self._every = store, settings.every
        self._best: dict[int, tuple[float, int, str]] = {}
        self._seen = -1

    def reached(self) -> Iterator[tuple[int, int, int, float, str]]:
        """Repeat, children, and the best individual with its fitness and text, for each new point.

        Of equally good individuals the oldest is the best.
        """
        for row in births(self._store, after=self._seen, with_text=True):
            self._seen, repeat, child = row.number, row.repeat, row.child
            if row.fitness > self._best.get(repeat, (-math.inf,))[0]:
                self._best[repeat] = row.fitness, row.number, row.text
            if child >= 0 and (child + 1) % self._every == 0 and repeat in self._best:
                fitness, leader, text = self._best[repeat]
                yield repeat, child + 1, leader, fitness, text
