"""From an evolved program to one that a reader understands: exact passes, ablation, exact passes.

    python -m search.simplify library:program8 --task vision_mlp --set steps=2000 --tune 192

What keeps the outputs goes by proof (programs/simplify), what makes no measurable difference on
the tasks goes by measurement (search/ablate.py), and each step is written into a certificate. A
part of a program can only show its use where the program trains well, so its constants are tuned to
the tasks first; the result is given with the tuned constants and with those it came with.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn, get_args

if __name__ == "__main__":  # before the imports, which take seconds
    from proxy_tasks.command import end_at_ctrl_c

    end_at_ctrl_c()

from programs import Program, ProgramError, live_across_steps, load
from programs.simplify import Simplification, as_dict, as_markdown, simplify
from proxy_tasks.command import until_closed
from proxy_tasks.errors import TaskError
from search.ablate import TUNING_SEED, Ablation, Change, Verdict, ablate
from search.selection import FINAL_TUNING, AblationSettings, ShrinkSettings, TuningSettings
from search.settings import Engine
from search.shrink import shrink
from search.threads import single_threaded
from search.trainings import Scorer, remembered
from search.tuning import Tuned, constants, tune


@dataclass(frozen=True)
class Shortened:
    """All that was done to a program, in order."""

    exact: Simplification
    tuned: Tuned | None
    proposal: Program | None  # of evolution without insertion, before its test
    ablation: Ablation
    again: Simplification
    restored: Program | None  # the result with the constants that came in, where they are known
    seconds: float

    @property
    def program(self) -> Program:
        """The result, with the constants it came with where that is possible."""
        return self.again.program if self.restored is None else self.restored

    @property
    def constants(self) -> str:
        """Which constants the result has, in words."""
        if self.restored is not None:
            return "Its constants are those that it came with, not the ones tuned to the tasks."
        if self.tuned is not None:
            return (
                "Its constants are the ones tuned to the tasks: which of those that it came with "
                "stand behind each of them is not known."
            )
        return "Its constants were not tuned."


def shorten(
    program: Program,
    score: Scorer,
    tasks: Sequence[str],
    ablation: AblationSettings | None = None,
    tuning: TuningSettings | None = None,
    shrinking: ShrinkSettings | None = None,
    show: Callable[[str], None] = lambda _: None,
) -> Shortened:
    """Exact passes, tuning, ablation, exact passes again.

    Args:
      tuning: none: the constants are taken as they are.
      shrinking: evolution without insertion proposes a program first, the paper's way; it is taken
        if it passes the same test as a removal.

    Raises:
      InvalidProgram: the program is not valid. ValueError: it does not train on the tasks.
    """
    begin = time.monotonic()
    exact = simplify(program)
    show(f"exact passes: {len(program)} -> {len(exact.program)} statements")
    start, tuned = exact.program, None
    if tuning is not None:
        [tuned] = tune([start], score, tasks, tuning, TUNING_SEED)
        start = tuned.program
        show(f"tuned: mean fitness {tuned.fitness:.5g} with the best of {tuned.draws} draws")
    proposal = None
    if shrinking is not None:
        proposal = simplify(shrink(start, score, tasks, shrinking)).program
        show(f"evolution without insertion proposes {len(proposal)} statements")
    done = ablate(
        start,
        score,
        tasks,
        ablation,
        lambda p: simplify(p).program,
        lambda change: show(str(change)),
        proposal,
    )
    again = simplify(done.program)
    restored: Program | None = None
    if tuned is not None:
        restored = again.program
        for before, after in ((exact.program, start), *done.retuned)[::-1]:
            restored = restored and with_first_constants(restored, after, before)
    return Shortened(exact, tuned, proposal, done, again, restored, time.monotonic() - begin)


def with_first_constants(final: Program, tuned: Program, first: Program) -> Program | None:
    """`final` with the constants of `first` in place of those of `tuned`, matched by value.

    tuned and first: the same statements with other constants. None where a constant of `final` is
    none of the tuned ones, or could be either of two.
    """
    first = live_across_steps(first)
    by_value: dict[str, set[float]] = {}
    for i, slot in constants(tuned):
        old, new = first.statements[i].arguments[slot], tuned.statements[i].arguments[slot]
        by_value.setdefault(_float32(new), set()).add(float(old))
    statements = list(final.statements)
    for i, slot in constants(final):
        arguments = list(statements[i].arguments)
        found = by_value.get(_float32(arguments[slot]), set())
        if len(found) != 1:
            return None
        arguments[slot] = next(iter(found))
        statements[i] = replace(statements[i], arguments=tuple(arguments))
    return replace(final, statements=tuple(statements))


def _float32(number: Any) -> str:
    return f"{float(number):.6g}"


def certificate(done: Shortened) -> str:
    """The whole way as a page to read."""
    lines = _head(done.exact.original, done.program, done.constants, done.seconds)
    if done.restored is not None:
        lines += ["With the constants tuned to the tasks:", "", *_code(done.again.program)]
    return "\n".join([*lines, _deeper(as_markdown(done.exact)), *_measured(done)])


def exact_certificate(exact: Simplification, why: str, tried: Shortened | None = None) -> str:
    """The same where the exact passes alone are the way; `tried` was taken back."""
    lines = [*_head(exact.original, exact.program, why, exact.seconds), _deeper(as_markdown(exact))]
    if tried is not None:
        lines += ["## What follows was taken back", "", why, "", *_measured(tried)]
    return "\n".join(lines)


def _head(before: Program, after: Program, said: str, seconds: float) -> list[str]:
    states = f"{len(before.states)} to {len(after.states)} states"
    return [
        "# From the evolved program to the final one",
        "",
        f"{len(before)} to {len(after)} statements, {states}, in {seconds:.0f} s. {said}",
        "",
        *_code(before),
        "became",
        "",
        *_code(after),
    ]


def _measured(done: Shortened) -> list[str]:
    """What was done after the exact passes."""
    lines = []
    if done.tuned is not None:
        lines += [
            "## Tuned to the tasks",
            "",
            f"{done.tuned.draws} draws of the constants; the best has mean fitness "
            f"{done.tuned.fitness:.6g} on the tuning seeds.",
            "",
            *_code(done.tuned.program),
        ]
    return [*lines, ablation_markdown(done.ablation), _deeper(as_markdown(done.again))]


def ablation_markdown(done: Ablation) -> str:
    """What was taken out by measurement, and what was not."""
    tolerances = ", ".join(f"{value:.4g} on {task}" for task, value in done.tolerance.items())
    lines = [
        "## Ablation, by measurement",
        "",
        "*measured*: the fitness stays within a tolerance. A removal is harmless when the interval "
        "of its paired difference in fitness to the start lies above minus the tolerance on every "
        f"task. Tolerance: {tolerances}.",
        "",
        f"{len(done.start)} -> {len(done.program)} statements.",
        "",
        "| removal | verdict | difference to the start |",
        "| --- | --- | --- |",
    ]
    for change in done.changes:
        measured = "; ".join(f"{task}: {comparison}" for task, comparison in change.by_task)
        lines.append(f"| `{change.what}` | {change.verdict.value} | {measured} |")
    return "\n".join([*lines, "", *_code(done.program)])


def _deeper(markdown: str) -> str:
    return "\n".join(f"#{line}" if line[:1] == "#" else line for line in markdown.split("\n"))


def _code(program: Program) -> list[str]:
    return ["```python", str(program).rstrip(), "```", ""]


def as_data(done: Shortened) -> dict[str, Any]:
    """The same as plain values, for JSON."""
    return {
        "program": str(done.program),
        "tuned": str(done.again.program),
        "statements": [len(done.exact.original), len(done.program)],
        "exact": as_dict(done.exact),
        "tolerance": dict(done.ablation.tolerance),
        "ablation": [change_data(change) for change in done.ablation.changes],
        "exact_again": as_dict(done.again),
        "seconds": round(done.seconds, 1),
    }


def change_data(change: Change) -> dict[str, Any]:
    """A tried removal as plain values; infinite bounds as null."""

    def number(value: float) -> float | None:
        return value if abs(value) < float("inf") else None

    return {
        "what": change.what,
        "verdict": change.verdict.name,
        "before": str(change.before),
        "after": str(change.after),
        "measured": [
            {
                "task": task,
                "seeds": c.pairs,
                "failed": c.failed,
                "mean": number(c.mean),
                "interval": [number(c.low), number(c.high)],
                "tolerance": -c.margin,
            }
            for task, c in change.by_task
        ],
    }


class _Parser(argparse.ArgumentParser):
    """One line for every mistake."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message}; --help explains\n")


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 10_000:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 to 10000, got {text!r}")
    return int(text)


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {text!r}")
    return value


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m search.simplify", description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("file", metavar="FILE", help="a program's text, or library:NAME")
    add("--task", action="append", required=True, metavar="NAME[@SCALE]", help="may be repeated")
    add("--set", action="append", default=[], metavar="KEY=VALUE",
        help="a setting of all tasks, or NAME.KEY=VALUE of one")  # fmt: skip
    add("--tasks", metavar="FILE", help="Python file with tasks of your own")
    add("--seeds", type=_count, default=12, help="seeds per comparison (default 12)")
    add("--confirm-seeds", type=_count, default=24, help="fresh seeds for the result (default 24)")
    add("--tolerance", type=_positive, help="loss of fitness that is accepted on each task")
    add("--tolerance-sd", type=_positive, default=0.5, help="the same in standard deviations of "
        "the fitness over seeds (default 0.5)")  # fmt: skip
    add("--level", type=_positive, default=0.05, help="chance of a wrong removal (default 0.05)")
    add("--tune", type=_count, metavar="DRAWS", help="tune the constants to the tasks first")
    add("--evolve", type=_count, metavar="CHILDREN", help="let evolution without insertion, the "
        "paper's way, make a proposal first")  # fmt: skip
    add("--price", type=_positive, default=0.002, help="of a statement, with --evolve")
    add("--engine", choices=get_args(Engine), default="auto")
    add("--json", action="store_true", help="print JSON")
    add("--out", type=Path, metavar="FILE", help="write the program there")
    add("--certificate", type=Path, metavar="FILE", help="write the certificate there (Markdown)")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code: 0 done, 2 bad input."""
    options = _parser().parse_args(argv)
    single_threaded()
    try:
        if min(options.seeds, options.confirm_seeds) < 2:
            raise ValueError("--seeds: an interval needs at least 2 seeds")
        if not options.level < 0.5:
            raise ValueError("--level: expected a number below 0.5")
        program = load(options.file)
        from search.trainer import Trainer, task_settings  # JAX, for the command line alone

        trainer = Trainer(options.engine, tasks_file=options.tasks)
        trainer.settings = task_settings(options.task, options.set)
        for name in options.task:
            trainer.task(name)
        done = shorten(
            program,
            remembered(trainer),
            list(dict.fromkeys(options.task)),
            AblationSettings(
                seeds=options.seeds,
                confirm_seeds=options.confirm_seeds,
                tolerance=options.tolerance,
                tolerance_sd=options.tolerance_sd,
                level=options.level,
            ),
            FINAL_TUNING.model_copy(update={"draws": options.tune}) if options.tune else None,
            ShrinkSettings(children=options.evolve, price=options.price)
            if options.evolve
            else None,
            lambda text: print(text, file=sys.stderr, flush=True),
        )
        if options.out:
            options.out.write_text(str(done.program))
        if options.certificate:
            options.certificate.write_text(certificate(done))
    except (ProgramError, TaskError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(json.dumps(as_data(done), indent=2) if options.json else _printed(done))
    return 0


def _printed(done: Shortened) -> str:
    """The result and what was taken out, for the terminal."""
    gone: list[str] = []
    for change in done.ablation.changes:
        if change.verdict is Verdict.TAKEN:
            gone.append(change.what)
        elif change.verdict is Verdict.UNCONFIRMED:  # the next round takes anew
            gone.clear()
    return "\n".join(
        [
            f"{len(done.exact.original)} statements; {len(done.exact.program)} after the exact "
            f"passes; {len(done.program)} after the ablation",
            *(f"  measured: {what}" for what in gone),
            "",
            str(done.program),
        ]
    )


if __name__ == "__main__":
    sys.exit(until_closed(main))
