"""What a search's fitness is worth, from a run: its ranks, and what was ended too early.

Ranks: Spearman's correlation between the fitness by which a search chose its parents and the mean
over fresh seeds, for the leaders and for all programs of each niche, beside that of the first seed
alone; so it shows what racing for seeds is worth.

Early ends: programs that a hurdle ended, or that were refused further seeds by the race, trained as
they would have been without: at all their rates on the first seed, at the best on the others. A
false end is one that would have been among the best 1 % of its niche.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from programs import parse
from search.config.settings import Config
from search.evaluation.fitness import Evaluation, Outcome, rates_tried
from search.evaluation.jobs import Purpose
from search.evaluation.seeds import SEARCH
from search.evolution.niches import niche_of
from search.evolution.rates import at_rate
from search.reports.tables import columns
from search.selection.ledger import Ledger
from search.selection.objective import Objective
from search.storage.queries import evaluations, programs
from search.storage.schema import ProgramRow
from search.storage.store import Reader
from search.studies.intervals import LEAST, rank_correlation, share_of
from search.studies.trainings import on_fresh_seeds

LIMIT = 0.005  # share of the early ends that may be false
KINDS = ("hurdle", "race")  # what ends a program early
BEST = 0.99  # quantile of a niche's fitness from which on a program is among the best


@dataclass(frozen=True)
class Trained:
    """A program that a search trained."""

    text: str  # at its best rate, or as it was drawn where it has no fitness
    niche: int
    fitness: float  # in the search
    first: float  # on the first seed alone, at that rate
    rates: tuple[float, ...]  # that were tried, of the text's
    ended: str  # what ended it early: hurdle, race, or nothing: ""


def trained_programs(store: Reader, config: Config) -> list[Trained]:
    """All, in order of birth; those that crashed or diverged aside."""
    found = evaluations(store, Purpose.SEARCH)
    answer: dict[int, Trained] = {}
    for row in programs(store):
        its = found.get(row.evaluated if row.evaluated is not None else -1, ())
        if its and row.evaluated is not None and row.evaluated not in answer:
            one = _trained(row, its, config)
            if one is not None:
                answer[row.evaluated] = one
    return list(answer.values())


def _trained(row: ProgramRow, its: Sequence[Evaluation], config: Config) -> Trained | None:
    completed = row.outcome == Outcome.COMPLETED.name
    ended = ""
    at_best = [one for one in its if one.rate == row.rate]
    if completed:
        seeds = {one.seed for one in at_best}
        ended = "race" if len(seeds) < config.evaluation.seeds else ""
    elif any(one.outcome is Outcome.HURDLE for one in its):
        ended = "hurdle"
    else:
        return None
    by_task = {one.task: one.fitness for one in at_best if one.seed == at_best[0].seed}
    first = [by_task[task] for task in config.evaluation.tasks] if completed else []
    return Trained(
        text=row.text,
        niche=niche_of(config.evolution, row.states),
        fitness=row.fitness,
        first=fmean(first, config.evaluation.weights) if completed else -math.inf,
        rates=tuple(rate / row.rate for rate in rates_tried(its, config.evaluation)),
        ended=ended,
    )


def ranks(
    trained: Sequence[Trained], ledger: Ledger, config: Config, *, size: int, seeds: int
) -> tuple[dict[str, Any], list[str]]:
    """Rank correlations with the mean over fresh seeds.

    size: programs of each niche, leaders and others each.
    """
    complete = [one for one in trained if math.isfinite(one.fitness)]
    samples: dict[tuple[int, str], list[Trained]] = {}
    for niche in sorted({one.niche for one in complete}):
        own = sorted((o for o in complete if o.niche == niche), key=lambda one: -one.fitness)
        samples[niche, "leaders"] = own[:size]
        samples[niche, "all"] = random.Random(niche).sample(own, min(size, len(own)))
    asked = list(dict.fromkeys(one for few in samples.values() for one in few))
    fresh = on_fresh_seeds(
        ledger, config, [parse(one.text) for one in asked], seeds=seeds, phase="fresh seeds"
    )
    mean = dict(zip(asked, fresh.mean(axis=1).tolist()))
    rows = [["niche", "sample", "programs", "search fitness [95 %]", "first seed alone [95 %]"]]
    numbers: dict[str, Any] = {}
    for (niche, kind), few in samples.items():
        truth = [mean[one] for one in few]
        correlations = {
            "search": rank_correlation([one.fitness for one in few], truth),
            "first_seed": rank_correlation([one.first for one in few], truth),
        }
        too_few = len(few) < LEAST
        texts = ["too few" if too_few else one.text(".2f") for one in correlations.values()]
        rows.append([str(niche), kind, str(len(few)), *texts])
        numbers[f"niche {niche}, {kind}"] = {k: c.as_json() for k, c in correlations.items()}
    lines = [f"Rank correlation with the mean of {seeds} fresh seeds:", *columns(rows).splitlines()]
    if any(len(few) < LEAST for few in samples.values()):
        lines.append(f"too few: fewer than {LEAST} programs")
    return numbers, lines


def early_ends(
    trained: Sequence[Trained], ledger: Ledger, config: Config, *, size: int
) -> tuple[dict[str, Any], list[str]]:
    """Of the programs that were ended early, the share that would have been among the best.

    size: of the sample.
    """
    ended = [one for one in trained if one.ended]
    sample = random.Random(0).sample(ended, min(size, len(ended)))
    reached = _without_ends(sample, ledger, config)
    best = {}
    for niche in {one.niche for one in trained}:
        fitness = sorted(o.fitness for o in trained if o.niche == niche and o.fitness > -math.inf)
        if fitness:
            best[niche] = fitness[math.ceil(BEST * (len(fitness) - 1))]
    false = {one for one, value in zip(sample, reached) if value >= best.get(one.niche, math.inf)}
    rows = [["ended by", "programs", "sample", "false", "share [95 %]"]]
    numbers: dict[str, Any] = {}
    for name, kinds in {**{kind: (kind,) for kind in KINDS}, "either": KINDS}.items():
        own = [one for one in sample if one.ended in kinds]
        share = share_of(len(false.intersection(own)), len(own))
        every = sum(one.ended in kinds for one in ended)
        wrong = len(false.intersection(own))
        rows.append([name, f"{every:,}", str(len(own)), str(wrong), share.text(".4f")])
        numbers[name] = {"false": wrong, "share": share.as_json()}
    if share.high <= LIMIT:
        word = "holds"
    elif share.low > LIMIT:
        word = "does not hold"
    else:
        word = "is not decided by this sample"
    head = "Ended early, but among the best 1 % of their niche if trained to the end:"
    verdict = f"a limit of {LIMIT:.1%}: {word}"
    numbers["verdict"] = verdict
    return numbers, [head, *columns(rows).splitlines(), verdict]


def _without_ends(sample: Sequence[Trained], ledger: Ledger, config: Config) -> list[float]:
    """Mean fitness over the search's seeds of each, -inf where there is none."""
    objective = Objective(ledger, config.evaluation.tasks, config.evaluation.weights)
    first, *others = SEARCH.take(config.evaluation.seeds)
    forms = [
        [at_rate(parse(o.text), rate) for rate in (o.rates if o.ended == "hurdle" else (1.0,))]
        for o in sample
    ]
    count = sum(map(len, forms))
    ledger.progress.begin("early ends, first seed", objective.expected(count))
    by_rate = iter(objective.means([form for own in forms for form in own], [first]))
    chosen = []
    for own in forms:
        reached = [next(by_rate) for _ in own]
        best = max(range(len(own)), key=lambda i: reached[i])
        chosen.append((own[best], reached[best]))
    alive = [program for program, value in chosen if math.isfinite(value)]
    ledger.progress.begin("early ends, other seeds", objective.expected(len(alive) * len(others)))
    rest = iter(objective.by_seed(alive, others).tolist() if others else [[] for _ in alive])
    return [
        fmean([value, *next(rest)]) if math.isfinite(value) else -math.inf for _, value in chosen
    ]
