"""python -m programs list | show | check | diff | simplify | export: programs, on the command line.

FILE is a program's text, `library:NAME`, or - for standard input. Exit codes: 0 done (check: valid,
diff: the same function), 1 diff: another function, 2 bad input, or output that cannot be written.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import errno
import io
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from programs import (
    Program,
    ProgramError,
    discovered,
    library,
    load_functions_file,
)
from programs.counted import counted
from programs.describe import SAMENESS, annotate, comment, describe, differences, headline, sameness
from programs.load import LIBRARY, read, read_from
from programs.outputs import is_database
from programs.program import printable

EPILOG = """examples:
  python -m programs list
  python -m programs show library:program8
  python -m programs check my_rule.py
  python -m programs diff library:adam library:adamw
  python -m programs simplify library:program8 --certificate certificate.md
  python -m programs export library:lion --to torch --name Lion --out lion.py
"""
FILE = "a program's text, library:NAME, or - for standard input"


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    _open_streams()
    arguments = _parser().parse_args(argv)
    if isinstance(sys.stdout, io.TextIOWrapper):  # what its encoding lacks is written as \\xe9
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        if arguments.functions_file:
            load_functions_file(arguments.functions_file)
        code: int = arguments.run(arguments)
        sys.stdout.flush()
        return code
    except ProgramError as error:
        return _told(2, *(f"error: {mistake}" for mistake in (error, *error.others)))
    except KeyboardInterrupt:
        return _told(130, "stopped")
    except BrokenPipeError:  # `| head` closed our output
        _give_up_output()
        return 0
    except OSError as error:
        return _told(2, f"error: {_blamed(error)}")


def _open_streams() -> None:
    """What is closed (`>&-`) is /dev/null from now on: Python has no such stream then, and the next
    file to be opened would take its number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))


def _told(code: int, *lines: str) -> int:
    """Tells on standard error, if it can be written; returns the code."""
    with contextlib.suppress(OSError):
        print(*lines, sep="\n", file=sys.stderr, flush=True)
    return code


