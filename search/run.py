"""One search from one config: `python -m search.run --config configs/quickstart.yaml`."""

from __future__ import annotations

import os
import signal
import sys

if __name__ == "__main__":  # the imports that follow take a second or two

    def _leave(*_: object) -> None:
        os.write(2, b"Stopped; nothing was run.\n")
        os._exit(128 + signal.SIGINT)

    signal.signal(signal.SIGINT, _leave)


import argparse
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from programs import ProgramError
from programs import load as load_program
from proxy_tasks.errors import TaskError
from search.checks import doubts, mistakes
from search.conclude import conclude
from search.config.load import ConfigError, load
from search.config.settings import Config
from search.console import Stopping
from search.evaluation.jobs import Failing, Stopped
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
from search.selection.overfitting import record
from search.storage.identity import identify, is_begun, resume_command
from search.storage.store import Reader, Store, StoreError
from search.workers.ray_cluster import ClusterLost, WorkerError
from search.workers.ray_pool import make_pool


def search(
    config: Config, run_dir: Path, fitness: Fitness, options: argparse.Namespace, stopping: Stopping
) -> None:
    """Runs or resumes a search to its end, and prints its summary."""
    with Store(run_dir, config.store) as store:
        warnings = identify(store, config, fitness.fingerprints(config), options.resume)
        for warning in doubts(config) + warnings + take_over(store, config):
            say(options.view, "warning", f"warning: {warning}")
        statistics = Statistics.of(store, config.evolution)
        with (
            closing(make_pool(fitness.factory(config), config.workers)) as pool,
            View(options.view, statistics, pool) as view,
        ):
            stopping.orderly()
            driver = Driver(config, store, pool, statistics, view.show, stopping)
            starts = [load_program(name) for name in config.evolution.warm_start]
            born = 0
            for number in range(config.evolution.rounds):
                repeats = Repeats(config.evolution, config.seed, number, starts, born)
                driver.run(repeats)
                born = repeats.told
                finalists = rescored(store, config, before=born, evaluate=driver.evaluate)
                record(store, config.meta_validation)
                starts = [finalists[0].leader.program]
        say(options.view, "summary", "\n".join(summary(store, config, statistics, finalists)))
        if config.funnel is not None:
            done = conclude(config, store, finalists, stopping=stopping, tasks_file=options.tasks)
            say(options.view, "conclusion", "\n".join(conclusion_lines(done, run_dir)))


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m search.run", description=__doc__)
    parser.add_argument("--config", required=True, help="a YAML file, such as configs/laptop.yaml")
    parser.add_argument("--run-dir", type=Path, help="default: runs/ and the config's name")
    parser.add_argument("--set", action="append", default=[], metavar="a.b=value", help="override")
    parser.add_argument("--tasks", metavar="FILE", help="Python file with tasks of your own")
    parser.add_argument("--resume", action="store_true", help="continue the search in --run-dir")
    parser.add_argument("--view", choices=KINDS, default="auto", help="how to show progress")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None, fitness: Fitness | None = None) -> int:
    """Returns the exit code: 0 done; 1 no worker, or no program, can run; 2 a mistake, nothing was
    run; 75 Ray is lost: resume; 128 + n: stopped by signal n."""
    stopping = Stopping()
    options = arguments(argv)
    single_threaded()
    fitness = fitness or ProxyTasks(options.tasks)
    run_dir = options.run_dir or Path("runs") / Path(options.config).stem
    resume = resume_command(options.config, run_dir, options.set, options.tasks)
    try:
        if "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ and not run_dir.is_absolute():
            raise StoreError(f"{run_dir}: in a Ray job, give an absolute --run-dir")
        if options.resume:
            Reader(run_dir).close()
        config = load(
            options.config,
            options.set,
            lambda c: [*mistakes(c), *fitness.mistakes(c)],
        )
        search(config, run_dir, fitness, options, stopping)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    except (StoreError, ProgramError, TaskError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except Stopped as stopped:
        if is_begun(run_dir):
            say(options.view, "stopped", "Stopped; nothing that was told is lost. To continue:")
            say(options.view, "resume", resume)
        else:
            say(options.view, "stopped", "Stopped; nothing was run.")
        return 128 + stopped.args[0]
    except ClusterLost as error:
        print(f"error: {error}. To continue:\n{resume}", file=sys.stderr)
        sys.stdout.flush()
        os._exit(75)  # Ray's own exit hooks would wait for what is gone; the store is closed
    except (WorkerError, Failing) as error:
        print(f"error: {error}. To continue:\n{resume}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
