"""A funnel on a store: candidates from a search, workers, stages kept as they end."""

from __future__ import annotations

import functools
import itertools
import json
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import get_args

from programs import load, user_functions
from search.arguments import check_choice, some_listed
from search.config.machines import WorkerSettings
from search.config.selection import FunnelSettings
from search.config.settings import Config, Engine
from search.evaluation.fingerprints import Fingerprints
from search.evaluation.request import SettingsByTask, TaskFunction
from search.evaluation.shipment import NOTHING, shipment_for
from search.evaluation.source import evaluation_function, every_task, task_settings
from search.selection.families import Candidate, families
from search.selection.ledger import Ledger, Progress
from search.selection.objective import Objective
from search.selection.results import FunnelResult, NamedProgram, StageResult, states_of
from search.selection.stages import Shorten, run_stages
from search.stopping import at_once
from search.storage.leaders import Leader, leaders, numbers_of_states
from search.storage.schema import STAGE_ENTRIES, STAGES, StageEntryRow, StageRow
from search.storage.store import Reader, Store
from search.workers.ray_pool import make_pool

MANY = 1_000  # programs among which looking for families takes seconds


@dataclass(frozen=True)
class Setup:
    """What a funnel runs on."""

    tasks: tuple[str, ...]
    weights: tuple[float, ...] | None = None
    engine: Engine = "auto"
    task_settings: SettingsByTask = field(default_factory=dict)  # on top of what the names say
    tasks_file: str | None = None
    tasks_of_ones_own: tuple[TaskFunction, ...] = ()
    every_task: tuple[str, ...] = ()  # those of stages, too, for workers on other machines
    workers: WorkerSettings = field(default_factory=WorkerSettings)
    seed: int = 0

    def __post_init__(self) -> None:
        check_choice("engine", self.engine, get_args(Engine))
        some_listed("tasks", self.tasks)

    @classmethod
    def of(
        cls, config: Config, tasks_file: str | None = None, tasks: Sequence[TaskFunction] = ()
    ) -> Setup:
        evaluation = config.evaluation
        return cls(
            tasks=evaluation.tasks,
            weights=evaluation.weights,
            engine=evaluation.engine,
            task_settings=task_settings(evaluation),
            tasks_file=tasks_file,
            tasks_of_ones_own=tuple(tasks),
            every_task=every_task(config),
            workers=config.workers,
            seed=config.seed,
        )


@contextmanager
def ledger_of(
    store: Store,
    setup: Setup,
    *,
    timeout_s: float,
    show: Callable[[Progress], None] = lambda _: None,
    stopping: Callable[[], int | None] = lambda: None,
) -> Iterator[Ledger]:
    """Workers that run any training, each paid for once.

    timeout_s: wall-clock limit of one training, where the workers' own is shorter.
    """
    longest = max(timeout_s, setup.workers.timeout_s)
    workers = setup.workers.model_copy(update={"timeout_s": longest})
    settings, tasks_file = setup.task_settings, setup.tasks_file
    registered, functions = setup.tasks_of_ones_own, user_functions.registered()
    shipment = NOTHING
    if workers.are_elsewhere:
        shipment = shipment_for(
            setup.every_task or setup.tasks,
            settings,
            tasks_file=tasks_file,
            tasks=registered,
            functions=functions,
        )
    make = functools.partial(
        evaluation_function,
        setup.engine,
        settings=settings,
        tasks_file=tasks_file,
        tasks=registered,
        functions=functions,
        batch=workers.batch,
        shipment=shipment,
    )
    with at_once(stopping):
        fingerprint = Fingerprints(
            setup.every_task or setup.tasks,
            settings,
            engine=setup.engine,
            workers=workers,
            tasks_file=tasks_file,
            registered=registered,
        )
        started = make_pool(make, workers)
    with closing(started) as pool:
        yield Ledger(pool, store, fingerprint=fingerprint, show=show, stopping=stopping)


def run_funnel(
    candidates: Sequence[NamedProgram],
    ledger: Ledger,
    *,
    setup: Setup,
    settings: FunnelSettings,
    searched: bool = True,
    shorten: Shorten = lambda candidate, _: candidate.program,
) -> FunnelResult:
    """Runs or continues a funnel; stages and trainings are kept in the ledger's store.

    searched: whether the candidates come out of a search; shorten: of stages that ask for it (see
    `run_stages`).

    Raises:
      ProgramError, TaskError: a baseline or a task does not exist; nothing was run.
      Stopped: the user asked to stop. WorkerError, ClusterLost: no worker can run.
    """
    baselines = [NamedProgram(name, load(name)) for name in dict.fromkeys(settings.baselines)]
    objective = Objective(ledger, setup.tasks, setup.weights)
    for used in (objective.scaled(1), *map(objective.of_stage, settings.stages)):
        for task in used.tasks:
            ledger.fingerprint(task)

    ledger.store.clear(STAGES, STAGE_ENTRIES)  # what an earlier funnel left
    ledger.store.commit()
    numbers = itertools.count()

    def keep(stage: StageResult) -> None:
        for row in rows_of(next(numbers), stage):
            ledger.store.add(row)
        ledger.store.commit()

    return run_stages(
        candidates,
        baselines,
        objective=objective,
        settings=settings,
        seed=setup.seed,
        searched=searched,
        shorten=shorten,
        begin=ledger.progress.begin,
        done=keep,
    )


def rows_of(number: int, stage: StageResult) -> Iterator[StageRow | StageEntryRow]:
    """A stage as the store keeps it."""
    yield StageRow(
        stage=number,
        name=stage.name,
        tasks=json.dumps(stage.tasks),
        level=stage.level,
        beat=int(stage.beat),
        weights=json.dumps(stage.weights),
        unit=stage.unit,
    )
    for place, entry in enumerate((*stage.entries, *stage.baselines)):
        against = entry.against
        fitness = [value if math.isfinite(value) else None for value in entry.fitness]
        yield StageEntryRow(
            stage=number,
            place=place,
            name=entry.name,
            program=str(entry.program),
            fitness=json.dumps(fitness),
            promoted=int(entry.promoted),
            baseline=None if against is None else entry.rival,
            difference=None if against is None else against.mean,
            low=None if against is None else against.low,
            high=None if against is None else against.high,
            margin=None if against is None else against.margin,
            p=None if against is None else entry.p,
        )


def candidates_of(
    store: Reader,
    settings: FunnelSettings,
    *,
    show: Callable[[Progress], None] = lambda _: None,
) -> list[NamedProgram]:
    """The best of different families of a search, the fittest first; with a margin for memory,
    those of each number of states, the fewest first, up to what the baselines need.

    show: called before what takes more than a moment.
    """
    if settings.memory_margin is None:
        pools = [leaders(store, settings.pool)]
    else:
        most = max(states_of(load(name)) for name in settings.baselines)
        numbers = (states for states in numbers_of_states(store) if states <= most)
        pools = [leaders(store, settings.pool, states=states) for states in numbers]
    candidates = []
    for pool in pools:
        if len(pool) > MANY:
            number = f"{settings.families} families among the {len(pool):,} best programs"
            show(Progress(f"looking for {number}"))
        chosen = families((_candidate(leader) for leader in pool), settings.families)
        candidates += [
            NamedProgram(f"{family.best.name} (of {family.members})", family.best.program)
            for family in chosen
        ]
    return candidates


def _candidate(leader: Leader) -> Candidate:
    return Candidate(leader.program.unfrozen(), leader.fitness, f"individual {leader.number}")
