"""Evaluations and scores as rows, and back; programs from their text."""

from __future__ import annotations

import json
import math
from typing import Any

from programs import Program, ProgramError, parse
from search.evaluation.fitness import Evaluation, Outcome, Score
from search.evaluation.jobs import Purpose
from search.storage.errors import StoreError
from search.storage.schema import EvaluationRow, ImportedRow
from search.storage.stored_json import stored_array


def program_from(text: str, what: str) -> Program:
    """what: it is, with its run. Raises StoreError if the text is no program's."""
    try:
        return parse(text)
    except ProgramError as error:
        raise StoreError(f"{what} is not a program: {error}") from None


def evaluation_row(individual: int, purpose: Purpose, evaluation: Evaluation) -> EvaluationRow:
    return EvaluationRow(
        individual=individual,
        purpose=purpose.value,
        task=evaluation.task,
        seed=evaluation.seed,
        rate=evaluation.rate,
        fitness=None if math.isnan(evaluation.fitness) else evaluation.fitness,
        outcome=evaluation.outcome.name,
        steps=evaluation.steps,
        checkpoints=json.dumps(evaluation.checkpoints),
        compile_seconds=evaluation.compile_seconds,
        run_seconds=evaluation.run_seconds,
    )


def evaluation_of(row: EvaluationRow) -> Evaluation:
    return Evaluation(
        task=row.task,
        seed=row.seed,
        fitness=math.nan if row.fitness is None else row.fitness,
        outcome=outcome_of(row.outcome),
        steps=row.steps,
        checkpoints=tuple(_array(row.checkpoints)),
        compile_seconds=row.compile_seconds,
        run_seconds=row.run_seconds,
        rate=row.rate,
    )


def imported_row(key: bytes, score: Score) -> ImportedRow:
    return ImportedRow(
        key=key,
        fitness=score.fitness,
        outcome=score.outcome.name,
        by_task=json.dumps(score.by_task),
        checkpoints=json.dumps(score.checkpoints),
        rate=score.rate,
    )


def imported_score(row: ImportedRow) -> Score:
    return Score(
        fitness=row.fitness,
        outcome=outcome_of(row.outcome),
        by_task=tuple(_array(row.by_task)),
        checkpoints=tuple(map(tuple, _array(row.checkpoints))),
        rate=row.rate,
    )


def outcome_of(name: str) -> Outcome:
    """Raises StoreError if there is no such outcome."""
    try:
        return Outcome[name]
    except KeyError:
        raise StoreError(f"a stored outcome is '{name}', which does not exist") from None


def _array(text: str) -> list[Any]:
    return stored_array(text, "a stored array")
