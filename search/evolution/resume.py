"""Puts a search back as it was after the last individual that was told, from the store's rows."""

from __future__ import annotations

from collections import deque

from search.config.settings import Config
from search.evaluation.fitness import Score, rejected, score_of
from search.evaluation.jobs import Purpose
from search.evolution.cache import Cache
from search.evolution.evolution import Individual, Repeats
from search.evolution.hurdles import may_be_audited
from search.storage import queries
from search.storage.conversion import imported_score, outcome_of
from search.storage.errors import StoreError
from search.storage.lineage import ProgramText, rebuilt
from search.storage.store import Reader


def arrived(store: Reader) -> queries.Evaluations:
    """Evaluations that are paid for and whose individual is not told."""
    return queries.evaluations(store, Purpose.SEARCH, first=queries.last_number(store) + 1)


def restored_programs(store: Reader) -> dict[bytes, int]:
    """Rows of programs by functional hash."""
    return {row.functional: row.id for row in queries.programs(store)}


def restored_cache(store: Reader, config: Config) -> Cache:
    """The scores of all programs that were told."""
    imported = ((row.key, imported_score(row)) for row in queries.imported(store))
    cache = Cache(config.cache, imported)
    told = queries.evaluations(store, Purpose.SEARCH, last=queries.last_number(store))
    for row in queries.programs(store):
        entry = cache.restore(row.functional, row.canonical)
        if entry.score is None:
            entry.evaluated = row.evaluated
            if row.evaluated is None:
                entry.score = rejected(outcome_of(row.outcome))
            elif row.evaluated in told:
                entry.score = score_of(told[row.evaluated], config.evaluation)
            else:
                raise StoreError(f"{store.path}: program {row.id} has no evaluation")
        if row.evaluated is not None and row.behavioural is not None:
            cache.behaviours.add(row.behavioural)
    return cache


def unaudited(store: Reader, config: Config) -> list[tuple[int, str]]:
    """Number and text of the rejected programs that are to be audited and were not yet.

    Of those that share one entry of the cache only the first is.
    """
    done = queries.evaluated(store, Purpose.AUDIT)
    seen: set[bytes] = set()
    waiting = []
    for program in queries.rejected_programs(store):
        key = program.canonical if config.cache.key == "canonical" else program.functional
        is_first = key not in seen
        seen.add(key)
        outcome = outcome_of(program.outcome)
        if (
            is_first
            and program.first not in done
            and may_be_audited(outcome, program.functional, config.evaluation.hurdles)
        ):
            waiting.append((program.first, program.text))
    return waiting


def restore_round(repeats: Repeats, store: Reader, cache: Cache) -> None:
    """Tells a round again what it was told before, without drawing its children again."""
    keep = repeats.settings.population + repeats.settings.window
    texts: dict[int, ProgramText] = {}
    fitness: dict[int, list[float]] = {repeat: [] for repeat in repeats.numbers}
    recent: dict[int, deque[tuple[int, bytes]]] = {repeat: deque() for repeat in repeats.numbers}
    last = None
    for row in queries.births(store, repeats=repeats.numbers):
        texts[row.number] = rebuilt(texts, row)
        if row.child < 0:
            _tell_start(repeats, row.number, row.functional, cache)
            continue
        last = row.repeat
        fitness[last].append(row.fitness)
        recent[last].append((row.number, row.functional))
        if len(recent[last]) > keep:  # too old to be a parent
            del texts[recent[last].popleft()[0]]
    if last is not None:
        individuals = {
            repeat: [
                Individual(number, texts[number].program(), _score(cache, functional))
                for number, functional in recent[repeat]
            ]
            for repeat in repeats.numbers
        }
        repeats.restore(fitness, individuals, last)


def _tell_start(repeats: Repeats, number: int, functional: bytes, cache: Cache) -> None:
    start = repeats.ask()
    if start is None or start.number != number:
        raise StoreError(f"individual {number}: expected another warm start")
    if start.mutation.analysis.functional_hash != functional:
        raise StoreError(f"individual {number}: the warm start is another program than before")
    repeats.tell(start, _score(cache, functional))


def _score(cache: Cache, functional: bytes) -> Score:
    score = cache.entry(functional).score
    assert score is not None
    return score