def _give_up_output() -> None:
    """What the output still holds would fail again at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _blamed(error: OSError) -> str:
    """What could not be written."""
    if error.filename is not None:
        return f"{printable(str(error.filename))}: {error.strerror}"
    _give_up_output()
    return f"standard output: {error.strerror}"


class _Parser(argparse.ArgumentParser):
    """Reports a mistake in one line, with exit code 2; options cannot be abbreviated."""

    def __init__(self, **options: Any):
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message}; --help explains\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m programs",
        description="List, show, check, compare, simplify and export update rules.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(
        name: str, run: Callable[[argparse.Namespace], int], text: str, *files: str
    ) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(run=run)
        for file in files:
            sub.add_argument(file, metavar=file.upper(), help=FILE)
        sub.add_argument(
            "--functions-file", metavar="FILE", help="Python file with functions of your own"
        )
        sub.add_argument("--json", action="store_true", help="print JSON")
        return sub

    command("list", _list, "List the programs of the library.")
    command(
        "show", _show, "Print a program with its kinds, redundant statements, states and hashes.",
        "file",
    )  # fmt: skip
    command("check", _check, "Say whether a program is valid; exit 2 and say why if not.", "file")
    command("diff", _diff, "Compare two programs; exit 1 if they differ.", "file", "other")
    simplify = command(
        "simplify", _simplify, "Make a program as short as its outputs allow.", "file"
    )
    simplify.add_argument("--out", metavar="PATH", help="write the simplified program here")
    simplify.add_argument("--certificate", metavar="PATH", help="write every step here, Markdown")
    simplify.add_argument(
        "--work", type=int, metavar="UNITS", help="limit, in units of about a microsecond"
    )
    export = command(
        "export", _export, "Print a program as source that needs nothing of this project.", "file"
    )
    export.add_argument(
        "--to", choices=("optax", "torch", "numpy", "latex"), default="optax",
        help="what for: a module for optax (default), torch or numpy, or equations",
    )  # fmt: skip
    export.add_argument("--name", help="the function's or class's name (default: rule or Rule)")
    export.add_argument("--out", metavar="PATH", help="write the source here")
    return parser


def _read(name: str) -> tuple[Program, str]:
    """A program, and the text that it was read from."""
    return read_from(sys.stdin.buffer, "<stdin>") if name == "-" else read(name)


def _list(arguments: argparse.Namespace) -> int:
    rows = []
    for name in [*library(), *discovered()]:
        program, text = _read(f"{LIBRARY}{name}")
        rows.append(
            {
                "name": f"{LIBRARY}{name}",
                "statements": len(program),
                "states": len(program.states),
                "about": headline(text),
            }
        )
    if arguments.json:
        print(json.dumps(rows, indent=2))
        return 0
    width = max(len(str(row["name"])) for row in rows)
    print(f"{'name':<{width}}  statements  states  about")
    for row in rows:
        counts = f"{row['statements']:>10}  {row['states']:>6}"
        print(f"{row['name']:<{width}}  {counts}  {row['about']}")
    return 0


def _show(arguments: argparse.Namespace) -> int:
    program, text = _read(arguments.file)
    if arguments.json:
        print(json.dumps(describe(program, text), indent=2))
    else:
        print(annotate(program, text, dim=sys.stdout.isatty()))
    return 0


def _check(arguments: argparse.Namespace) -> int:
    try:
        program, _ = _read(arguments.file)
    except ProgramError as error:
        if not arguments.json:
            raise
        others = [_mistake(other) for other in error.others]
        print(json.dumps({"valid": False, **_mistake(error), "others": others}, indent=2))
        return 2
    if arguments.json:
        print(json.dumps({"valid": True, "statements": len(program)}, indent=2))
    else:
        print(f"{printable(arguments.file)}: valid, {counted(len(program), 'statement')}")
    return 0


def _mistake(error: ProgramError) -> dict[str, Any]:
    position = {"file": error.file, "line": error.line, "column": error.column}
    return {
        "error": error.message,
        **{key: value or None for key, value in position.items()},
    }


def _diff(arguments: argparse.Namespace) -> int:
    files = arguments.file, arguments.other
    if files == ("-", "-"):
        raise ProgramError("standard input holds one program; give the other as a file")
    (one, text), (other, other_text) = map(_read, files)
    same = sameness(one, other)
    names = printable(arguments.file), printable(arguments.other)
    lines = list(
        difflib.unified_diff(
            str(one).splitlines(), str(other).splitlines(), *names, n=100, lineterm=""
        )
    )
    notes = dict(zip(files, map(differences, (text, other_text))))
    notes = {name: note for name, note in notes.items() if note}
    if arguments.json:
        print(json.dumps({"same": same, "diff": lines, "notes": notes}, indent=2))
    else:
        print("\n".join(lines) if lines else f"{one}the texts are the same")
        for name, equal in same.items():
            print(f"{name:<12} {'the same function' if equal else 'another function'}")
        print(SAMENESS)
        for name, note in notes.items():
            print(f"{printable(name)}: {note}")
    return 0 if same["functional"] or same["canonical"] else 1


def _export(arguments: argparse.Namespace) -> int:
    from programs.export import TARGETS, Origin

    _look_at(arguments.out, instead_of=arguments.file)
    to, default = TARGETS[arguments.to]
    program, text = _read(arguments.file)
    origin = Origin("" if arguments.file == "-" else arguments.file, comment(text))
    source = to(program, default if arguments.name is None else arguments.name, origin)
    if arguments.out:
        _write(arguments.out, source)
    if arguments.json:
        print(json.dumps({"source": source}))
    elif not arguments.out:
        print(source, end="")
    return 0


def _simplify(arguments: argparse.Namespace) -> int:
    from programs.simplify import WORK, as_dict, as_markdown, simplify

    work = WORK if arguments.work is None else arguments.work
    if work < 1:
        raise ProgramError(f"--work {work}: a limit is above 0, such as {WORK}, the default")
    _look_at(arguments.out, arguments.certificate)
    _look_at(arguments.certificate, instead_of=arguments.file)
    result = simplify(_read(arguments.file)[0], work)
    if arguments.out:
        _write(arguments.out, str(result.program))
    if arguments.certificate:
        _write(arguments.certificate, as_markdown(result))
    if arguments.json:
        print(json.dumps(as_dict(result), indent=2))
        return 0
    print(result.program, end="")
    print(
        f"# {len(result.original)} -> {counted(len(result.program), 'statement')}, "
        f"{len(result.original.states)} -> {counted(len(result.program.states), 'state')}, "
        f"{counted(sum(step.applied for step in result.certificate), 'step')}; {result.claim.value}"
    )
    print(f"# given up: {'; '.join(result.given_up()) or 'nothing that was measured'}")
    if not result.check.passed:
        print(f"# CHECK FAILED, the program may be wrong: {result.check.note}")
    if not result.complete:
        print("# the limit on work was reached: the best so far; raise it with --work")
    return 0


def _look_at(*paths: str | None, instead_of: str = "") -> None:
    """Whether files can be written, before the work that they are for.

    instead_of: the program that was read, which none of them may be.
    """
    for path in (Path(path) for path in paths if path is not None):
        folder = path.absolute().parent
        reason = "it is a folder" if path.is_dir() else ""
        if is_database(path):
            reason = "it is a database, such as a run's"
        elif instead_of and path.resolve() == Path(instead_of).resolve():
            reason = "it is the program itself"
        if not folder.is_dir():
            reason = f"there is no folder '{folder}'"
        elif not os.access(path if path.exists() else folder, os.W_OK):
            reason = os.strerror(errno.EACCES)
        if reason:
            raise ProgramError(f"cannot write '{path}': {reason}")
    given = [Path(path).resolve() for path in filter(None, paths)]
    if len(set(given)) < len(given):
        raise ProgramError(f"'{paths[-1]}' is where the program goes; give the certificate another")


def _write(path: str, text: str) -> None:
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise ProgramError(f"cannot write '{path}': {error.strerror}") from None


if __name__ == "__main__":
    sys.exit(main())
