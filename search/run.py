"""One search from one config: `python -m search.run --config configs/quickstart.yaml`."""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":  # before the imports, which take seconds
    from proxy_tasks.console import open_streams
    from search.stopping import Stopping

    open_streams()
    STOPPING = Stopping()


import argparse
import contextlib
from collections.abc import Sequence
from pathlib import Path

from search.api import search
from search.config.load import ConfigError, load
from search.config.settings import Config
from search.console import ERRORS, EXIT_CODES, Parser, directory, leave, report
from search.evaluation.source import Fitness, ProxyTasks
from search.evaluation.threads import single_threaded
from search.reports.commands import Commands
from search.reports.progress import KINDS, say
from search.stopping import Stopped, Stopping
from search.storage.errors import StoreError
from search.storage.identity import is_begun
from search.workers.ray_cluster import ClusterLost, is_job, is_stuck

NOW = "stop.hours=0"  # concludes with the results so far


def _parser() -> Parser:
    parser = Parser("run", __doc__ or "", EXIT_CODES)
    parser.add_argument("--config", help="a YAML file, such as configs/laptop.yaml")
    parser.add_argument(
        "--run-dir",
        type=directory,
        help="default: the config's store.run_dir, or runs/ and its name",
    )
    parser.add_overrides()
    parser.add_keys(Config)
    parser.add_tasks_file()
    parser.add_functions_file()
    parser.add_argument(
        "--resume", nargs="?", const=True, metavar="RUN_DIR",
        help="continue the search in RUN_DIR (or --run-dir) with its config; --set changes it",
    )  # fmt: skip
    parser.add_argument(
        "--resume-if-begun", action="store_true",
        help="the same if the search of --config has begun, else begin it: for jobs that are "
        "started again",
    )  # fmt: skip
    parser.add_argument("--view", choices=KINDS, default="auto", help="how to show progress")
    return parser


def main(
    argv: Sequence[str] | None = None,
    source: Fitness | None = None,
    stopping: Stopping | None = None,
) -> int:
    """Returns the exit code (see EXIT_CODES).

    stopping: what catches signals; none: they are left alone.
    """
    parser = _parser()
    options = parser.parse_args(argv)
    stopping = stopping or Stopping(signals=())
    single_threaded()
    source = source or ProxyTasks(options.tasks_file)
    run_dir = _run_dir(options, parser)
    commands = Commands(run_dir, options.tasks_file, options.functions_file)
    stopping.prepare()
    try:
        if is_job() and not run_dir.is_absolute():
            raise StoreError(
                f"{run_dir}: a Ray job runs in a folder that Ray removes: give store.run_dir, or "
                "--run-dir, an absolute path"
            )
        search(
            options.config,
            run_dir,
            overrides=options.set,
            resume=bool(options.resume) or (options.resume_if_begun and is_begun(run_dir)),
            tasks_file=options.tasks_file,
            functions_file=options.functions_file,
            source=source,
            view=options.view,
            stopping=stopping,
            started=stopping.defer,
        )
    except Stopped as stopped:
        try:
            _tell_stopped(options.view, commands)
        except OSError as error:  # nobody reads it any more
            report(error)
        return _ended(128 + stopped.args[0])
    except ERRORS as error:
        go_on = f"To continue:\n{commands.resume()}" if is_begun(run_dir) else ""
        code = report(error, running=stopping.is_running, go_on=go_on)
        return _ended(code, lost=isinstance(error, ClusterLost))
    return 0


def _ended(code: int, *, lost: bool = False) -> int:
    """The exit code; where Ray is lost or stuck the process ends here, for Ray's exit hooks would
    wait for what is gone. The store is closed."""
    if lost or is_stuck():
        sys.stdout.flush()
        os._exit(code)
    return code


def _run_dir(options: argparse.Namespace, parser: Parser) -> Path:
    """Where the search is kept."""
    resumed = Path(options.resume) if isinstance(options.resume, str) else None
    if not options.config and not options.resume:
        parser.error("expected --config FILE, or --resume RUN_DIR")
    if resumed and options.run_dir and resumed != options.run_dir:
        parser.error(f"--resume {resumed} and --run-dir {options.run_dir} differ: expected one")
    if not (resumed or options.run_dir or options.config):
        parser.error("expected --resume RUN_DIR")
    return resumed or options.run_dir or _configured(options) or _default(options)


def _configured(options: argparse.Namespace) -> Path | None:
    """Where the config says; its mistakes are reported later, all at once."""
    with contextlib.suppress(ConfigError):
        run_dir = load(options.config, options.set).store.run_dir
        return Path(run_dir).expanduser() if run_dir else None
    return None


def _default(options: argparse.Namespace) -> Path:
    return Path("runs") / Path(options.config).stem


def _tell_stopped(view: str, commands: Commands) -> None:
    """How to go on after a signal."""
    if not is_begun(commands.run_dir):
        say(view, "stopped", "Stopped; nothing was run.")
        return
    say(view, "stopped", "Stopped; nothing that was evaluated is lost. To conclude with the "
                         "results so far:")  # fmt: skip
    say(view, "conclude", commands.resume([NOW]))
    say(view, "stopped", "To continue:")
    say(view, "resume", commands.resume())


if __name__ == "__main__":
    code = main(stopping=STOPPING)
    STOPPING.end()
    leave(code)
