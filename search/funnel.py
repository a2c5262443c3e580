"""The funnel: from a search's best programs to those that can be trusted.

    python -m search.funnel runs/laptop
    python -m search.funnel --program library:lion --program my.py --task vision_mlp

Baselines are tuned broadly, and so are given programs; a search's best, of different families, come
with constants that the search has tuned. Then, in each stage, all are tuned with the same budget
and scored on fresh seeds and the meta-validation split, at growing scale, and only what beats every
baseline by an interval goes on (search/selection). Every finished training is kept in the
run directory: the same command again continues where it was stopped, and pays for nothing twice.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from pydantic import ValidationError

from programs import ProgramError, load
from proxy_tasks.errors import TaskError
from search.checks import funnel_seeds, refused
from search.config.load import ConfigError, loads
from search.config.load import load as load_config
from search.config.messages import nearest
from search.config.selection import FunnelSettings
from search.config.settings import EvaluationSettings, WorkerSettings
from search.console import Stopping
from search.evaluation.jobs import Stopped
from search.evaluation.threads import single_threaded
from search.reports.funnel import REPORT, outcome, table, write_report
from search.reports.progress import Lines
from search.selection.funnel import Setup, candidates_of, ledger_of, run_funnel
from search.selection.results import NamedProgram
from search.storage.store import Reader, Store, StoreError
from search.workers.ray_cluster import ClusterLost, WorkerError


def overridden(settings: FunnelSettings, overrides: Sequence[str]) -> FunnelSettings:
    """Settings with single keys replaced: `stages.B.keep=3`, `finals.seeds=12`.

    A stage goes by its name; values are JSON, or plain text.
    Raises ValueError, in one line.
    """
    data = settings.model_dump()
    for override in overrides:
        dotted, equals, text = override.partition("=")
        keys = dotted.strip().split(".")
        if not equals:
            raise ValueError(f"--set {override}: expected KEY=VALUE, as in stages.B.keep=3")
        try:
            value = json.loads(text)
        except json.JSONDecodeError:
            value = text.split(",") if keys[-1] in ("baselines", "tasks") else text
        here: Any = data
        for depth, key in enumerate(keys):
            names = [s["name"] for s in here] if isinstance(here, tuple) else list(here)
            if key not in names:
                where = ".".join([*keys[:depth], key])
                raise ValueError(f"--set {override}: no key '{where}'{nearest(key, names)}")
            place: Any = names.index(key) if isinstance(here, tuple) else key
            if depth == len(keys) - 1:
                here[place] = tuple(value) if isinstance(value, list) else value
            elif not isinstance(here[place], (dict, tuple)):
                raise ValueError(f"--set {override}: '{'.'.join(keys[: depth + 1])}' has no parts")
            else:
                here = here[place]
    try:
        return FunnelSettings.model_validate(data)
    except ValidationError as error:
        raise ValueError(_in_one_line(error, data)) from None


def _in_one_line(error: ValidationError, data: dict[str, Any]) -> str:
    detail = error.errors(include_url=False)[0]
    where = [
        data["stages"][part]["name"] if isinstance(part, int) and part < len(data["stages"]) else
        str(part)
        for part in detail["loc"]
    ]  # fmt: skip
    said = detail["msg"].removeprefix("Value error, ")
    return f"{'.'.join(where)}: {said}" if where else said


class _Parser(argparse.ArgumentParser):
    """One line for every mistake."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message}; --help explains\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m search.funnel", description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("run", nargs="?", metavar="RUN_DIR", type=Path, help="a finished search")
    add("--program", action="append", default=[], help="a file or library:NAME; may be repeated")
    add("--task", action="append", default=[], metavar="NAME", help="with --program: scale 1")
    add("--task-set", action="append", default=[], metavar="KEY=VALUE",
        help="a setting of all tasks, or NAME.KEY=VALUE of one")  # fmt: skip
    add("--tasks", metavar="FILE", help="Python file with tasks of your own")
    add("--run-dir", type=Path, help="with --program: its records (default runs/funnel)")
    add("--config", metavar="FILE", help="take the section `funnel` of this config")
    add("--set", action="append", default=[], metavar="KEY=VALUE",
        help="a setting of the funnel, such as stages.B.keep=3")  # fmt: skip
    add("--workers", metavar="N", help="a number, or in_process; default: one for each core")
    add("--seed", type=int, default=None, help="of the tuning's draws")
    return parser


