"""Score a program on proxy tasks: python -m search.evaluate PROGRAM --task NAME

An Evaluator lives as long as a worker and keeps every compiled training, so that after the first
program of a size the next ones only run.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NoReturn, get_args

if __name__ == "__main__":  # before the imports, which take seconds
    from proxy_tasks.command import end_at_ctrl_c

    end_at_ctrl_c()

import scipy.stats

from programs import Program, ProgramError, load, parse
from programs.interpreter import capacity_of, encode, interpreted
from programs.transform import as_optax
from proxy_tasks.command import until_closed
from proxy_tasks.task import TASKS, Task, TaskError, make_task
from proxy_tasks.train import Hurdle, StopRules, Training, TrainResult
from search.handmade import OPTIMIZERS, PREFIX, Handmade, parse_handmade
from search.scores import Evaluation, Outcome
from search.settings import Engine
from search.threads import single_threaded

Thresholds = Sequence[Sequence[float]]  # [tasks, hurdles] least fitness

COMPILE_S = 10.0  # what compiling the training of one program may cost, in seconds
STATEMENT_S, NUMBER_S = 1e-6, 1e-9  # what the interpreter adds per statement, and per weight in it
STATEMENTS = 10  # live statements of a typical program


def read(program: Program | Handmade | str) -> Program | Handmade:
    """A program from its text, a file, `library:NAME` or `optax:NAME(...)`. Raises ProgramError."""
    if not isinstance(program, str):
        return program
    if not program.strip():
        raise ProgramError(f"expected FILE, library:NAME or optax:NAME(...), got {program!r}")
    if program.startswith(PREFIX):
        return parse_handmade(program)
    return parse(program) if "\n" in program else load(program)


def engine_for(task: Task) -> Literal["interpreted", "compiled"]:
    """The engine of "auto": compiled where interpreting would cost more than the compilation.

    It depends on the task alone, neither on the program nor on the clock, so that all programs of a
    search are scored by the same engine on any machine.
    """
    added = task.steps * STATEMENTS * (STATEMENT_S + NUMBER_S * task.parameters)
    return "compiled" if added > COMPILE_S else "interpreted"


class Evaluator:
    """Scores programs on proxy tasks.

    Args:
      tasks: names, such as "vision_mlp@10", or Tasks.
      engine: "interpreted": one compilation for all programs of a size; "compiled": one for each
        program; "auto": see `engine_for`.
      hurdles: fractions of a training's steps at which thresholds may end it.

    Raises:
      TaskError: no such task, or a fraction is not in (0, 1).
    """

    def __init__(
        self,
        tasks: Sequence[str | Task],
        engine: Engine = "auto",
        hurdles: Sequence[float] = (),
    ):
        self.tasks = [make_task(task) if isinstance(task, str) else task for task in tasks]
        self.engine, self.hurdles = engine, tuple(hurdles)
        self._stop = StopRules(curve=self.hurdles)
        self._interpreted: dict = {}  # (place of the task, Capacity) -> Training

    def evaluate(
        self,
        program: Program | Handmade | str,
        seeds: Sequence[int] = (0,),
        thresholds: Thresholds = (),
        all_of_them: bool = True,
    ) -> list[Evaluation]:
        """One Evaluation for each task and seed, in that order.

        Args:
          program: a program, its text, a file or library name, or an optax optimizer.
          seeds: of the initial weights and the order of the examples.
          thresholds: the least fitness at each of the hurdles, per task; empty: none.
          all_of_them: whether to go on after a training that does not complete.

        Raises:
          ProgramError: the program cannot be read or is invalid.
        """
        evaluations = []
        for evaluation in self.each(program, seeds, thresholds):
            evaluations.append(evaluation)
            if not all_of_them and evaluation.outcome is not Outcome.COMPLETED:
                break
        return evaluations

    def each(
        self,
        program: Program | Handmade | str,
        seeds: Sequence[int] = (0,),
        thresholds: Thresholds = (),
    ) -> Iterator[Evaluation]:
        """The evaluations one by one, as they are made."""
        program = read(program)
        for place, task in enumerate(self.tasks):
            training, hyper = self._training(place, program)
            least = thresholds[place] if thresholds else ()
            hurdles = [Hurdle(at, fitness) for at, fitness in zip(self.hurdles, least)]
            for seed in seeds:
                yield self._evaluation(task, training(hyper, seed, hurdles))

    def engine_of(self, task: Task, program: Program | Handmade) -> Engine:
        """The engine that scores a program; an optimizer made by hand is always compiled."""
        if isinstance(program, Handmade):
            return "compiled"
        return engine_for(task) if self.engine == "auto" else self.engine

    def _training(self, place: int, program: Program | Handmade) -> tuple[Training, object]:
        """A training, and what to call it with."""
        task = self.tasks[place]
        if isinstance(program, Handmade):
            handmade = program
            return Training(task, lambda _: handmade.optimizer(task.schedule), self._stop), ()
        if self.engine_of(task, program) == "compiled":
            return Training(task, lambda _: as_optax(program), self._stop), ()
        capacity = capacity_of(program)
        key = place, capacity
        if key not in self._interpreted:
            self._interpreted[key] = Training(
                task, lambda code: interpreted(code, capacity), self._stop
            )
        return self._interpreted[key], encode(program, capacity)

    def _evaluation(self, task: Task, result: TrainResult) -> Evaluation:
        outcome = Outcome[result.outcome.name]
        completed = outcome is Outcome.COMPLETED
        reached = dict(result.curve)
        steps = [min(max(1, round(at * task.steps)), task.steps) for at in self.hurdles]
        return Evaluation(
            task=task.name,
            seed=result.seed,
            fitness=result.fitness if completed else float("-inf"),
            outcome=outcome,
            steps=result.steps_run,
            checkpoints=tuple(reached[step] for step in steps if step in reached),
            compile_seconds=result.compile_seconds,
            run_seconds=result.run_seconds,
        )


EPILOG = f"""PROGRAM is one of
  FILE                          the text of a program: def train(w, g, m, lr): ... return update, m
  library:lion                  a program of the library (python -m programs show lists them)
  optax:adamw(learning_rate=1e-3, weight_decay=0.01)
                                an optimizer made by hand; its rate is the peak of the schedule
