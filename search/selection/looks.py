"""A stage's comparison on fresh seeds, more of them while it is undecided.

Programs are compared in pairs of values: one for each seed, or one for each of several tunings (in
the finals). A stage may look several times: after its pairs, and again after as many further ones,
for the programs that have neither passed nor become hopeless. A p-value is the smallest of the
looks times their number, so a stage's level holds however many looks there were (Bonferroni;
Pocock's bounds, which spend a little less, need the correlation of the looks). The look with the
smallest counts: fitness, interval and number of pairs of a program are of that one, also where a
later look is less favourable.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import NamedTuple, TypeAlias

import numpy as np

from programs import Program
from search.evaluation.request import META
from search.selection.comparison import compare, holm, worst_case
from search.selection.objective import Objective, fitness_rows, mean_over_tasks
from search.selection.results import NamedProgram, StageEntry, StageResult, states_of


class Pairs(NamedTuple):
    """What the values of each program are of, in all looks."""

    seeds: Sequence[Sequence[int]]  # a value is the mean over a row of them, all of one length
    tuned: Tuned | None = None  # before; None: programs are as they are

    @property
    def unit(self) -> str:
        return "seeds" if self.tuned is None else "tunings"


Tuned: TypeAlias = Callable[[Sequence[NamedProgram], Sequence[int]], list[list[Program]]]
"""The programs with the constants that they have in each of these pairs, by number."""


@dataclass(frozen=True)
class PromotionRule:
    """The programs promoted from a stage: the best of those that pass."""

    level: float  # of the comparison with each baseline
    beat: bool  # whether every baseline must be beaten
    keep: int  # at most so many
    family_wise: bool = False  # whether `level` holds for all candidates together (Holm)
    memory_margin: float | None = None  # see FunnelSettings; `keep` is then for each of them
    least_gain: float = 0.0  # see FunnelSettings
    looks: int = 1

    def margin(self, candidate: Program, baseline: Program) -> float:
        """The mean difference that a candidate must exceed."""
        if self.memory_margin is None or states_of(candidate) >= states_of(baseline):
            return self.least_gain
        return -self.memory_margin

    def passes(self, entry: StageEntry) -> bool:
        return math.isfinite(entry.mean) and (entry.p <= self.level or not self.beat)

    def best(self, passing: Sequence[StageEntry]) -> set[str]:
        """Names of those that are promoted, given the best first."""
        kept: list[StageEntry] = []
        for entry in passing:
            rivals = [k for k in kept if self.memory_margin is None or k.states == entry.states]
            if len(rivals) < self.keep:
                kept.append(entry)
        return {entry.name for entry in kept}


@dataclass
class _Contest:
    """What is known of the programs of a stage so far."""

    objective: Objective
    rule: PromotionRule
    pairs: Pairs
    baselines: Sequence[NamedProgram]
    candidates: Sequence[NamedProgram]

    def __post_init__(self) -> None:
        none = np.empty((len(self.objective.tasks), 0))
        self.fitness = {
            one.name: none for one in (*self.baselines, *self.candidates)
        }  # [K, P] on tasks and pairs
        self.entries: dict[str, StageEntry] = {}  # with the comparison of the look that counts
        self.latest: dict[str, StageEntry] = {}

    def look(self, numbers: Sequence[int], candidates: Sequence[NamedProgram]) -> None:
        """Trains the baselines and these candidates for further pairs, and compares them."""
        named = [*self.baselines, *candidates]
        for one, further in zip(named, self._further(numbers, named), strict=True):
            self.fitness[one.name] = np.hstack([self.fitness[one.name], further])
        for one in candidates:
            self.latest[one.name] = entry = self._against_all(one)
            self.entries[one.name] = self._that_counts(entry, self.entries.get(one.name))

    def _that_counts(self, entry: StageEntry, before: StageEntry | None) -> StageEntry:
        """The entry of the look with the smaller p, fitness and interval included."""
        if entry.worse_on or not math.isfinite(entry.mean):  # does not pass, whatever it was before
            return replace(entry, p=1.0)
        p = min(1.0, entry.p * self.rule.looks)
        return replace(entry, p=p) if before is None or p <= before.p else before

    def judged(self) -> list[StageEntry]:
        """The candidates' entries; where the rule says so, p is adjusted for all of them."""
        entries = [self.entries[one.name] for one in self.candidates]
        if not self.rule.family_wise:
            return entries
        return [replace(e, p=p) for e, p in zip(entries, holm([e.p for e in entries]))]

    def undecided(self) -> list[NamedProgram]:
        """The candidates of which further seeds may still show that they pass."""
        return [
            NamedProgram(entry.name, entry.program)
            for entry in self.judged()
            if not self.rule.passes(entry) and _may_pass(self.latest[entry.name])
        ]

    def of_baselines(self) -> list[StageEntry]:
        return [StageEntry(*one, self._by_pair(one.name), None) for one in self.baselines]

    def _further(self, numbers: Sequence[int], named: Sequence[NamedProgram]) -> np.ndarray:
        """[N, K, P] on the meta-validation split; the trainings are asked for together."""
        if self.pairs.tuned is None:
            programs = [[one.program for one in named] for _ in numbers]
        else:
            programs = self.pairs.tuned(named, numbers)
        rows = [
            (program, self.pairs.seeds[number])
            for number, few in zip(numbers, programs, strict=True)
            for program in few
        ]
        tasks = self.objective.tasks
        table = fitness_rows(self.objective.score, rows, tasks=tasks, split=META).mean(axis=-1)
        return np.moveaxis(table.reshape(len(numbers), len(named), len(tasks)), 0, -1)

    def _by_pair(self, name: str) -> tuple[float, ...]:
        return tuple(mean_over_tasks(self.fitness[name], self.objective.weights).tolist())

    def _against_all(self, one: NamedProgram) -> StageEntry:
        """A candidate's entry, with the baseline that it comes out worst against: on the mean over
        tasks, or on one task on which it is clearly worse."""
        fitness, level = self._by_pair(one.name), self.rule.level / self.rule.looks
        margins = [self.rule.margin(one.program, base.program) for base in self.baselines]
        bounds = [
            compare(fitness, self._by_pair(base.name)[: len(fitness)], level=level, margin=margin)
            for base, margin in zip(self.baselines, margins)
        ]
        worst = worst_case(bounds)
        strongest = self.baselines[bounds.index(worst)].name
        named = {base.name: bound for base, bound in zip(self.baselines, bounds)}
        entry = StageEntry(*one, fitness, worst, strongest, worst.p, by_baseline=named)
        if len(self.objective.tasks) == 1 or not self.rule.beat:
            return entry
        for base, margin in zip(self.baselines, margins):
            pairs = zip(self.fitness[one.name], self.fitness[base.name])
            for task, (ours, theirs) in zip(self.objective.tasks, pairs):
                bound = compare(ours, theirs[: len(ours)], level=level, margin=margin)
                if bound.high < min(margin, 0.0):  # no task must gain, none may lose
                    return replace(entry, against=bound, baseline=base.name, worse_on=task)
        return entry


