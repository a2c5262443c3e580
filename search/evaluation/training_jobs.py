"""Workers for single trainings."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable

from programs import parse
from search.config.settings import Engine
from search.evaluation.fitness import Evaluation
from search.evaluation.jobs import Evaluate, Factory, Job
from search.evaluation.request import Request


def purpose_of(task: str, split: str) -> str:
    """How a job says which task and split it asks for."""
    return json.dumps([task, split])


def _evaluate(job: Job, run: Callable[[Request], Evaluation]) -> list[Evaluation]:
    task, split = json.loads(job.purpose)
    program = parse(job.program)
    return [run(Request(program, task, seed, split)) for seed in job.seeds]


def _make(engine: Engine, settings: dict, tasks_file: str | None) -> Evaluate:
    from search.evaluation.trainer import Trainer  # JAX is for workers

    return functools.partial(_evaluate, run=Trainer(engine, settings, tasks_file).run)


def factory(
    engine: Engine = "auto", settings: dict | None = None, tasks_file: str | None = None
) -> Factory:
    """For workers whose jobs' purposes are made by `purpose_of`."""
    return functools.partial(_make, engine, settings or {}, tasks_file)
