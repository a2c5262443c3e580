"""A run as a page to look at: `python -m search.report RUN [RUN ...]` writes one HTML file.

It needs no server and nothing from the network, and runs nothing that stands in the run. Several
runs are compared. With --live the page is served on this machine alone and follows the search.
"""

from __future__ import annotations

if __name__ == "__main__":  # before the imports, which take seconds
    from proxy_tasks.console import exit_on_sigint

    exit_on_sigint()


import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from programs import ProgramError, load_functions_file
from proxy_tasks.console import run_command
from search.config.load import ConfigError
from search.console import Parser, directory, writable
from search.console import report as report_error
from search.reports.page.live import PortTaken, serve
from search.reports.page.report import report
from search.storage.errors import StoreError
from search.storage.files import write_file

NAME = "report.html"


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"expected a port from 0 to 65535, got {text!r}")
    return int(text)


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code: 0 done, 1 not written, 2 a mistake."""
    parser = Parser("report", __doc__ or "")
    add = parser.add_argument
    add("runs", nargs="+", type=directory, metavar="RUN", help="a run directory")
    add("--out", type=writable, metavar="FILE", help=f"default: {NAME} in the run directory, of "
        "several runs in the current one")  # fmt: skip
    add("--live", action="store_true", help="serve it on 127.0.0.1 while the search runs")
    add("--port", type=_port, default=0, help="with --live (default: any that is free)")
    parser.add_functions_file()
    options = parser.parse_args(argv)
    first = options.runs[0] if len(options.runs) == 1 else Path()
    try:
        if options.functions_file:
            load_functions_file(options.functions_file)
        if options.live:
            serve(options.runs, port=options.port, show=lambda line: print(line, flush=True))
        out = options.out or first / NAME
        write_file(out, report(options.runs))
    except PortTaken:
        parser.error(
            f"--port: {options.port} is already in use; expected one that is free, or none"
        )
    except BrokenPipeError:
        raise  # the reader has had enough: `run_command` says nothing
    except (StoreError, ConfigError, ProgramError, OSError) as error:
        return report_error(error)
    print(f"written: {out}")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
