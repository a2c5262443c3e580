"""One search from one config: `python -m search.run --config configs/quickstart.yaml`."""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":  # before the imports, which take seconds
    from search.stopping import Stopping

    STOPPING = Stopping()


import argparse
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from programs import load as load_program
from search.checks import doubts, mistakes
from search.conclude import conclude
from search.config.load import load
from search.config.settings import Config
from search.console import ERRORS, EXIT_CODES, Parser, report
from search.evaluation.source import Fitness, ProxyTasks
from search.evaluation.threads import single_threaded
from search.evolution.counters import Statistics
from search.evolution.driver import Driver
from search.evolution.earlier_runs import take_over
from search.evolution.evolution import Repeats
from search.reports.conclusion import conclusion_lines
from search.reports.progress import KINDS, View, say
from search.reports.summary import summary
from search.selection.finalists import rescored
from search.stopping import Stopped, Stopping
from search.storage.errors import StoreError
from search.storage.identity import identify, is_begun, resume_command
from search.storage.store import Reader, Store
from search.workers.ray_cluster import ClusterLost
from search.workers.ray_pool import make_pool


def search(
    config: Config,
    run_dir: Path,
    *,
    fitness: Fitness,
    stopping: Stopping,
    tasks_file: str | None = None,
    resume: bool = False,
    view: str = "auto",
) -> None:
    """Runs or resumes a search to its end, and prints its summary.

    tasks_file: Python file with tasks of the user's own, for what follows the search.
    view: how progress is shown, one of KINDS.
    """
    with Store(run_dir, config.store) as store:
        warnings = identify(store, config, fitness.fingerprints(config), resume)
        for warning in doubts(config) + warnings + take_over(store, config):
            say(view, "warning", f"warning: {warning}")
        statistics = Statistics.of(store, config.evolution)
        with (
            closing(make_pool(fitness.factory(config), config.workers)) as pool,
            View(view, statistics, pool) as shown,
        ):
            stopping.defer()
            driver = Driver(config, store, pool, statistics, shown.show, stopping)
            starts = [load_program(name) for name in config.evolution.warm_start]
            born = 0
            for number in range(config.evolution.rounds):
                repeats = Repeats(config.evolution, config.seed, number, starts, born)
                driver.run(repeats)
                born = repeats.told
                finalists = rescored(store, config, before=born, evaluate=driver.evaluate)
                starts = [finalists[0].leader.program]
        say(view, "summary", "\n".join(summary(store, config, statistics, finalists)))
        if config.funnel is not None:
            done = conclude(config, store, finalists, stopping=stopping, tasks_file=tasks_file)
            say(view, "conclusion", "\n".join(conclusion_lines(done, run_dir)))


def _parser() -> Parser:
    parser = Parser("run", __doc__ or "", EXIT_CODES)
    parser.add_argument("--config", required=True, help="a YAML file, such as configs/laptop.yaml")
    parser.add_argument("--run-dir", type=Path, help="default: runs/ and the config's name")
    parser.add_overrides()
    parser.add_tasks_file()
    parser.add_argument("--resume", action="store_true", help="continue the search in --run-dir")
    parser.add_argument("--view", choices=KINDS, default="auto", help="how to show progress")
    return parser


def main(
    argv: Sequence[str] | None = None,
    fitness: Fitness | None = None,
    stopping: Stopping | None = None,
) -> int:
    """Returns the exit code (see EXIT_CODES)."""
    options = _parser().parse_args(argv)
    stopping = stopping or Stopping()
    single_threaded()
    fitness = fitness or ProxyTasks(options.tasks_file)
    run_dir = options.run_dir or Path("runs") / Path(options.config).stem
    resume = resume_command(options.config, run_dir, options.set, options.tasks_file)
    stopping.prepare()
    try:
        config = _config(options, run_dir, fitness)
        search(
            config,
            run_dir,
            fitness=fitness,
            stopping=stopping,
            tasks_file=options.tasks_file,
            resume=options.resume,
            view=options.view,
        )
    except Stopped as stopped:
        if is_begun(run_dir):
            say(options.view, "stopped", "Stopped; nothing that was told is lost. To continue:")
            say(options.view, "resume", resume)
        else:
            say(options.view, "stopped", "Stopped; nothing was run.")
        return 128 + stopped.args[0]
    except ERRORS as error:
        code = report(error, running=stopping.is_running, go_on=f"To continue:\n{resume}")
        if isinstance(error, ClusterLost):
            os._exit(code)  # Ray's exit hooks would wait for what is gone; the store is closed
        return code
    return 0


def _config(options: argparse.Namespace, run_dir: Path, fitness: Fitness) -> Config:
    """The config, checked. Raises ConfigError, StoreError."""
    if "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ and not run_dir.is_absolute():
        raise StoreError(f"{run_dir}: in a Ray job, give an absolute --run-dir")
    if options.resume:
        Reader(run_dir, verified=False).close()
    return load(options.config, options.set, lambda c: [*mistakes(c), *fitness.mistakes(c)])


if __name__ == "__main__":
    sys.exit(main(stopping=STOPPING))
