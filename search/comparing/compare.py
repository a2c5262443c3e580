"""A comparison from its config to its result: checked, trained, kept in a run directory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from programs import user_functions
from programs.counted import counted
from search.comparing.asking import Asking, trainer
from search.comparing.conditions import Axes, Condition, conditions_of
from search.comparing.entrants import Entrant, entrants_of, mistakes_of, name_of
from search.comparing.records import FILE, Records
from search.comparing.results import ConditionResult
from search.comparing.statistics import (
    Difference,
    Profile,
    StepsToTarget,
    Trend,
    differences,
    expected_best_curves,
    profiles,
    steps_to_target,
    trends,
)
from search.comparing.study import Study
from search.comparing.versions import changes
from search.config.comparison import ComparisonConfig
from search.config.load import dumps
from search.config.strict_yaml import KeyPath
from search.evaluation.inspection import Inspection, inspect_here, inspect_tasks
from search.evaluation.request import SettingsByTask, TaskFunction, base_name, settings_of
from search.selection.ledger import Progress
from search.stopping import at_once
from search.storage.files import write_file
from search.workers.pool import Pool
from search.workers.ray_pool import make_pool

CONFIG = "compare.yaml"  # the resolved config, in the run directory


@dataclass(frozen=True)
class ComparisonResult:
    """All that a comparison has measured, and what it says."""

    config: ComparisonConfig
    entrants: tuple[Entrant, ...]
    conditions: tuple[ConditionResult, ...]
    trained: int = 0  # trainings of this process
    reused: int = 0  # from the record
    notes: tuple[str, ...] = ()  # on failures and damage

    @property
    def baseline(self) -> str:
        return self.config.baseline or name_of(self.config.optimizers[0])

    @cached_property
    def differences(self) -> list[Difference]:
        return differences(self.conditions, self.baseline, level=self.config.level)

    @cached_property
    def steps(self) -> list[StepsToTarget]:
        return [one for c in self.conditions for one in steps_to_target(c, self.baseline)]

    @cached_property
    def profiles(self) -> list[Profile]:
        return profiles(self.conditions, self.baseline)

    @cached_property
    def trends(self) -> list[Trend]:
        return trends(self.conditions, self.baseline, level=self.config.level)

    @cached_property
    def expected_best(self) -> dict[str, dict[str, list[float]]]:
        """[N] of n draws, by condition and optimizer; empty where there is no fitness."""
        return {c.label: expected_best_curves(c) for c in self.conditions}

    def measured(self, name: str) -> list[Difference]:
        """Differences of a measure, such as "train_loss"."""
        level = self.config.level
        return differences(self.conditions, self.baseline, level=level, measure=name)

    def difference(self, condition: str, optimizer: str) -> Difference | None:
        """None of the baseline itself."""
        own = (d for d in self.differences if (d.condition, d.optimizer) == (condition, optimizer))
        return next(own, None)

    def steps_of(self, condition: str, optimizer: str) -> StepsToTarget:
        return next(s for s in self.steps if (s.condition, s.optimizer) == (condition, optimizer))


class Checks:
    """What is wrong with a config whose types are right; and the tasks' fingerprints."""

    def __init__(self, tasks_file: str | None = None, tasks: Sequence[TaskFunction] = ()) -> None:
        """tasks_file, tasks: with tasks of the user's own."""
        self._tasks_file, self.tasks = tasks_file, tasks
        self.fingerprints: dict[Condition, str] = {}

    def mistakes(self, config: ComparisonConfig) -> Iterator[tuple[KeyPath, str]]:
        """By key path; it looks at the tasks in another process, but for functions from Python."""
        yield from mistakes_of(config)
        known = set(map(base_name, config.tasks))
        for name in config.settings:
            if base_name(name) not in known:
                yield ("settings", name), "is not one of tasks"
        if config.hold == "examples" and config.batch_sizes is not None:
            yield from self._mistakes_of_hold(config)
        looked: dict[Axes, Inspection] = {}
        for condition in conditions_of(config):
            axes = condition.axes
            if axes not in looked:
                own = [c for c in conditions_of(config) if c.axes == axes]
                settings = {c.task: c.all_settings for c in own}
                looked[axes] = self._inspected(settings)
            inspection = looked[axes]
            if condition.task in inspection.fingerprints:
                self.fingerprints[condition] = inspection.fingerprints[condition.task]
                continue
            for key, message in inspection.mistakes[condition.task].items():
                yield _path(config, condition, key), message

    def _inspected(self, settings: SettingsByTask) -> Inspection:
        if self.tasks:
            own = self._tasks_file
            return inspect_here(list(settings), settings, tasks_file=own, tasks=self.tasks)
        return inspect_tasks(list(settings), settings, self._tasks_file)

    def _mistakes_of_hold(self, config: ComparisonConfig) -> Iterator[tuple[KeyPath, str]]:
        """Tasks whose steps cannot be set."""
        settings = {
            task: {**settings_of(task, config.settings), "steps": 1} for task in config.tasks
        }
        inspection = self._inspected(settings)
        for mistakes in inspection.mistakes.values():
            if message := mistakes.get("steps"):
                yield ("hold",), f"examples sets the steps of each task: {message}"


