"""Imports evaluations of earlier runs on the same tasks, so that nothing is trained again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from search.config.settings import Config
from search.evaluation.fitness import Outcome, Score
from search.evaluation.jobs import Purpose
from search.evolution.resume import restored_cache
from search.storage.conversion import imported_row
from search.storage.errors import StoreError
from search.storage.identity import changed_versions
from search.storage.queries import evaluated, programs
from search.storage.store import Reader, Store
from search.storage.stored_json import stored_object

_TRAINED = (Outcome.COMPLETED, Outcome.DIVERGED)
# What a fitness depends on.
_SAME = (
    "tasks",
    "settings",
    "weights",
    "seeds",
    "rates",
    "rates_when",
    "match_size",
    "race",
    "engine",
)


def import_evaluations(store: Store, config: Config) -> list[str]:
    """Copies the scores of `cache.runs` into a new run, once; returns warnings.

    Only of programs that were trained to their end, or diverged, at each rate: what was ended at a
    hurdle, at one rate or at all, depends on the population of its time.

    Raises:
      StoreError: such a run does not exist, its tasks, seeds, rates or hurdles are others, or seeds
        are raced for.
    """
    if not config.cache.runs or store.meta("imported_runs") is not None:
        return []
    if config.evaluation.race is not None:
        raise StoreError(
            "cache.runs: with evaluation.race a score says how a program stood beside others of "
            "its search; take one of the two away"
        )
    warnings = []
    scores: dict[bytes, Score] = {}
    for run in config.cache.runs:
        with Reader(run) as other:
            for key, score in _scores(other, run, store=store, config=config):
                scores.setdefault(key, score)
            warnings += [f"cache.runs: {run}: {change}" for change in changed_versions(other)]
    for key, score in scores.items():
        store.add(imported_row(key, score))
    store.set_meta("imported_runs", json.dumps(config.cache.runs))
    store.commit()
    return warnings


def _scores(
    other: Reader, run: str, *, store: Store, config: Config
) -> Iterator[tuple[bytes, Score]]:
    settings = stored_object(other.meta("history"), f"cache.runs: {run}: its 'history'")
    theirs, ours = _part(settings, "evaluation"), config.history_settings()["evaluation"]
    differences = [name for name in _SAME if theirs.get(name) != ours[name]]
    if _part(theirs, "hurdles").get("at") != ours["hurdles"]["at"]:
        differences.append("hurdles.at")
    if settings.get("workers") != config.history_settings().get("workers"):
        raise StoreError(f"cache.runs: {run} differs in workers.batch")
    if other.meta("tasks") != store.meta("tasks") and not differences:
        raise StoreError(f"cache.runs: {run}: its tasks have other data or code")
    if (other.meta("functions") or "{}") != (store.meta("functions") or "{}"):
        raise StoreError(f"cache.runs: {run} uses other user-defined functions (--functions-file)")
    if differences:
        named = ", ".join(f"evaluation.{name}" for name in differences)
        raise StoreError(f"cache.runs: {run} differs in {named}")
    cache = restored_cache(other, Config.model_validate_json(json.dumps(settings)))
    ended = evaluated(other, Purpose.SEARCH, outcome=Outcome.HURDLE)
    for row in programs(other):
        score = cache.entry(row.functional).score
        key = row.canonical if config.cache.key == "canonical" else row.functional
        if score is not None and score.outcome in _TRAINED and row.evaluated not in ended:
            yield key, score


def _part(settings: dict[str, Any], name: str) -> dict[str, Any]:
    part = settings.get(name)
    return part if isinstance(part, dict) else {}
