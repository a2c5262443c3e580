"""Puts a search back as it was after the last committed individual, from the store's rows."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import replace

from programs import Program, analyse
from search.config.settings import Config, EvolutionSettings
from search.evaluation.fitness import Score, rejected, score_of
from search.evaluation.jobs import Purpose
from search.evolution.cache import Cache
from search.evolution.evolution import Remembered, Repeats
from search.evolution.hurdles import may_be_audited
from search.evolution.niches import Individual, individual_of, niche_of, price_of
from search.evolution.racing import first_with_seeds
from search.storage import queries
from search.storage.conversion import imported_score, outcome_of, program_from
from search.storage.errors import StoreError
from search.storage.lineage import ProgramText, program_of, program_text_of
from search.storage.store import Reader


def arrived(store: Reader) -> queries.Evaluations:
    """Evaluations that are paid for and whose individual is not committed."""
    return queries.evaluations(store, Purpose.SEARCH, first=queries.last_number(store) + 1)


def starts_by_seed(store: Reader, config: Config) -> dict[int, tuple[float, ...]]:
    """`by_seed` of the first round's warm starts that were evaluated, by number."""
    evaluated = queries.evaluations(store, Purpose.SEARCH, last=config.evolution.starts - 1)
    return {n: score_of(its, config.evaluation).by_seed for n, its in evaluated.items()}


def restored_programs(store: Reader) -> dict[bytes, int]:
    """Rows of programs by functional hash."""
    return {row.functional: row.id for row in queries.programs(store)}


def restored_cache(store: Reader, config: Config) -> Cache:
    """The scores of all committed programs."""
    imported = ((row.key, imported_score(row)) for row in queries.imported(store))
    cache = Cache(config.cache, imported)
    told = queries.evaluations(store, Purpose.SEARCH, last=queries.last_number(store))
    start = first_with_seeds(starts_by_seed(store, config))
    for row in queries.programs(store):
        entry = cache.restore(row.functional, row.canonical)
        if entry.score is None:
            entry.evaluated = row.evaluated
            if row.evaluated is None:
                entry.score = rejected(outcome_of(row.outcome))
            elif row.evaluated in told:
                entry.score = score_of(told[row.evaluated], config.evaluation, start)
            else:
                raise StoreError(f"{store.path}: program {row.id} has no evaluation")
        if row.evaluated is not None and row.behavioural is not None:
            cache.behaviours.add(row.behavioural)
    return cache


def unaudited(store: Reader, config: Config) -> list[queries.FirstOfProgram]:
    """The rejected programs that are to be audited and were not yet.

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
            waiting.append(program)
    return waiting


def restore_round(repeats: Repeats, store: Reader, cache: Cache) -> None:
    """Gives a round again the results that it had, without drawing its children again."""
    settings = repeats.settings
    keep = settings.population + settings.window
    texts: dict[int, ProgramText] = {}
    told: dict[int, list[queries.Birth]] = {repeat: [] for repeat in repeats.numbers}
    recent: dict[tuple[int, int], deque[queries.Birth]] = defaultdict(deque)  # by repeat and niche
    last = None
    for row in queries.births(store, repeats=repeats.numbers):
        texts[row.number] = program_text_of(texts, row)
        if row.child < 0:
            program = program_of(store, row.number, texts[row.number])
            _tell_start(repeats, row, program=program, cache=cache)
            continue
        last = row.repeat
        told[last].append(row._replace(edit=""))
        members = recent[last, niche_of(settings, row.states)]
        members.append(row)
        if len(members) > keep:  # too old to be a parent
            del texts[members.popleft().number]
    if last is None:
        return
    individuals: dict[int, list[Individual]] = {repeat: [] for repeat in repeats.numbers}
    for (repeat, _), members in recent.items():
        for row in members:
            program = program_of(store, row.number, texts[row.number])
            individuals[repeat].append(_individual(settings, row, program=program, cache=cache))
    for few in individuals.values():
        few.sort(key=lambda individual: individual.number)
    seen = [row for rows in told.values() for row in rows[: max(0, len(rows) - settings.window)]]
    _restore_best_rates(store, cache, sorted(seen))
    remembered = {repeat: [_remembered(settings, row) for row in told[repeat]] for repeat in told}
    repeats.restore(remembered, individuals, last)


def _individual(
    settings: EvolutionSettings, row: queries.Birth, *, program: Program, cache: Cache
) -> Individual:
    score = _score(cache, row.functional)
    drawn = row.functional if score.rate != 1.0 else None
    return individual_of(
        settings,
        row.number,
        program=program,
        score=score,
        states=row.states,
        live=row.live,
        drawn=drawn,
    )


def _remembered(settings: EvolutionSettings, row: queries.Birth) -> Remembered:
    price = price_of(settings, row.states, row.live)
    return Remembered(niche_of(settings, row.states), row.fitness - price)


def _restore_best_rates(store: Reader, cache: Cache, seen: Sequence[queries.Birth]) -> None:
    """seen: by the children that are born next, in order of birth."""
    for program in queries.programs(store):
        if program.rate != 1.0:
            text = program_from(program.text, f"{store.path.parent}: program {program.id}")
            cache.add_best_rate(program.functional, analyse(text).functional_hash)
    for row in seen:
        cache.show_best_rate(row.functional)


def _tell_start(repeats: Repeats, row: queries.Birth, *, program: Program, cache: Cache) -> None:
    start, number = repeats.ask(), row.number
    if start is None or start.number != number:
        raise StoreError(f"individual {number}: expected another warm start")
    score = _score(cache, row.functional)
    if program.frozen != start.mutation.program.frozen:
        raise StoreError(f"individual {number}: its frozen statements have changed")
    if score.rate == 1.0 and start.mutation.analysis.functional_hash != row.functional:
        raise StoreError(f"individual {number}: the warm start has changed")
    if program != start.mutation.program:  # at its best rate, or by redundant statements
        drawn = row.functional if score.rate != 1.0 else None
        mutation = replace(start.mutation, program=program, analysis=analyse(program))
        start = replace(start, mutation=mutation, drawn=drawn)
    repeats.tell(start, score)


def _score(cache: Cache, functional: bytes) -> Score:
    score = cache.entry(functional).score
    assert score is not None
    return score
