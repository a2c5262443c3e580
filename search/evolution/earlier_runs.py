"""Takes over evaluations of earlier runs on the same tasks, so that nothing is trained again."""

from __future__ import annotations

import json
from collections.abc import Iterator

from search.config.settings import Config
from search.evolution.resume import restored_cache
from search.storage.identity import changed_versions
from search.storage.store import Reader, Store, StoreError

_SAME = ("tasks", "settings", "weights", "seeds", "engine")  # what a fitness depends on


def take_over(store: Store, config: Config) -> list[str]:
    """Copies the scores of `cache.runs` into a new run, once; returns warnings.

    Only what was trained to its end or diverged: the rest depends on the population of its time.

    Raises:
      StoreError: such a run does not exist, or its tasks, seeds or hurdles are others.
    """
    if not config.cache.runs or store.meta("taken_over") is not None:
        return []
    warnings = []
    for run in config.cache.runs:
        with Reader(run) as other:
            store.add_known(_scores(other, run, store, config))
            warnings += [f"cache.runs: {run}: {change}" for change in changed_versions(other)]
    store.set_meta("taken_over", json.dumps(config.cache.runs))
    store.commit()
    return warnings


def _scores(other: Reader, run: str, store: Store, config: Config) -> Iterator[tuple[bytes, str]]:
    settings = json.loads(other.meta("history") or "{}")
    theirs, ours = settings.get("evaluation", {}), config.history_settings()["evaluation"]
    differences = [name for name in _SAME if theirs.get(name) != ours[name]]
    if theirs.get("hurdles", {}).get("at") != ours["hurdles"]["at"]:
        differences.append("hurdles.at")
    if other.meta("tasks") != store.meta("tasks"):
        differences.append("data")
    if differences:
        named = ", ".join(f"evaluation.{name}" for name in differences)
        raise StoreError(f"cache.runs: {run} differs in {named}")
    cache = restored_cache(other, Config.model_validate_json(json.dumps(settings)))
    query = f"SELECT functional, {config.cache.key} FROM programs"
    for functional, key in other.iterate(f"{query} WHERE outcome IN ('COMPLETED', 'DIVERGED')"):
        score = cache.entry(functional).score
        if score is not None:
            yield key, score.to_json()
