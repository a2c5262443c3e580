"""What the commands of studies share: options, pieces, and how what goes wrong is reported."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from programs import load_functions_file
from search import api
from search.config.settings import Config
from search.console import ERRORS, Parser, count, positive, report
from search.evaluation.seeds import STUDIES
from search.evaluation.source import Fitness, ProxyTasks
from search.evaluation.threads import single_threaded
from search.stopping import Stopped, Stopping
from search.studies.clock import Clock

EXIT_CODES = """\
A study runs in pieces: the same command goes on where it was stopped, by Ctrl-C or by --hours.

exit codes:
  0        done
  1        no worker or no program can run, or files or output cannot be written
  2        a mistake; nothing was run
  3        the hours of this piece are over, and there is more to do
  128 + n  stopped by signal n"""
SEEDS = 20  # fresh ones, by default
MORE = 3  # exit code: the hours are over
GO_ON = "The same command goes on."


class StudyParser(Parser):
    """The parser of a study's command; options cannot be abbreviated."""

    def __init__(self, command: str, description: str):
        super().__init__(command, description, EXIT_CODES)
        self.prog = f"scripts/{command}"
        out = Path("runs") / command
        self.add_argument("--out", type=Path, default=out, help=f"folder of the study ({out})")
        self.add_argument("--hours", type=_hours, help="of this piece; 0: show what there is")
        self.add_functions_file()

    def add_config(self, default: str | None) -> None:
        """default: of the config's file; None: it must be given."""
        self.add_argument(
            "--config", default=default, required=default is None, help="a YAML file of a search"
        )
        self.add_overrides()

    def add_count(self, name: str, default: int, text: str) -> None:
        self.add_argument(name, type=count, default=default, help=f"{text} ({default})")

    def add_seeds(self, text: str) -> None:
        self.add_argument("--seeds", type=_seeds, default=SEEDS, help=f"{text} ({SEEDS})")

    def add_number(self, name: str, default: float, text: str) -> None:
        self.add_argument(name, type=positive, default=default, help=f"{text} ({default:g})")


def whole(text: str) -> int:
    """A number of trainings or children."""
    if not text.isdecimal() or not 1 <= int(text) <= 10**9:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 to 10^9, got {text!r}")
    return int(text)


def _seeds(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= STUDIES.most:
        expected = f"expected a whole number from 1 to {STUDIES.most}, the seeds of studies"
        raise argparse.ArgumentTypeError(f"{expected}, got {text!r}")
    return int(text)


def _hours(text: str) -> float:
    return 0.0 if text in ("0", "0.0") else positive(text)


def read_config(options: argparse.Namespace, source: Fitness) -> Config:
    """The config that the options name. Raises ConfigError."""
    return api.checked(options.config, source, options.set)


def say(text: str) -> None:
    """Prints a line with the time of day."""
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


class Study(NamedTuple):
    """What a command does."""

    run: Callable[[Clock], None]  # the whole of it, or on from where it was stopped
    report: Callable[[], list[str]]  # the lines of what there is so far


def carry_out(
    options: argparse.Namespace,
    begin: Callable[[argparse.Namespace, Fitness], Study],
    *,
    source: Fitness | None = None,
    stopping: Stopping | None = None,
) -> int:
    """Runs a piece of a study and prints its report; returns the exit code (see EXIT_CODES).

    begin: reads what the options name, before anything runs; stopping: what catches signals, none:
    they are left alone.
    """
    single_threaded()
    stopping = stopping or Stopping(signals=())
    stopping.prepare()
    clock, running = Clock(options.hours, stopping), False
    try:
        if options.functions_file:
            load_functions_file(options.functions_file)
        study = begin(options, source or ProxyTasks())
        running = True
        try:
            study.run(clock)
        except Stopped:
            if not clock.is_over:
                raise
        for line in study.report():
            print(line)
        if clock.is_over:
            print(f"The hours of this piece are over. {GO_ON}")
    except ERRORS as error:
        return report(error, running=running, go_on=GO_ON if running else "")
    return MORE if clock.is_over else 0
