"""What the commands share: one parser, its options, and how what goes wrong is reported."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn

from programs import ProgramError
from programs.outputs import is_database
from proxy_tasks.console import OneLineParser
from proxy_tasks.errors import TaskError
from search.config.load import ConfigError
from search.config.model import SettingsModel
from search.config.reference import reference
from search.evaluation.inspection import InspectionError
from search.evaluation.jobs import TooManyFailures
from search.evaluation.seeds import TooManySeeds
from search.stopping import Stopped
from search.storage.errors import StoreError
from search.workers.in_process import is_training
from search.workers.ray_cluster import ClusterLost, WorkerError, is_stuck

EXIT_CODES = """\
exit codes:
  0        done
  1        no worker or no program can run, or files or output cannot be written
  2        a mistake; nothing was run
  75       Ray is lost
  128 + n  stopped by signal n
After 1, 75 and a signal the message says how to continue."""

LOST = 75  # exit code: Ray is lost
MISTAKES = (StoreError, ProgramError, TaskError, TooManySeeds, ValueError)
ERRORS = (
    *MISTAKES,
    WorkerError,
    TooManyFailures,
    InspectionError,
    OSError,
    KeyboardInterrupt,
    Stopped,
)
"""What `report` explains; anything else is a bug."""


class Parser(OneLineParser):
    """A command's parser; options cannot be abbreviated."""

    def __init__(self, command: str, description: str, epilog: str | None = None):
        super().__init__(
            prog=f"python -m search.{command}",
            description=description,
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    def add_overrides(
        self,
        example: str = "evolution.children=2000",
        dotted: str = 'evaluation.settings."vision_mlp@0.5".steps=5',
    ) -> None:
        self.add_argument(
            "--set", action="append", default=[], metavar="a.b=VALUE",
            help=f"a key of the config, such as {example}, with a value in YAML; a key with a dot "
            f"in quotes, which a shell takes away unless they are quoted: '{dotted}'",
        )  # fmt: skip

    def add_keys(self, model: type[SettingsModel]) -> None:
        self.add_argument(
            "--keys", action=_Keys, model=model,
            help="explain every key of a config, or KEY and those below it, and end",
        )  # fmt: skip

    def add_tasks(self, *, required: bool) -> None:
        self.add_argument(
            "--task", action="append", required=required, default=None if required else [],
            metavar="NAME[@SCALE]", help="a proxy task; may be repeated",
        )  # fmt: skip
        self.add_argument(
            "--task-set", action="append", default=[], metavar="KEY=VALUE",
            help="a setting of all tasks, or NAME.KEY=VALUE of one",
        )  # fmt: skip

    def add_tasks_file(self) -> None:
        self.add_argument("--tasks-file", metavar="FILE", help="Python file with tasks of your own")
        self.add_argument("--tasks", dest="tasks_file", help=argparse.SUPPRESS)  # its former name

    def add_functions_file(self) -> None:
        self.add_argument(
            "--functions-file", metavar="FILE", help="Python file with functions of your own"
        )


class _Keys(argparse.Action):
    """As --help: prints and ends."""

    def __init__(self, *, model: type[SettingsModel], **rest: Any):
        super().__init__(nargs="?", metavar="KEY", **rest)
        self._model = model

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: object, key: Any, *_: object
    ) -> None:
        try:
            print(reference(self._model, f"Keys of a config of `{parser.prog}`", key or ""), end="")
        except ValueError as error:
            parser.error(str(error))
        parser.exit()


def count(text: str) -> int:
    """A number of seeds, draws or the like."""
    if not text.isdecimal() or not 1 <= int(text) <= 10_000:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 to 10000, got {text!r}")
    return int(text)


def positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {text!r}")
    return value


def directory(text: str) -> Path:
    """A directory's name; an unset variable of a shell would be the current one."""
    if not text.strip():
        raise argparse.ArgumentTypeError("expected a directory, got an empty text")
    return Path(text)


def writable(text: str) -> Path:
    """A file that is written at the end; that it cannot be written is reported before the work."""
    path = Path(text)
    if is_database(path):
        raise argparse.ArgumentTypeError(f"{text}: is a database, such as a run's")
    there = path if path.exists() else path.absolute().parent
    if path.is_dir() or not os.access(there, os.W_OK):
        raise argparse.ArgumentTypeError(f"{text}: cannot be written")
    return path


def report(error: BaseException, *, running: bool = False, go_on: str = "") -> int:
    """Says on standard error what ended a command; returns its exit code (see EXIT_CODES).

    running: whether it had begun, so that the user's mistakes were behind it.
    go_on: how to continue.
    """
    if isinstance(error, ConfigError):
        return _told(2, str(error))
    if isinstance(error, InspectionError):  # nothing was begun that could go on
        return _told(1, f"error: {error}")
    if isinstance(error, (Stopped, KeyboardInterrupt)):
        number = error.args[0] if error.args else signal.SIGINT
        return _told(128 + number, f"Stopped; what was done is kept. {go_on}".rstrip())
    if isinstance(error, OSError):
        message = f"{error.filename or 'standard output'}: {error.strerror or error}"
        return _told(1, f"error: {message}. {go_on}".rstrip())
    if isinstance(error, MISTAKES) and not running:
        return _told(2, f"error: {error}")
    code = LOST if isinstance(error, ClusterLost) else 1
    return _told(code, f"error: {str(error).rstrip('.')}. {go_on}".rstrip())


def leave(code: int) -> NoReturn:
    """Ends the process; at once where a training that was given up goes on in it, for an
    interpreter that shuts down beneath XLA can crash, and where Ray is lost or stuck, for which its
    exit hooks would wait."""
    if is_training() or is_stuck() or code == LOST:
        sys.stdout.flush()
        os._exit(code)
    sys.exit(code)


def _told(code: int, text: str) -> int:
    """Tells, if anybody still reads it; what an output that failed has buffered is given up, for
    at exit it would fail once more."""
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr, flush=True)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return code