def main(argv: Sequence[str] | None = None, stopping: Stopping | None = None) -> int:
    """Returns the exit code: 0 done; 1 no worker can run; 2 a mistake, nothing was run; 75 Ray is
    lost: run it again; 128 + n: stopped by signal n, run it again.

    stopping: catches signals from here on.
    """
    options = _parser().parse_args(argv)
    single_threaded()
    try:
        setup, settings = _set_up(options)
        run_dir = options.run or options.run_dir or Path("runs/funnel")
        given = [NamedProgram(name, load(name)) for name in dict.fromkeys(options.program)]
        with Store(run_dir) as store:
            candidates = given or candidates_of(store, settings)
            if not candidates:
                raise ValueError(f"{run_dir}: no program of this search has a fitness")
            asked, lines = stopping or (lambda: None), Lines(sys.stderr)
            with ledger_of(store, setup, settings.timeout_s, lines, asked) as ledger:
                if stopping:
                    stopping.orderly()
                done = run_funnel(candidates, ledger, setup, settings, searched=not given)
                write_report(run_dir, done)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    except (ProgramError, TaskError, StoreError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except (KeyboardInterrupt, Stopped) as stopped:
        print("Stopped; what was trained is kept: the same command goes on.", file=sys.stderr)
        return 128 + (stopped.args[0] if stopped.args else signal.SIGINT)
    except ClusterLost as error:
        print(f"error: {error}. The same command goes on.", file=sys.stderr)
        return 75
    except WorkerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print("\n".join([table(done.stages), "", *outcome(done)]))
    for entry in done.confirmed:
        print(f"\n{entry.name}, as tuned for the last stage:\n{entry.program}")
    print(f"\nAll entries: {run_dir / REPORT}")
    return 0


def _set_up(options: argparse.Namespace) -> tuple[Setup, FunnelSettings]:
    """What the command line says. Raises ValueError, ConfigError, StoreError, TaskError."""
    if bool(options.run) == bool(options.program):
        raise ValueError("expected either RUN_DIR or --program; --help explains")
    for option in ("task", "task_set", "run_dir"):
        if options.run and getattr(options, option):
            name = option.replace("_", "-")
            raise ValueError(f"--{name} goes with --program: {options.run} has its own")
    config = load_config(options.config) if options.config else None
    if options.run:
        with Reader(options.run) as store:
            config = config or loads((store.meta("config") or "").encode(), str(options.run))
        setup = Setup.of(config, options.tasks)
    elif not options.task:
        raise ValueError("--program needs --task, such as --task vision_mlp")
    else:
        from search.evaluation.evaluator import evaluator_for

        tasks = EvaluationSettings(tasks=tuple(dict.fromkeys(options.task))).tasks
        # Mistakes are reported before any worker starts.
        evaluator = evaluator_for(tasks, options.task_set, tasks_file=options.tasks)
        setup = Setup(tasks, task_settings=evaluator.settings, tasks_file=options.tasks)
    changes: dict[str, Any] = {}
    if options.workers is not None:
        changes["workers"] = _workers(options.workers, setup.workers)
    if options.seed is not None:
        changes["seed"] = options.seed
    funnel = getattr(config, "funnel", None) or FunnelSettings()
    funnel = overridden(funnel, options.set)
    for path, said in refused(funnel_seeds(funnel)):
        raise ValueError(f"funnel.{'.'.join(map(str, path))}: {said}")
    return Setup(**{**vars(setup), **changes}), funnel


def _workers(text: str, workers: WorkerSettings) -> WorkerSettings:
    if text == "in_process":
        return workers.model_copy(update={"address": "in_process"})
    if not text.isdecimal() or not int(text):
        raise ValueError(f"--workers {text}: expected a number of workers, or in_process")
    return workers.model_copy(update={"count": int(text)})


if __name__ == "__main__":
    sys.exit(main(stopping=Stopping()))
