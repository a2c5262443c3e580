"""Look into a run, also while it is being made: `python -m search.inspect RUN [what]`.

{verbs}

ID (0 if not given), A and B are individuals, files, or `library:NAME`. Nothing is written, but by
`tables --out DIR`. Verbs
check a large store only as far as they read it; digest checks it all.
"""

from __future__ import annotations

if __name__ == "__main__":  # before the imports, which take seconds
    from proxy_tasks.console import exit_on_sigint

    exit_on_sigint()


import json
import sys
from collections.abc import Sequence
from pathlib import Path

from programs import ProgramError, load_functions_file
from proxy_tasks.console import run_command
from search.config.load import ConfigError
from search.console import Parser, count, directory, report
from search.reports.verbs.asked import Asked, Verb
from search.reports.verbs.table import VERBS
from search.reports.verbs.tables import FORMATS, NoParquet, write_tables
from search.reports.watch import watch
from search.storage.errors import StoreError
from search.storage.identity import check_functions
from search.storage.store import opened


def _parser() -> Parser:
    rows = [(" ".join((name, *verb.names)), verb.what) for name, verb in VERBS.items()]
    verbs = "\n".join(f"{call:<12} {what}" for call, what in rows)
    parser = Parser("inspect", (__doc__ or "").format(verbs=verbs))
    add = parser.add_argument
    add("run", type=directory, help="a run directory")
    add("what", nargs="?", choices=VERBS, default="overview")
    add("names", nargs="*", metavar="ID", help="of an individual, a file, or library:NAME")
    add("--count", type=count, default=10, help="how many programs (default 10)")
    add("--all", action="store_true", help="also the steps of a lineage that changed nothing")
    add("--simplify", action="store_true", help="the front also simplified, which takes seconds")
    add("--json", action="store_true", help="print JSON, as docs/inspect.md explains")
    add("--out", type=Path, metavar="DIR", help="write the tables into this folder")
    add("--format", choices=FORMATS, help="of these files (default csv)")
    add("--watch", action="store_true", help="a live screen, until Ctrl-C")
    parser.add_functions_file()
    return parser


def answer(run: Path, verb: Verb, asked: Asked, *, as_json: bool) -> str:
    """The whole answer as text. Raises StoreError, ConfigError, ProgramError."""
    with opened(run, whole=verb.whole) as store:
        verb.check(store)
        if verb.reads_programs:
            check_functions(store)
        if as_json:
            return json.dumps(verb.data(store, asked), indent=2, allow_nan=False)
        return "\n".join(verb.lines(store, asked))


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code: 0 done, 2 a mistake or a damaged store."""
    parser = _parser()
    options = parser.parse_args(argv)
    verb = VERBS[options.what]
    if verb.names == ("ID",) and not options.names:
        options.names = ["0"]  # the first warm start
    if len(options.names) != len(verb.names):
        wanted = " ".join((options.what, *verb.names))
        parser.error(f"expected `{wanted}`, got `{' '.join((options.what, *options.names))}`")
    if options.watch and (options.json or options.out or not sys.stdout.isatty()):
        parser.error("--watch draws on a terminal: not with --json or --out, nor into a file")
    if options.out and options.what != "tables":
        parser.error("--out DIR is where `tables` are written")
    if options.format and not options.out:
        parser.error("--format is of the files that `tables --out DIR` writes")
    asked = Asked(tuple(options.names), options.count, options.all, options.simplify)
    try:
        if options.functions_file:
            load_functions_file(options.functions_file)
        if options.watch:
            watch(lambda: answer(options.run, verb, asked, as_json=False), str(options.run))
        if options.out:
            with opened(options.run) as store:
                written = write_tables(store, options.out, options.format or "csv")
            files = [one["file"] for one in written]
            print(json.dumps(written, indent=2) if options.json else "\n".join(files))
            return 0
        print(answer(options.run, verb, asked, as_json=options.json))
    except NoParquet as error:
        parser.error(str(error))
    except BrokenPipeError:
        raise  # the reader has had enough: `run_command` says nothing
    except (StoreError, ConfigError, ProgramError, OSError) as error:
        return report(error)
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
