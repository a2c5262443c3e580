"""The funnel: from a search's best programs to those that can be trusted.

    python -m search.funnel runs/laptop
    python -m search.funnel --program library:lion --program my.py --task vision_mlp

Baselines are tuned broadly, and so are given programs; a search's best, of different families, come
with constants that the search has tuned. Then, in each stage, all are tuned with the same budget
and scored on fresh seeds and the meta-validation split, at growing scale, and only what beats every
baseline by an interval is promoted (search/selection). Every finished training is kept in the
run directory: the same command again continues where it was stopped, and pays for nothing twice.
"""

from __future__ import annotations

import sys

if __name__ == "__main__":  # before the imports, which take seconds
    from proxy_tasks.console import open_streams
    from search.stopping import Stopping

    open_streams()
    STOPPING = Stopping()


import argparse
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path

from programs import load_functions_file
from search import api
from search.checks import doubts, funnel_mistakes
from search.config.load import dumps, loads
from search.config.load import load as load_config
from search.config.selection import FunnelSettings
from search.config.settings import Config, EvaluationSettings
from search.config.strict_yaml import KeyPath
from search.console import ERRORS, EXIT_CODES, Parser, directory, leave, report
from search.evaluation.request import settings_of
from search.evaluation.source import ProxyTasks
from search.evaluation.threads import single_threaded
from search.reports.funnel import REPORT, outcome, table
from search.selection.funnel import Setup
from search.stopping import Stopping
from search.storage.identity import check_functions, config_of
from search.storage.kept import kept_by
from search.storage.store import Reader


def _parser() -> Parser:
    parser = Parser("funnel", (__doc__ or "").splitlines()[0], EXIT_CODES)
    add = parser.add_argument
    add("run", nargs="?", metavar="RUN_DIR", type=directory, help="a finished search")
    add("--program", action="append", default=[], help="a file or library:NAME; may be repeated")
    parser.add_tasks(required=False)
    parser.add_tasks_file()
    parser.add_functions_file()
    add("--run-dir", type=directory, help="with --program: its records (default runs/funnel)")
    add("--config", metavar="FILE", help="take `funnel`, `ablation` and `tuning` of this config")
    parser.add_overrides()
    return parser


def main(argv: Sequence[str] | None = None, stopping: Stopping | None = None) -> int:
    """Returns the exit code (see EXIT_CODES).

    stopping: what catches signals; none: they are left alone.
    """
    options = _parser().parse_args(argv)
    stopping = stopping or Stopping(signals=())
    single_threaded()
    try:
        stopping.prepare()
        if options.functions_file:
            load_functions_file(options.functions_file)
        config = _config(options)
        settings = config.funnel
        assert settings is not None  # see funnel_mistakes
        run_dir = options.run or options.run_dir or Path("runs/funnel")
        changed = kept_by(options.run).changed() if options.run else ()
        for doubt in [*doubts(config), *changed]:
            print(f"warning: {doubt}", file=sys.stderr)

        done = api.funnel(
            list(dict.fromkeys(options.program)),
            run_dir=run_dir,
            setup=Setup.of(config, options.tasks_file),
            settings=settings,
            ablation=config.ablation,
            tuning=config.tuning,
            view="plain",
            stopping=stopping,
            started=stopping.defer,
        )
        print("\n".join([table(done.stages), "", *outcome(done)]))
        for entry in done.confirmed:
            print(f"\n{entry.name}, as tuned for the last stage:\n{entry.program}")
        print(f"\nAll entries: {run_dir / REPORT}")
    except ERRORS as error:
        return report(
            error, running=stopping.is_running, go_on="The same command continues from there."
        )
    return 0


def _config(options: argparse.Namespace) -> Config:
    """What the command line says. Raises ValueError, ConfigError, StoreError, TaskError."""
    if bool(options.run) == bool(options.program):
        raise ValueError("expected either RUN_DIR or --program; --help explains")
    for option in ("task", "task_set", "run_dir"):
        if options.run and getattr(options, option):
            name = option.replace("_", "-")
            raise ValueError(f"--{name} is for --program: {options.run} has its own")
    if options.run:
        with Reader(options.run) as store:
            check_functions(store)
            config = config_of(store)
    elif not options.task:
        raise ValueError("--program needs --task, such as --task vision_mlp")
    else:
        config = Config(evaluation=_evaluation(options))
    if options.config:
        given = load_config(options.config)
        if given.funnel is None:
            raise ValueError(f"{options.config}: its funnel is null, so there is nothing to run")
        sections = {name: getattr(given, name) for name in ("funnel", "ablation", "tuning")}
        config = config.model_copy(update=sections)
    whole = dumps(config.model_copy(update={"funnel": config.funnel or FunnelSettings()})).encode()
    source = ProxyTasks(options.tasks_file)

    def check(config: Config) -> Iterator[tuple[KeyPath, str]]:
        yield from funnel_mistakes(config)
        yield from source.mistakes(config)

    name = f"the config in {options.run}" if options.run else "--program"
    with kept_by(options.run).standing_in() if options.run else nullcontext():
        return loads(whole, name, overrides=options.set, check=check)


def _evaluation(options: argparse.Namespace) -> EvaluationSettings:
    """The tasks that the command line names; each is made, so that mistakes come before workers."""
    from search.evaluation.evaluator import evaluator_for

    tasks = tuple(dict.fromkeys(options.task))
    evaluator = evaluator_for(tasks, options.task_set, tasks_file=options.tasks_file)
    settings = {task: settings_of(task, evaluator.settings) for task in tasks}
    return EvaluationSettings(tasks=tasks, settings=settings)


if __name__ == "__main__":
    code = main(stopping=STOPPING)
    STOPPING.end()
    leave(code)