def compared(
    baselines: Sequence[NamedProgram],
    candidates: Sequence[NamedProgram],
    objective: Objective,
    *,
    name: str,
    pairs: Pairs,
    rule: PromotionRule,
) -> StageResult:
    """Compares each candidate with every baseline. A stage's trainings are asked for together.

    pairs: those of all looks, which get equal parts of them.
    """
    contest = _Contest(objective, rule, pairs, baselines, candidates)
    each, undecided = len(pairs.seeds) // rule.looks, list(candidates)
    for number in range(rule.looks):
        contest.look(range(number * each, (number + 1) * each), undecided)
        undecided = contest.undecided()
        if not rule.beat or not undecided:
            break
    entries = sorted(contest.judged(), key=lambda e: -_first_mean(e, each))
    promoted = rule.best([entry for entry in entries if rule.passes(entry)])
    entries = [replace(entry, promoted=entry.name in promoted) for entry in entries]
    return StageResult(
        name=name,
        tasks=objective.tasks,
        level=rule.level,
        beat=rule.beat,
        entries=tuple(sorted(entries, key=lambda e: not e.promoted)),
        baselines=tuple(sorted(contest.of_baselines(), key=lambda e: -e.mean)),
        weights=objective.weights,
        unit=pairs.unit,
    )


def _may_pass(entry: StageEntry) -> bool:
    against = entry.against
    return against is not None and not against.failed and against.high > against.margin


def _first_mean(entry: StageEntry, pairs: int) -> float:
    """The mean over the pairs that all programs of a stage have."""
    first = entry.fitness[:pairs]
    return fmean(first) if all(map(math.isfinite, entry.fitness)) else -math.inf
