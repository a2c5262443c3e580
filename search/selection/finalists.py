"""The leading programs of a search, scored again on fresh seeds beside the warm start.

The best of many noisy scores is biased upwards, so what a search reports, and what a restart begins
with, is decided by seeds that the search has not seen. Seeds are shared, so differences are paired.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from search.config.settings import Config, EvaluationSettings
from search.evaluation.fitness import Evaluation, score_of
from search.evaluation.jobs import Job, Purpose
from search.evaluation.request import Request
from search.evaluation.seeds import RESCORING
from search.selection.comparison import t_interval
from search.storage.leaders import Leader, leaders, warm_start
from search.storage.queries import evaluations
from search.storage.store import Reader, Store

LEVEL = 0.025  # chance that a bound of an interval is wrong: 95 % intervals


@dataclass(frozen=True)
class Finalist:
    """A leader with its fitness on fresh seeds."""

    leader: Leader
    fresh: tuple[float, ...]  # [seeds]; empty when it was not scored again
    start: tuple[float, ...]  # [seeds] the warm start's fitness on the same seeds

    @property
    def gain(self) -> tuple[float, ...]:
        """[seeds] fitness minus the warm start's, seed by seed; NaN where neither has one."""
        return tuple(ours - theirs for ours, theirs in zip(self.fresh, self.start, strict=True))

    @property
    def mean(self) -> float:
        """Of its fitness on fresh seeds; the search's fitness where it was not scored again."""
        return fmean(self.fresh) if self.fresh else self.leader.fitness

    @property
    def gain_interval(self) -> tuple[float, float]:
        """Of its gain over the warm start, at 95 % (Student's t over paired seeds)."""
        return t_interval(self.gain, LEVEL)


def rescored(
    store: Store,
    config: Config,
    *,
    before: int,
    evaluate: Callable[[Iterable[Job]], None],
) -> list[Finalist]:
    """The leading programs, the best on fresh seeds first; at least one.

    before: only programs that were committed before this individual; evaluate: runs jobs and stores
    their evaluations.
    """
    settings = config.rescore
    store.commit()
    start = warm_start(store)
    best = leaders(store, max(settings.programs, 1), before) or [start]
    if not settings.programs:
        return [Finalist(leader, (), ()) for leader in best]
    seeds = RESCORING.take(settings.seeds)
    jobs = []
    for leader in dict.fromkeys((start, *best)):
        stored = set(fresh_fitness(store, leader.number, config.evaluation))
        for seed in (seed for seed in seeds if seed not in stored):
            requests = (Request(leader.program, t, seed) for t in config.evaluation.tasks)
            jobs.append(Job(leader.number, Purpose.RESCORE, tuple(requests)))
    evaluate(jobs)
    return _finalists(store, config, best)


def stored_finalists(store: Reader, config: Config) -> list[Finalist]:
    """The same of a search that may still run, from what is stored: those that were scored again
    first, none where no program has a fitness."""
    return _finalists(store, config, leaders(store, max(config.rescore.programs, 1)))


def _finalists(store: Reader, config: Config, best: Sequence[Leader]) -> list[Finalist]:
    if not best:
        return []
    seeds = RESCORING.take(config.rescore.seeds)
    reference = fresh_fitness(store, warm_start(store).number, config.evaluation)
    finalists = []
    for leader in best:
        fresh = fresh_fitness(store, leader.number, config.evaluation)
        scored = [seed for seed in seeds if seed in fresh and seed in reference]
        ours, start = (tuple(of[seed] for seed in scored) for of in (fresh, reference))
        finalists.append(Finalist(leader, ours, start))
    return sorted(finalists, key=lambda finalist: (not finalist.fresh, -finalist.mean))


def fresh_fitness(store: Reader, number: int, settings: EvaluationSettings) -> dict[int, float]:
    """Fitness by fresh seed."""
    stored = evaluations(store, Purpose.RESCORE, first=number, last=number)
    by_seed: dict[int, list[Evaluation]] = {}
    for evaluation in stored.get(number, ()):
        by_seed.setdefault(evaluation.seed, []).append(evaluation)
    return {seed: score_of(of_seed, settings).fitness for seed, of_seed in by_seed.items()}