tasks: {", ".join(TASKS)}; NAME:PRESET and NAME@SCALE choose a preset and a size
  (python -m proxy_tasks lists all)
optimizers: {", ".join(OPTIMIZERS)}

examples:
  python -m search.evaluate library:lion --task vision_mlp
  python -m search.evaluate my_rule.py --task vision_mlp@10 --task language_mlp --seeds 5
  python -m search.evaluate "optax:adamw(learning_rate=1e-3)" --task vision_mlp --set steps=200
"""


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code: 0 done, 2 bad input."""
    options = _parser().parse_args(argv)
    single_threaded()
    try:
        from search.trainer import Trainer, task_settings  # which imports this file

        program = read(options.program)
        if isinstance(program, Handmade) and options.engine == "interpreted":
            raise ProgramError(
                f"--engine interpreted has no meaning for {PREFIX}{program.name}: only programs "
                "are interpreted; leave it out"
            )
        trainer = Trainer(tasks_file=options.tasks)
        trainer.settings = task_settings(options.task, options.set)
        tasks = [trainer.task(name) for name in options.task]
        evaluator = Evaluator(tasks, options.engine)
        evaluations = _with_progress(evaluator, program, options.seeds)
    except (ProgramError, TaskError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    by_task = [
        evaluations[i : i + options.seeds] for i in range(0, len(evaluations), options.seeds)
    ]
    summaries = [
        _summary(task, evaluator.engine_of(task, program), own)
        for task, own in zip(tasks, by_task, strict=True)
    ]
    if options.json:
        print(json.dumps(summaries, indent=2))
    else:
        print("\n".join(_line(summary) for summary in summaries))
    return 0


class _Parser(argparse.ArgumentParser):
    """One line for every mistake."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message}; --help explains\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m search.evaluate",
        description="Train proxy tasks with a program as the optimizer and print its fitness (the "
        "score on the search-validation split, higher is better) for each seed.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("program", metavar="PROGRAM", help="what to score (see below)")
    parser.add_argument(
        "--task", action="append", required=True, metavar="NAME[@SCALE]", help="may be repeated"
    )
    parser.add_argument(
        "--engine", choices=get_args(Engine), default="auto",
        help="interpreted: compile a task once for all programs; compiled: compile this program, "
        "for long trainings; auto (default): by the length of the task",
    )  # fmt: skip
    parser.add_argument("--seeds", type=_count, default=3, help="trainings per task (default 3)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE",
        help="a setting of all tasks, or NAME.KEY=VALUE of one",
    )  # fmt: skip
    parser.add_argument("--tasks", metavar="FILE", help="Python file with tasks of your own")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 10_000:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 to 10000, got {text!r}")
    return int(text)


def _with_progress(evaluator: Evaluator, program, seeds: int) -> list[Evaluation]:
    """All evaluations; says on stderr how far it is when it takes more than a few seconds."""
    evaluations: list[Evaluation] = []
    total, start = len(evaluator.tasks) * seeds, time.perf_counter()
    for evaluation in evaluator.each(program, range(seeds)):
        evaluations.append(evaluation)
        seconds = time.perf_counter() - start
        if seconds > 3 and len(evaluations) < total:
            print(
                f"{len(evaluations)} of {total} trainings, {seconds:.0f} s: {evaluation.task} seed "
                f"{evaluation.seed}: {evaluation.fitness:.4f}, {evaluation.outcome.value}",
                file=sys.stderr,
                flush=True,
            )
    return evaluations


def _summary(task: Task, engine: str, evaluations: Sequence[Evaluation]) -> dict[str, Any]:
    """What is printed of one task; there is a mean only if every training completed."""
    fitness = [e.fitness for e in evaluations]
    finite = all(map(math.isfinite, fitness))
    mean = statistics.fmean(fitness) if finite else math.nan
    interval = None
    if finite and len(fitness) > 1:
        error = statistics.stdev(fitness) / math.sqrt(len(fitness))
        half = float(scipy.stats.t.ppf(0.975, len(fitness) - 1)) * error
        interval = [mean - half, mean + half]
    return {
        "task": task.name,
        "measure": task.settings.get("fitness", "fitness"),
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
        rows.append(f"  seed {row['seed']}: {fitness}, {outcome}, {row['steps']} steps")
    rows.append(f"  compile {summary['compile_seconds']:.2f} s, run {summary['run_seconds']:.3f} s")
    return "\n".join(rows)


if __name__ == "__main__":
    sys.exit(until_closed(main))
