"""What the children of a search are: how many are functions not seen before, how many need fewer
states than their parent or are a sign of momentum, and how far a change of structure changes the
size of the updates.

Nothing is trained: children are drawn as the search draws them, from its tuned start and from the
good ones among its last individuals.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from statistics import fmean

from programs import Program, analyse, live_across_steps, parse
from programs.behaviour import Screening, behaviour, update_size
from programs.memory import needed_states
from programs.mutate import Mutation, MutationOptions, mutate
from search.evaluation.fitness import Outcome
from search.evolution.rates import have_same_statements
from search.reports.tables import columns
from search.selection.nearest_rule import nearest_rule
from search.storage.leaders import warm_start
from search.storage.lineage import individual
from search.storage.queries import births, descents, last_number
from search.storage.store import Reader
from search.studies.settings import SIGN

LAST = 6_000  # individuals, of which the good ones are parents
FAR = 2.8  # times larger or smaller
HEAD = (
    "parents", "statements", "live", "children", "functions not seen before",
    "of these with fewer states", "a sign of momentum",
)  # fmt: skip


def start_of(store: Reader) -> Program:
    """The tuned warm start, whole."""
    return individual(store, warm_start(store).number)


def good_parents(store: Reader, *, most: int, rng: random.Random) -> list[Program]:
    """Those of the last individuals that need as many states as the warm start and are as fit, or a
    random sample of them."""
    start = warm_start(store)
    numbers = [
        birth.number
        for birth in births(store, after=last_number(store) - LAST)
        if birth.states == start.states and birth.fitness >= start.fitness
    ]
    chosen = sorted(rng.sample(numbers, min(most, len(numbers))))
    return [individual(store, number) for number in chosen]


def row_of(
    name: str,
    parents: Sequence[Program],
    *,
    children: int,
    options: MutationOptions,
    rng: random.Random,
    show: Callable[[int], None] = lambda _: None,
) -> tuple[str, ...]:
    """Counts of children drawn from these parents, under HEAD; show: called with each one's number.

    A function is not seen before where neither a parent nor a child before it has its hash.
    """
    analyses = [analyse(parent) for parent in parents]
    seen = {analysis.functional_hash for analysis in analyses}
    new = fewer = signs = 0
    for number in range(children):
        show(number)
        i = int(rng.random() * len(parents))
        child = mutate(parents[i], rng, options=options, analysis=analyses[i])
        if child.analysis.functional_hash in seen:
            continue
        seen.add(child.analysis.functional_hash)
        new += 1
        if len(needed_states(child.analysis)) >= len(needed_states(analyses[i])):
            continue
        fewer += 1
        signs += _is_a_sign(child)
    return (
        f"{len(parents):,} {name}",
        f"{fmean(map(len, parents)):.1f}",
        f"{fmean(len(live_across_steps(parent)) for parent in parents):.1f}",
        f"{children:,}",
        _share(new, children),
        _share(fewer, new),
        _share(signs, new),
    )


def _is_a_sign(child: Mutation) -> bool:
    """Of momentum, whatever its schedule, rate and decay."""
    if behaviour(child.program, child.analysis).screening is not Screening.TRAINABLE:
        return False
    rule = nearest_rule(child.program)
    return rule is not None and rule.is_same and rule.name == SIGN


def _share(count: int, of: int) -> str:
    return f"{count:,} ({count / of:.2%})" if of else f"{count:,}"


def step_sizes(store: Reader, *, most: int, rng: random.Random) -> list[str]:
    """How often a trained program whose structure is not its parent's had, as it was drawn, updates
    that were far larger or smaller; of a random sample of them."""
    changed = []
    for one in descents(store):
        program, parent = parse(one.text), parse(one.parent)
        if not have_same_statements(program, parent):
            changed.append((one, program, parent))
    counts = {True: [0, 0], False: [0, 0]}  # by whether it was completed: far ones, all
    for one, program, parent in rng.sample(changed, min(most, len(changed))):
        ours, theirs = update_size(program) / one.rate, update_size(parent)
        count = counts[one.outcome == Outcome.COMPLETED.name]
        count[0] += not theirs / FAR < ours < theirs * FAR
        count[1] += 1
    rows = [
        [name, f"{all_:,}", _share(far, all_)]
        for name, (far, all_) in (
            ("diverged, or ended by a hurdle", counts[False]),
            ("trained to the end", counts[True]),
        )
    ]
    head = ["structure changed", "programs", f"updates {FAR:g} times larger or smaller"]
    return columns([head, *rows]).splitlines()
