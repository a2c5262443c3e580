"""One search from one config: `python -m search.run --config configs/quickstart.yaml`."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from programs import ProgramError
from programs import load as load_program
from proxy_tasks.errors import TaskError
from search.conclude import conclude
from search.config import ConfigError, load
from search.driver import Driver
from search.evolution import Repeats
from search.finalists import rescored
from search.fitness import Fitness, ProxyTasks
from search.identity import identify, resume_command
from search.jobs import Stopped
from search.known import take_over
from search.metavalidation import routed
from search.settings import Config
from search.statistics import Statistics
from search.store import Store, StoreError
from search.summary import summary
from search.threads import single_threaded
from search.view import KINDS, View
from search.workers import ClusterLost, WorkerError, make_pool


def search(
    config: Config, run_dir: Path, fitness: Fitness, options: argparse.Namespace, stopping: Stopping
) -> None:
    """Runs or resumes a search to its end, and prints its summary."""
    with Store(run_dir, config.store) as store:
        for warning in identify(store, config, fitness.fingerprints(config), options.resume):
            print(f"warning: {warning}")
        take_over(store, config)
        statistics = Statistics.of(store, config.evolution)
        factory = routed(
            fitness.factory(config), config.evaluation, config.meta_validation, options.tasks
        )
        with (
            closing(make_pool(factory, config.workers)) as pool,
            View(options.view, statistics, pool) as view,
        ):
            driver = Driver(config, store, pool, statistics, view.show, stopping)
            starts = [load_program(name) for name in config.evolution.warm_start]
            born = 0
            for number in range(config.evolution.rounds):
                repeats = Repeats(config.evolution, config.seed, number, starts, born)
                driver.run(repeats)
                born = repeats.told
                finalists = rescored(driver, born)
                starts = [finalists[0].leader.program]
        print("\n".join(summary(store, config, statistics, finalists)), flush=True)
        print("\n".join(conclude(config, store, finalists, stopping, options.tasks)))


class Stopping:
    """The signal that has asked to stop, SIGINT or SIGTERM; a second one ends the process."""

    def __init__(self) -> None:
        self.received: int | None = None
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._receive)

    def __call__(self) -> int | None:
        return self.received

    def _receive(self, number: int, _: object) -> None:
        if self.received is not None:
            raise SystemExit(128 + number)
        self.received = number


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
    """Returns the exit code: 0 done; 2 a mistake, nothing was run; 75 Ray is lost: resume;
    128 + n: stopped by signal n."""
    options = arguments(argv)
    single_threaded()
    fitness = fitness or ProxyTasks(options.tasks)
    run_dir = options.run_dir or Path("runs") / Path(options.config).stem
    resume = resume_command(options.config, run_dir, options.set, options.tasks)
    try:
        if "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ and not run_dir.is_absolute():
            raise StoreError(f"{run_dir}: in a Ray job, give an absolute --run-dir")
        config = load(options.config, options.set, fitness.mistakes)
        search(config, run_dir, fitness, options, Stopping())
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    except (StoreError, ProgramError, TaskError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except Stopped as stopped:
        print(f"Stopped; nothing that was told is lost. To continue:\n{resume}")
        return 128 + (stopped.args[0] if stopped.args else signal.SIGINT)
    except ClusterLost as error:
        print(f"error: {error}. To continue:\n{resume}", file=sys.stderr)
        sys.stdout.flush()
        os._exit(75)  # Ray's own exit hooks would wait for what is gone; the store is closed
    except WorkerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
