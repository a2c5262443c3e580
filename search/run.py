"""One search from one config: `python -m search.run --config configs/quickstart.yaml`."""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":  # before the imports, which take seconds
    from search.stopping import Stopping

    STOPPING = Stopping()


import argparse
from collections.abc import Sequence
from pathlib import Path

from programs import load_functions_file
from search.api import checked, search
from search.config.settings import Config
from search.console import ERRORS, EXIT_CODES, Parser, report
from search.evaluation.source import Fitness, ProxyTasks
from search.evaluation.threads import single_threaded
from search.reports.progress import KINDS, say
from search.stopping import Stopped, Stopping
from search.storage.errors import StoreError
from search.storage.identity import is_begun, resume_command
from search.storage.store import Reader
from search.workers.ray_cluster import ClusterLost


def _parser() -> Parser:
    parser = Parser("run", __doc__ or "", EXIT_CODES)
    parser.add_argument("--config", required=True, help="a YAML file, such as configs/laptop.yaml")
    parser.add_argument("--run-dir", type=Path, help="default: runs/ and the config's name")
    parser.add_overrides()
    parser.add_tasks_file()
    parser.add_functions_file()
    parser.add_argument("--resume", action="store_true", help="continue the search in --run-dir")
    parser.add_argument("--view", choices=KINDS, default="auto", help="how to show progress")
    return parser


def main(
    argv: Sequence[str] | None = None,
    source: Fitness | None = None,
    stopping: Stopping | None = None,
) -> int:
    """Returns the exit code (see EXIT_CODES)."""
    options = _parser().parse_args(argv)
    stopping = stopping or Stopping()
    single_threaded()
    source = source or ProxyTasks(options.tasks_file)
    run_dir = options.run_dir or Path("runs") / Path(options.config).stem
    files = options.tasks_file, options.functions_file
    resume = resume_command(options.config, run_dir, options.set, *files)
    stopping.prepare()
    try:
        if options.functions_file:
            load_functions_file(options.functions_file)
        search(
            _config(options, run_dir, source),
            run_dir,
            resume=options.resume,
            tasks_file=options.tasks_file,
            source=source,
            view=options.view,
            stopping=stopping,
            started=stopping.defer,
        )
    except Stopped as stopped:
        if is_begun(run_dir):
            say(
                options.view, "stopped", "Stopped; nothing that was evaluated is lost. To continue:"
            )
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


def _config(options: argparse.Namespace, run_dir: Path, source: Fitness) -> Config:
    """The config, checked. Raises ConfigError, StoreError."""
    if "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ and not run_dir.is_absolute():
        raise StoreError(f"{run_dir}: in a Ray job, give an absolute --run-dir")
    if options.resume:
        Reader(run_dir, verified=False).close()
    return checked(options.config, source, options.set)


if __name__ == "__main__":
    sys.exit(main(stopping=STOPPING))
