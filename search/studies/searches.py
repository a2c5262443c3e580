"""The searches of a study, one after the other, in as many pieces as it takes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from search import api
from search.config.settings import Config
from search.evaluation.seeds import START_TUNING
from search.evaluation.source import Fitness
from search.reports.progress import duration
from search.storage.errors import StoreError
from search.storage.identity import is_begun
from search.storage.leaders import leaders
from search.storage.queries import last_number, training_counts, trainings
from search.storage.store import Reader, Store, opened
from search.studies.clock import Clock
from search.studies.folder import Folder

Say = Callable[[str], None]
Asked = Callable[[], int | None]
EVERY_S = 15.0  # between two lines of progress


@dataclass(frozen=True)
class Planned:
    """A search that a study needs."""

    arm: str  # what is compared
    seed: int
    config: Config  # without a funnel
    work: float = 1.0  # how much longer it takes than others, roughly; for the time left

    @property
    def name(self) -> str:
        """Of its run directory and its result."""
        return f"{self.arm.replace(' ', '_')}-{self.seed}"


Then = Callable[[Planned, Path, Asked], dict[str, Any]]


class Done(NamedTuple):
    """How far a search is."""

    arm: str
    work: float
    share: float  # of it
    seconds: float  # that this took


def changed(config: Config, source: Fitness, changes: Mapping[str, Any]) -> Config:
    """The config with other values under dotted keys, checked. Raises ConfigError."""
    data = config.model_dump(mode="json")
    for key, value in changes.items():
        *parts, last = key.split(".")
        inner = data
        for part in parts:
            inner = inner[part]
        inner[last] = value
    return api.checked(data, source)


def run_all(
    planned: Sequence[Planned],
    folder: Folder,
    *,
    source: Fitness,
    clock: Clock,
    say: Say = print,
    then: Then = lambda *_: {},
    known: Sequence[Path] = (),
) -> None:
    """Runs or continues the searches, in order; the result of each is kept in the folder.

    then: what follows a search in its run directory, asked to stop as the search is; its values are
      kept with the result.
    known: searches that have been run: starts that they have tuned are not tuned again.

    Raises:
      Stopped: the clock or the user ended it; the same call goes on.
    """
    watch = _Watch(planned, folder, clock=clock, say=say)
    for one in planned:
        if folder.result(one.name) is not None:
            continue
        run_dir = folder.run_dir(one.name)
        is_resumed = is_begun(run_dir)
        if not is_resumed:
            ended = [p for p in planned if p.seed == one.seed and folder.result(p.name) is not None]
            _add_tunings(run_dir, [*known, *(folder.run_dir(p.name) for p in ended)])
        watch.begin(one)
        api.search(one.config, run_dir, resume=is_resumed, source=source, stopping=watch)
        result = {"arm": one.arm, "seed": one.seed, **counted(run_dir), **then(one, run_dir, watch)}
        folder.keep(one.name, {**result, "seconds": round(watch.seconds(), 1)})
        watch.end()


def _add_tunings(run_dir: Path, others: Sequence[Path]) -> None:
    """Gives a search that begins what others have trained to tune their warm start: with their seed
    and tasks it would train the same."""
    with Store(run_dir) as store:
        for other in others:
            with Reader(other, verified=False) as reader:
                for row in trainings(reader):
                    if row.seed in START_TUNING.take(START_TUNING.most):
                        store.add(row)
        store.commit()


def counted(run_dir: Path) -> dict[str, Any]:
    """Individuals and trainings of a search so far."""
    with Reader(run_dir, verified=False) as store:
        trained = sum(count for _, count in training_counts(store))
        return {"individuals": last_number(store) + 1, "trainings": trained}


def has_fitness(run_dir: Path) -> bool:
    """Whether any program of a search has one."""
    with opened(run_dir) as store:
        return bool(leaders(store, 1))


def share_done(config: Config, individuals: int, trainings: int) -> float:
    """How much of a search is done, by its budget."""
    evolution = config.evolution
    whole = evolution.repeats * evolution.rounds * evolution.children
    share = individuals / whole
    if config.stop.trainings is not None:
        share = max(share, trainings / config.stop.trainings)
    return min(1.0, share)


def left_s(searches: Sequence[Done]) -> float:
    """Seconds that the rest takes, at the speed so far of each arm; of an arm that has not begun at
    the speed of the others. NaN: nothing is done yet."""

    def speed(few: Sequence[Done]) -> float:  # seconds for a unit of work
        work = sum(one.work * one.share for one in few)
        return sum(one.seconds for one in few if one.share) / work if work else math.nan

    every = speed(searches)
    arms = {one.arm: speed([of for of in searches if of.arm == one.arm]) for one in searches}
    rest = [
        one.work * (1 - one.share) * (arms[one.arm] if math.isfinite(arms[one.arm]) else every)
        for one in searches
        if one.share < 1
    ]
    return sum(rest)


class _Watch:
    """Asked by a search whether to stop; now and then it says how far the study is."""

    def __init__(self, planned: Sequence[Planned], folder: Folder, *, clock: Clock, say: Say):
        self._planned, self._folder, self._clock, self._say = planned, folder, clock, say
        self._now: Planned | None = None
        self._began = self._before_s = 0.0
        self._due = time.monotonic() + EVERY_S

    def begin(self, planned: Planned) -> None:
        self._now, self._began = planned, time.monotonic()
        self._before_s = _searched_s(self._folder.run_dir(planned.name))
        self._due = min(self._due, self._began + EVERY_S)

    def seconds(self) -> float:
        """Of the present search, over all pieces."""
        return self._before_s + time.monotonic() - self._began

    def end(self) -> None:
        self._say(f"{self._line()}: done")
        self._due = time.monotonic() + EVERY_S

    def __call__(self) -> int | None:
        if time.monotonic() >= self._due:
            self._say(self._line())
            self._due = time.monotonic() + EVERY_S
        return self._clock()

    def _line(self) -> str:
        done = [self._done(one) for one in self._planned]
        ended = sum(self._folder.result(one.name) is not None for one in self._planned)
        left = left_s(done)
        time_left = f"about {duration(left)} left" if left == left else "time left not known yet"
        now = self._now
        return (
            f"{'' if now is None else f'{now.arm}, seed {now.seed}: '}"
            f"{ended} of {len(done)} searches ended, {time_left}"
        )

    def _done(self, one: Planned) -> Done:
        result = self._folder.result(one.name)
        if result is not None:
            return Done(one.arm, one.work, 1.0, result["seconds"])
        run_dir = self._folder.run_dir(one.name)
        if not is_begun(run_dir):
            return Done(one.arm, one.work, 0.0, 0.0)
        share = share_done(one.config, **counted(run_dir))
        seconds = self.seconds() if one is self._now else _searched_s(run_dir)
        return Done(one.arm, one.work, share, seconds)


def _searched_s(run_dir: Path) -> float:
    """Seconds of a search in earlier pieces."""
    if not is_begun(run_dir):
        return 0.0
    try:
        with Reader(run_dir, verified=False) as store:
            return float(store.meta("searched_s") or 0.0)
    except StoreError:
        return 0.0