def _path(config: ComparisonConfig, condition: Condition, key: str) -> KeyPath:
    """Where a task's mistake stands in the config."""
    if key == "batch_size" and condition.batch_size is not None:
        return ("batch_sizes",)
    if key == "warmup" and condition.warmup is not None:
        return ("warmups",)
    of_task = (name for name in config.settings if base_name(name) == base_name(condition.task))
    for name in sorted(of_task, key=lambda name: name != condition.task)[:1]:
        if key in config.settings[name]:
            return "settings", name, key
    return "tasks", config.tasks.index(condition.task)


def compare(
    config: ComparisonConfig,
    run_dir: Path,
    *,
    fingerprints: dict[Condition, str],
    tasks_file: str | None = None,
    tasks: Sequence[TaskFunction] = (),
    show: Callable[[Progress], None] = lambda _: None,
    stopping: Callable[[], int | None] = lambda: None,
    started: Callable[[], None] = lambda: None,
) -> ComparisonResult:
    """Runs or continues a comparison; every training is kept in `run_dir` as it ends.

    Args:
      config: without mistakes; fingerprints: of its conditions, both by `Checks`.
      tasks_file, tasks: with tasks of the user's own.
      started: called once the user's mistakes are behind it.

    Raises:
      StoreError: the run directory is another process's. Stopped: asked to stop.
      WorkerError, TooManyFailures: nothing can be trained.
    """

    def start() -> Pool:
        factory = trainer(tasks_file, tasks, user_functions.registered())
        with at_once(stopping):
            return make_pool(factory, config.workers)

    with Records(run_dir / FILE) as records:
        write_file(run_dir / CONFIG, dumps(config))
        changed = changes(run_dir)
        started()
        asking = Asking(start, records, fingerprints=fingerprints, show=show, stopping=stopping)
        with closing(asking), at_once(stopping):
            conditions = Study(config, asking).run()
        notes = (*changed, *_notes(records, asking))
    return ComparisonResult(
        config,
        tuple(entrants_of(config)),
        tuple(conditions),
        asking.trained,
        asking.reused,
        notes,
    )


def _notes(records: Records, asking: Asking) -> tuple[str, ...]:
    notes = []
    if records.damaged:
        notes.append(
            f"{records.path}: cut off or damaged, and left out: {counted(records.damaged, 'line')}"
        )
    if again := len(records.failed & records.known.keys()):
        notes.append(f"tried again, as their worker had failed: {counted(again, 'training')}")
    if asking.failures:
        notes.append(f"{counted(len(asking.failures), 'training')} failed, the last one: "
                     f"{asking.failures[-1]}")  # fmt: skip
    return tuple(notes)
