"""Puts a search back as it was after the last individual that was told, from the store's rows."""

from __future__ import annotations

from collections import deque

from search.config.settings import Config, HurdleSettings
from search.evaluation.fitness import Outcome, Score, rejected, score_of
from search.evolution.cache import Cache
from search.evolution.evolution import Individual, Repeats
from search.evolution.hurdles import may_be_audited
from search.storage.lineage import Written, rebuilt
from search.storage.queries import Evaluations, evaluations
from search.storage.store import Reader, StoreError

_TOLD = "(SELECT coalesce(max(number), -1) FROM individuals)"


def arrived(store: Reader) -> Evaluations:
    """Evaluations that are paid for and whose individual is not told."""
    return evaluations(store, "search", f"individual > {_TOLD}")


def restored_programs(store: Reader) -> dict[bytes, int]:
    """Rows of programs by functional hash."""
    return dict(store.rows("SELECT functional, id FROM programs"))


def restored_cache(store: Reader, config: Config) -> Cache:
    """The scores of all programs that were told."""
    known = store.rows("SELECT key, score FROM known")
    cache = Cache(config.cache, ((key, Score.from_json(text)) for key, text in known))
    told = evaluations(store, "search", f"individual <= {_TOLD}")
    for functional, canonical, behavioural, evaluated, outcome in store.iterate(
        "SELECT functional, canonical, behavioural, evaluated, outcome FROM programs ORDER BY id"
    ):
        entry = cache.restore(functional, canonical)
        if entry.score is None:
            entry.evaluated = evaluated
            if evaluated is None:
                entry.score = rejected(Outcome[outcome])
            else:
                entry.score = score_of(told[evaluated], config.evaluation)
        if evaluated is not None and behavioural is not None:
            cache.behaviours.add(behavioural)
    return cache


def unaudited(store: Reader, settings: HurdleSettings) -> list[tuple[int, str]]:
    """Number and text of the rejected programs that are to be audited and were not yet."""
    rows = store.rows(
        "SELECT min(number), functional, outcome, text FROM programs"
        " JOIN individuals ON individuals.program = programs.id"
        " WHERE outcome NOT IN ('COMPLETED', 'DIVERGED', 'FAILED')"
        " AND (evaluated IS NULL OR evaluated = number) GROUP BY programs.id"
    )
    done = store.rows("SELECT DISTINCT individual FROM evaluations WHERE purpose = 'audit'")
    done_numbers = {number for (number,) in done}
    return [
        (number, text)
        for number, functional, outcome, text in rows
        if may_be_audited(Outcome[outcome], functional, settings) and number not in done_numbers
    ]


def restore_round(repeats: Repeats, store: Reader, cache: Cache) -> None:
    """Tells a round again what it was told before, without drawing its children again."""
    keep = repeats.settings.population + repeats.settings.window
    written: dict[int, Written] = {}
    fitness: dict[int, list[float]] = {repeat: [] for repeat in repeats.numbers}
    recent: dict[int, deque[tuple[int, bytes]]] = {repeat: deque() for repeat in repeats.numbers}
    last = None
    for number, repeat, child, parent, edit, functional, value in store.iterate(
        "SELECT number, repeat, child, parent, edit, functional, fitness FROM individuals"
        " JOIN programs ON programs.id = individuals.program"
        " WHERE repeat BETWEEN ? AND ? ORDER BY number",
        (repeats.numbers[0], repeats.numbers[-1]),
    ):
        written[number] = rebuilt(None if parent is None else written[parent], edit)
        if child < 0:
            _tell_start(repeats, number, functional, cache)
            continue
        last = repeat
        fitness[repeat].append(value)
        recent[repeat].append((number, functional))
        if len(recent[repeat]) > keep:  # too old to be a parent
            del written[recent[repeat].popleft()[0]]
    if last is not None:
        individuals = {
            repeat: [
                Individual(number, written[number].program(), _score(cache, functional))
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
