"""The programs that a search begins with: as they are written, or tuned on its tasks first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from programs import Program, analyse, load
from programs.abstract import reaching
from programs.user_functions import fingerprint
from search.config.settings import Config
from search.evaluation.seeds import START_TUNING
from search.selection.ledger import Ledger, Progress
from search.selection.objective import Objective
from search.selection.tuning import most_trainings, tune
from search.storage.queries import last_number
from search.storage.store import Store
from search.workers.pool import Pool


def warm_starts(
    config: Config,
    store: Store,
    *,
    pool: Pool,
    fingerprints: Mapping[str, str],
    show: Callable[[Progress], None] = lambda _: None,
    stopping: Callable[[], int | None] = lambda: None,
) -> list[Program]:
    """The first round's starts. The trainings of their tuning are kept in the store, so a search
    that is resumed does not repeat them.

    pool: the search's own; fingerprints: what a fitness depends on, by task.

    Raises:
      Stopped: asked to stop.
    """
    settings, evaluation = config.evolution, config.evaluation
    programs = [load(name) for name in settings.warm_start]
    if settings.tune_start is not None:
        known = {task: fingerprints.get(task, task) for task in evaluation.tasks}
        ledger = Ledger(
            pool,
            store,
            fingerprint=lambda t: f"{known[t]}-{evaluation.engine}{fingerprint()}",
            again=last_number(store) < 0,  # else the search has begun with what came of it
            show=show,
            stopping=stopping,
        )
        expected = most_trainings(settings.tune_start) * len(programs)
        objective = Objective(ledger, evaluation.tasks, evaluation.weights)
        ledger.progress.begin("tuning of the warm start", objective.expected(expected))
        first, *_ = START_TUNING.take(settings.tune_start.seeds)
        tuned = tune(
            programs,
            objective,
            settings=settings.tune_start,
            first_seed=first,
            draw_seed=config.seed,
            keep_frozen=True,
        )
        programs = [
            with_constants_of(result.program, program) for result, program in zip(tuned, programs)
        ]
    if settings.max_states is not None:
        programs = [program.with_states(settings.max_states) for program in programs]
    if settings.orientation == "as_written":
        return programs
    turned = [with_reversed_averages(program) for program in programs]
    if settings.orientation == "reversed":
        return turned
    return [form for pair in zip(programs, turned) for form in pair]


def with_constants_of(tuned: Program, program: Program) -> Program:
    """A program with the constants that its live statements were tuned to; the others, and its
    states, are stepping stones of a search and stay."""
    _, live = reaching(analyse(program))
    statements = list(program.statements)
    for i, statement in zip(live, tuned.statements, strict=True):
        statements[i] = statement
    return replace(program, statements=tuple(statements))


def with_reversed_averages(program: Program) -> Program:
    """The same with `interp(x, y, a)` written as `interp(y, x, 1 - a)`, where a is a constant and
    the statement is not frozen."""
    statements = []
    for statement in program.statements:
        is_average = statement.function == "interp" and not statement.frozen
        if is_average and not isinstance(statement.arguments[2], str):
            x, y, weight = statement.arguments
            statement = replace(statement, arguments=(y, x, float(f"{1 - float(weight):.8g}")))
        statements.append(statement)
    return replace(program, statements=tuple(statements))
