"""What the commands share: how they end early, and how they show progress and tables.

This file imports nothing heavy at its head, so that it can come before what takes seconds to
import.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NoReturn, TypeVar

Item = TypeVar("Item")


def exit_on_sigint() -> None:
    """From now on Ctrl-C ends the process at once, with one line and exit code 130.

    A KeyboardInterrupt would wait until XLA comes back, which can take minutes, and then show a
    traceback; and an interpreter that shuts down while XLA's threads run can crash. For commands
    that write nothing until they are done.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell's background job
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # threads started later inherit it
    threading.Thread(target=_wait, daemon=True).start()


def _wait() -> None:
    signal.sigwait({signal.SIGINT})
    show_cursor = b"\x1b[?25h" if os.isatty(2) else b""  # which a progress bar hides
    os.write(2, show_cursor + b"stopped\n")
    os._exit(128 + signal.SIGINT)


class OneLineParser(argparse.ArgumentParser):
    """Reports a mistake in one line, with exit code 2; options cannot be abbreviated."""

    def __init__(self, **options: Any):
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message}; --help explains\n")


def open_streams() -> None:
    """What is closed (`>&-`) is /dev/null from now on: Python has no such stream then, and the next
    file to be opened, such as a store, would take its number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))


def complain(text: str) -> None:
    """Says what is wrong on standard error, if it can be written."""
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr, flush=True)


def run_command(main: Callable[[], int]) -> int:
    """Runs a command to its exit code.

    Quiet when its output is closed before, as by `| head`; one line and exit code 1 when its output
    cannot be written otherwise. Closed streams are opened.
    """
    open_streams()
    try:
        try:
            return main()
        finally:
            sys.stdout.flush()
    except OSError as error:
        if error.filename is not None:  # not an output's
            raise
        # What is still buffered would be written, and fail with a message, at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            return 0
        complain(f"error: standard output: {error.strerror}")
        return 1


def with_progress(items: Sequence[Item], label: Callable[[Item], str]) -> Iterator[Item]:
    """The items, with a progress bar that names the current one, if stderr is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}")
    console = Console(stderr=True)
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("", total=len(items))
        for item in items:
            bar.update(task, description=label(item))
            yield item
            bar.advance(task)


def table(rows: Sequence[Mapping[str, object]]) -> str:
    """A table as text, one line per row, never cut: numbers to the right, floats in 2 decimals.

    Its columns are the keys of the longest row; a row may lack some.
    """
    from rich.console import Console
    from rich.table import Table

    names: list[str] = max(([*row] for row in rows), key=len)
    drawn = Table(*names, box=None, pad_edge=False)
    for name, column in zip(names, drawn.columns):
        values = [row[name] for row in rows if name in row]
        numeric = all(isinstance(value, (int, float)) for value in values)
        column.justify, column.no_wrap = ("right" if numeric else "left"), True
    for row in rows:
        drawn.add_row(*(_cell(row.get(name, "")) for name in names))
    console = Console(width=10_000, color_system=None)
    with console.capture() as captured:
        console.print(drawn)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def _cell(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)
