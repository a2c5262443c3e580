"""Score a program on proxy tasks: python -m search.evaluate PROGRAM --task NAME"""

from __future__ import annotations

if __name__ == "__main__":  # before the imports, which take seconds
    from proxy_tasks.console import exit_on_sigint

    exit_on_sigint()


import argparse
import dataclasses
import json
import math
import statistics
import sys
import time
from collections.abc import Sequence
from typing import Any, get_args

from programs import Program, ProgramError, load_functions_file
from programs.counted import counted
from proxy_tasks import TASKS, Task, TaskError
from proxy_tasks.console import run_command
from search.config.settings import Engine
from search.console import Parser, count, report
from search.evaluation.evaluator import Evaluator, evaluator_for
from search.evaluation.fitness import Evaluation, Outcome
from search.evaluation.optimizers import OPTIMIZERS, HandDesigned, read_program
from search.evaluation.seeds import SEARCH, TooManySeeds
from search.evaluation.threads import single_threaded
from search.reports.tables import columns
from search.reports.verbs.contributions import measured
from search.reports.verbs.program import CONTRIBUTION_HEAD, contribution_row
from search.selection.comparison import t_interval

EPILOG = f"""PROGRAM is one of
  FILE                          the text of a program: def train(w, g, m, lr): ... return update, m
  library:lion                  a program of the library (python -m programs list lists them)
  optax:adamw(learning_rate=1e-3, weight_decay=0.01)
                                an optimizer designed by hand; its rate is the peak of the schedule
tasks: {", ".join(TASKS)}; NAME:PRESET and NAME@SCALE choose a preset and a size
  (python -m proxy_tasks lists all)
optimizers: {", ".join(OPTIMIZERS)}

examples:
  python -m search.evaluate library:lion --task vision_mlp
  python -m search.evaluate my_rule.py --task vision_mlp@10 --task language_mlp --seeds 5
  python -m search.evaluate "optax:adamw(learning_rate=1e-3)" --task vision_mlp --task-set steps=200
"""


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code: 0 done, 2 bad input."""
    options = _parser().parse_args(argv)
    single_threaded()
    try:
        if options.functions_file:
            load_functions_file(options.functions_file)
        program = read_program(options.program)
        evaluator = evaluator_for(
            options.task, options.task_set, engine=options.engine, tasks_file=options.tasks_file
        )
        if options.contributions:
            return _contributions(program, evaluator, options)
        show = _Progress(len(evaluator.tasks) * options.seeds)
        evaluations = evaluator.evaluate(program, SEARCH.take(options.seeds), show)
    except (ProgramError, TaskError, TooManySeeds) as error:
        return report(error)
    by_task = [
        evaluations[i : i + options.seeds] for i in range(0, len(evaluations), options.seeds)
    ]
    summaries = [
        _summary(task, evaluator.engine_of(task.name, program), own)
        for task, own in zip(evaluator.tasks, by_task, strict=True)
    ]
    if options.json:
        print(json.dumps(summaries, indent=2))
    else:
        print("\n".join(_line(summary) for summary in summaries))
    return 0


def _parser() -> Parser:
    parser = Parser(
        "evaluate",
        "Train proxy tasks with a program as the optimizer and print its fitness (the\n"
        "score on the search-validation split, higher is better) for each seed.",
        EPILOG,
    )
    parser.add_argument("program", metavar="PROGRAM", help="what to score (see below)")
    parser.add_tasks(required=True)
    parser.add_tasks_file()
    parser.add_functions_file()
    parser.add_argument(
        "--engine", choices=get_args(Engine), default="auto",
        help="interpreted: compile a task once for all programs; compiled: compile this program, "
        "for long trainings; auto (default): by the length of the task",
    )  # fmt: skip
    parser.add_argument(
        "--contributions",
        action="store_true",
        help="of a program: what each statement contributes, by training without it",
    )
    parser.add_argument("--seeds", type=count, default=3, help="trainings per task (default 3)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _contributions(
    program: Program | HandDesigned, evaluator: Evaluator, options: argparse.Namespace
) -> int:
    if not isinstance(program, Program):
        raise ProgramError("--contributions: only a program has statements, not an optimizer")
    seeds = SEARCH.take(options.seeds)
    found = measured(program, lambda one: evaluator.evaluate(one, seeds))
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        print(columns([CONTRIBUTION_HEAD, *map(contribution_row, found)]))
    return 0


class _Progress:
    """Says on stderr how far it is when it takes more than a few seconds."""

    def __init__(self, total: int):
        self.total, self.done, self.start = total, 0, time.perf_counter()

    def __call__(self, evaluation: Evaluation) -> None:
        self.done += 1
        seconds = time.perf_counter() - self.start
        if seconds > 3 and self.done < self.total:
            print(
                f"{self.done} of {self.total} trainings, {seconds:.0f} s: {evaluation.task} seed "
                f"{evaluation.seed}: {evaluation.fitness:.4f}, {evaluation.outcome.value}",
                file=sys.stderr,
                flush=True,
            )


def _summary(task: Task, engine: str, evaluations: Sequence[Evaluation]) -> dict[str, Any]:
    """What is printed of one task; there is a mean only if every training completed."""
    fitness = [e.fitness for e in evaluations]
    finite = all(map(math.isfinite, fitness))
    mean = statistics.fmean(fitness) if finite else math.nan
    interval = None
    if finite and len(fitness) > 1:
        interval = list(t_interval(fitness, level=0.025))
    return {
        "task": task.name,
        "measure": getattr(task.settings, "fitness", "fitness"),
        "engine": engine,
        "mean": mean if finite else None,
        "interval": interval,
        "seeds": [
            {
                **dataclasses.asdict(e),
                "fitness": e.fitness if math.isfinite(e.fitness) else None,
                "outcome": e.outcome.name,
            }
            for e in evaluations
        ],
        "compile_seconds": sum(e.compile_seconds for e in evaluations),
        "run_seconds": sum(e.run_seconds for e in evaluations),
    }


def _line(summary: dict[str, Any]) -> str:
    if summary["mean"] is None:
        result = "no mean: not every training completed"
    elif summary["interval"] is None:
        result = f"{summary['mean']:.5g} (one seed: no interval)"
    else:
        low, high = summary["interval"]
        result = f"{summary['mean']:.5g}, 95 % interval {low:.5g} to {high:.5g}"
    rows = [f"{summary['task']} ({summary['measure']}): {result}"]
    for row in summary["seeds"]:
        fitness = "none" if row["fitness"] is None else f"{row['fitness']:.6g}"
        outcome = Outcome[row["outcome"]].value
        rows.append(f"  seed {row['seed']}: {fitness}, {outcome}, {counted(row['steps'], 'step')}")
    rows.append(f"  compile {summary['compile_seconds']:.2f} s, run {summary['run_seconds']:.3f} s")
    return "\n".join(rows)


if __name__ == "__main__":
    sys.exit(run_command(main))
