"""Scores programs on proxy tasks in this process.

An Evaluator lives as long as a worker and keeps every compiled training, so that after the first
program of a size the next ones only run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from programs import Program, ProgramError, load, parse
from programs.interpreter import capacity_of, encode, interpreted
from programs.transform import as_optax
from proxy_tasks.task import Task, make_task
from proxy_tasks.train import Hurdle, StopRules, Training, TrainResult
from search.config.settings import Engine
from search.evaluation.fitness import Evaluation, Outcome
from search.evaluation.optimizers import PREFIX, Handmade, parse_handmade
from search.evaluation.request import Thresholds

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
