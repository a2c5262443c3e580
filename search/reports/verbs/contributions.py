"""What each statement of a program contributes, from trainings that are stored already.

A statement is knocked out: its uses see the target's previous value, or one of its arguments. Where
the program and what is left were trained on the same tasks and seeds, the difference is the
statement's contribution. An ablation makes such trainings, and a search makes many by the way;
`contributions` trains nothing, `measured` what it is given for that.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Any, NamedTuple

from programs import InvalidProgram, Program, analyse, live_across_steps, reaching
from search.evaluation.fitness import Evaluation
from search.evaluation.jobs import Purpose
from search.reports.tables import finite_or_none
from search.selection.comparison import compare
from search.selection.finalists import LEVEL
from search.shortening.removals import knocked_out, peephole
from search.storage.facts import best_rate, evaluations_of, trainings_of, with_hashes
from search.storage.store import Reader

WHERE = {Purpose.SEARCH: "in the search", Purpose.RESCORE: "on fresh seeds"}


class Context(NamedTuple):
    """What two trainings must share to be compared."""

    where: str  # one of WHERE, or the split of a training after the search
    task: str  # its name, and after the search its fingerprint
    seed: int


Fitness = Mapping[Context, float]


def contributions(
    store: Reader, program: Program, evaluated: int | None = None
) -> list[dict[str, Any]]:
    """For each live statement the change of fitness that it brings; see `_contribution`.

    evaluated: the individual whose trainings in the search are the program's.
    """
    whole = fitness_of(store, program, evaluated)
    _, needed = reaching(analyse(program))
    return [
        {
            "statement": str(program.statements[i]),
            **_contribution(store, knocked_out(program, i), whole),
        }
        for i in sorted(needed)
    ]


def _contribution(store: Reader, variants: Mapping[str, Program], whole: Fitness) -> dict[str, Any]:
    """The ablation of it that was trained on most seeds; see `difference`."""
    if not variants:
        return {"without": "", "verdict": "needed: nothing without it is valid", "seeds": 0}
    candidates = [
        {"without": how, **difference(whole, fitness_of(store, rest))}
        for how, rest in variants.items()
    ]
    best = max(candidates, key=lambda one: one["seeds"])
    return best if best["seeds"] else {**best, "without": ""}


def measured(
    program: Program, evaluate: Callable[[Program], Sequence[Evaluation]]
) -> list[dict[str, Any]]:
    """The same by trainings that are made now. Of the ways to knock a statement out that counts
    which is fittest without it, so that a contribution is what nothing simpler makes up for.

    evaluate: trains the tasks with a program, on the same seeds each time.
    """
    whole = _by_context(evaluate(program))
    _, needed = reaching(analyse(program))
    found = []
    for i in sorted(needed):
        rests = [
            {"without": how, **difference(whole, _by_context(evaluate(rest)))}
            for how, rest in knocked_out(program, i).items()
        ]
        none = {"without": "", "verdict": "needed: nothing without it is valid", "seeds": 0}
        fittest = min(rests, key=_worth, default=none)
        found.append({"statement": str(program.statements[i]), **fittest})
    return found


def _worth(found: Mapping[str, Any]) -> float:
    mean = found.get("mean")
    return math.inf if mean is None else float(mean)


def _by_context(evaluations: Sequence[Evaluation]) -> Fitness:
    return {Context("now", e.task, e.seed): e.fitness for e in evaluations}


def difference(one: Fitness, other: Fitness) -> dict[str, Any]:
    """One program minus another where both were trained alike: seed by seed, mean over tasks."""
    shared = one.keys() & other.keys()
    best = max(
        {where: [c for c in shared if c.where == where] for where, *_ in shared}.values(),
        key=lambda of_one: (len({context.seed for context in of_one}), of_one),
        default=[],
    )
    if not best:
        return {"verdict": "not measured", "seeds": 0}
    seeds = sorted({context.seed for context in best})
    ours, theirs = ([_mean(fitness, best, seed) for seed in seeds] for fitness in (one, other))
    where = best[0].where
    if not all(map(math.isfinite, theirs)):
        return {"verdict": f"the other has no fitness ({where})", "seeds": len(seeds)}
    measured = compare(ours, theirs, level=LEVEL, sign_flip=False)
    return {
        "verdict": f"measured ({where})",
        "seeds": len(seeds),
        "mean": finite_or_none(measured.mean),
        "interval": [finite_or_none(measured.low), finite_or_none(measured.high)],
    }


def _mean(fitness: Fitness, contexts: Sequence[Context], seed: int) -> float:
    return fmean(fitness[context] for context in contexts if context.seed == seed)


def fitness_of(store: Reader, program: Program, evaluated: int | None = None) -> Fitness:
    """All trainings of a program in a run's store, with and without states that it does not need,
    and as an ablation tidies it up.

    evaluated: the individual whose trainings in the search are its own. A program is known by its
      hash as it was drawn; where it was better at another rate its text has another.
    """
    forms = [program, live_across_steps(program)]
    with contextlib.suppress(InvalidProgram):  # simplified, nothing may be left
        forms.append(peephole(program))
    hashes = {analyse(one).functional_hash for one in forms}
    measured = {} if evaluated is None else _search_fitness(store, evaluated)
    for known in with_hashes(store, hashes).values():
        if known.evaluated is not None and known.rate == 1.0:
            measured |= _search_fitness(store, known.evaluated)
    for one in hashes:
        for row in trainings_of(store, one):
            context = Context(row.split, f"{row.task} {row.fingerprint}", row.seed)
            measured[context] = row.fitness
    return measured


def _search_fitness(store: Reader, number: int) -> dict[Context, float]:
    """By task and seed, at the rate that the program has."""
    rate = best_rate(store, number)
    return {
        Context(WHERE[purpose], evaluation.task, evaluation.seed): evaluation.fitness
        for purpose, evaluation in evaluations_of(store, number)
        if purpose in WHERE
        and not math.isnan(evaluation.fitness)
        and (purpose is not Purpose.SEARCH or evaluation.rate == rate)
    }
