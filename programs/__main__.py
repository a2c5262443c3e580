"""python -m programs show | check | diff | simplify | export FILE: programs from the command line.

FILE is a program's text, or `library:NAME`. Exit codes: 0 done (check: valid, diff: the same
function), 1 diff: another function, 2 bad input.
"""

from __future__ import annotations

import argparse
import difflib
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from programs import (
    Program,
    ProgramError,
    analyse,
    library,
    load,
    reaching,
)

EPILOG = """examples:
  python -m programs show library:program8
  python -m programs check my_rule.py
  python -m programs diff library:adam library:adamw
  python -m programs simplify library:program8 --certificate certificate.md

library programs: """


def main(argv: Sequence[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    try:
        code = arguments.run(arguments)
        sys.stdout.flush()
        return code
    except ProgramError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `| head` closed our output
        sys.stderr.close()
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m programs",
        description="Show, check, compare and simplify update rules.",
        epilog=EPILOG + ", ".join(library()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name: str, run, text: str, files: str = "file") -> argparse.ArgumentParser:
        sub = verbs.add_parser(name, help=text, description=text)
        sub.set_defaults(run=run)
        if files == "file":
            sub.add_argument("file", metavar="FILE", help="a program's text, or library:NAME")
        sub.add_argument("--json", action="store_true", help="print JSON")
        return sub

    verb("show", _show, "Print a program with its kinds, redundant statements, states and hashes.")
    verb("check", _check, "Say whether a program is valid; exit 2 and say why if not.")
    export = verb(
        "export", _export, "Print a program as optax source that needs only jax and optax."
    )
    export.add_argument("--name", default="rule", help="the function's name (default: rule)")
    export.add_argument("--out", metavar="PATH", help="write the source here")
    simplify = verb("simplify", _simplify, "Make a program as short as its outputs allow.")
    simplify.add_argument("--out", metavar="PATH", help="write the simplified program here")
    simplify.add_argument("--certificate", metavar="PATH", help="write every step here, Markdown")
    simplify.add_argument(
        "--work", type=int, metavar="UNITS", help="limit, in units of about a microsecond"
    )
    diff = verb("diff", _diff, "Compare two programs; exit 1 if they differ.", files="two")
    diff.add_argument("file", metavar="FILE", help="a program's text, or library:NAME")
    diff.add_argument("other", metavar="OTHER", help="the program to compare it with")
    return parser


def _show(arguments: argparse.Namespace) -> int:
    program = load(arguments.file)
    if arguments.json:
        print(json.dumps(describe(program), indent=2))
    else:
        print(annotate(program, dim=sys.stdout.isatty()))
    return 0


def _check(arguments: argparse.Namespace) -> int:
    program = load(arguments.file)
    if arguments.json:
        print(json.dumps({"valid": True, "statements": len(program)}))
    else:
        print(f"{arguments.file}: valid, {len(program)} statements")
    return 0


def _diff(arguments: argparse.Namespace) -> int:
    one, other = load(arguments.file), load(arguments.other)
    same = sameness(one, other)
    lines = list(
        difflib.unified_diff(
            str(one).splitlines(),
            str(other).splitlines(),
            arguments.file,
            arguments.other,
            n=100,
            lineterm="",
        )
    )
    if arguments.json:
        print(json.dumps({"same": same, "diff": lines}, indent=2))
    else:
        print("\n".join(lines) if lines else f"{one}the texts are the same")
        for name, equal in same.items():
            print(f"{name:<12} {'the same function' if equal else 'another function'}")
        print(SAMENESS)
    return 0 if same["functional"] or same["canonical"] else 1


def _export(arguments: argparse.Namespace) -> int:
    from programs.export import to_optax

    if not arguments.name.isidentifier():
        raise ProgramError(f"--name {arguments.name!r} is no Python name, such as 'my_rule'")
    source = to_optax(load(arguments.file), arguments.name)
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
    result = simplify(load(arguments.file), work)
    if arguments.out:
        _write(arguments.out, str(result.program))
    if arguments.certificate:
        _write(arguments.certificate, as_markdown(result))
    if arguments.json:
        print(json.dumps(as_dict(result), indent=2))
        return 0
    print(result.program, end="")
    print(
        f"# {len(result.original)} -> {len(result.program)} statements, "
        f"{len(result.original.states)} -> {len(result.program.states)} states, "
        f"{sum(step.applied for step in result.certificate)} steps; {result.claim.value}"
    )
    print(f"# given up: {'; '.join(result.given_up()) or 'nothing that was measured'}")
    if not result.check.passed:
        print(f"# CHECK FAILED, the program may be wrong: {result.check.note}")
    if not result.complete:
        print("# the work that was allowed was done: the best so far; give it more with --work")
    return 0


def _write(path: str, text: str) -> None:
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise ProgramError(f"cannot write '{path}': {error.strerror}") from None


SAMENESS = (
    "(functional: same computation; canonical: same after sound normal forms; "
    "behavioural: same first steps, no proof)"
)


def hashes(program: Program) -> dict[str, str]:
    """The three hashes, in hexadecimal."""
    from programs.behaviour import behaviour
    from programs.canonical import canonical_hash

    return {
        "functional": analyse(program).functional_hash.hex(),
        "canonical": canonical_hash(program).hex(),
        "behavioural": behaviour(program).hash.hex(),
    }


def sameness(one: Program, other: Program) -> dict[str, bool]:
    """Whether two programs are the same function, by each of the three hashes."""
    first, second = hashes(one), hashes(other)
    return {name: first[name] == second[name] for name in first}


def describe(program: Program) -> dict:
    """All that `show` prints, as data."""
    from programs.behaviour import behaviour

    analysis = analyse(program)
    states, kept = reaching(analysis)
    return {
        "text": str(program),
        "statements": [
            {
                "text": str(statement),
                "kind": str(kind),
                "live": i in analysis.live,
                "reaches_an_update": i in kept,
            }
            for i, (statement, kind) in enumerate(zip(program, analysis.kinds))
        ],
        "live_statements": len(analysis.live),
        "live_statements_across_steps": len(kept),
        "states": list(program.states),
        "states_needed": [program.states[i] for i in states],
        "hashes": hashes(program),
        "conduct": behaviour(program).conduct.value,
    }


def annotate(program: Program, dim: bool = False) -> str:
    """The program with each statement's kind, its redundant statements dimmed or commented out."""
    facts = describe(program)
    head, *_, tail = str(program).splitlines()
    width = max((len(s["text"]) for s in facts["statements"]), default=0) + 2
    lines = [head]
    for fact in facts["statements"]:
        note = fact["kind"]
        if not fact["live"]:
            note += ", redundant"
        elif not fact["reaches_an_update"]:
            note += ", reaches no later update"
        line = f"{fact['text']:<{width}}  # {note}"
        if fact["live"]:
            lines.append(f"    {line}")
        else:
            lines.append(f"    \x1b[2m{line}\x1b[0m" if dim else f"    # {line}")
    lines += [tail, ""]
    states = f"{len(facts['states_needed'])} of {len(facts['states'])}"
    if facts["states_needed"]:
        states += f": {', '.join(facts['states_needed'])}"
    lines += [
        f"{len(program)} statements, {facts['live_statements']} live in a step, "
        f"{facts['live_statements_across_steps']} live across steps; states needed: {states}",
        facts["conduct"],
    ]
    lines += [f"{name:<12} {value}" for name, value in facts["hashes"].items()]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
