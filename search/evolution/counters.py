"""What a search did so far, as counters; the figures that the views and the summary print."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from programs.mutate import Mutation
from search.config.settings import EvolutionSettings
from search.evaluation.fitness import NOT_TRAINED, Evaluation, Outcome, Score
from search.storage import queries
from search.storage.store import Reader


def _seconds() -> defaultdict[str, float]:
    """By outcome of the program."""
    return defaultdict(float)


@dataclass
class Statistics:
    """Counters over all processes of a run; rates are those of this process."""

    target: int = 0  # individuals when no repeat ends early
    individuals: int = 0  # committed, warm starts included
    reuse: Counter[str] = field(default_factory=Counter)  # individuals by the first known hash
    attempts: int = 0  # draws until the children were valid
    statements: int = 0
    live: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)  # programs by outcome
    training_s: defaultdict[str, float] = field(default_factory=_seconds)
    compile_s: defaultdict[str, float] = field(default_factory=_seconds)
    evaluations: int = 0  # programs evaluated on workers
    failures: Counter[str] = field(default_factory=Counter)  # workers lost, retries, ...
    best: float = float("-inf")
    best_text: str = ""
    start_fitness: float = float("nan")  # of the best warm start
    started: float = field(default_factory=time.monotonic)
    children_from: float | None = None  # when the first could be born, after tuning of the start
    individuals_before: int = 0  # by earlier processes
    evaluated_before: int = 0

    @classmethod
    def of(cls, store: Reader, settings: EvolutionSettings) -> Statistics:
        """Counts what earlier processes of the run stored."""
        starts = settings.starts + settings.rounds - 1  # of each repeat in all rounds
        statistics = cls.counted(store)
        statistics.target = settings.repeats * (settings.rounds * settings.children + starts)
        return statistics

    @classmethod
    def counted(cls, store: Reader) -> Statistics:
        """Counts what is stored."""
        statistics = cls()
        statistics._restore(store)
        return statistics

    def _restore(self, store: Reader) -> None:
        self.individuals, self.attempts, self.statements, self.live = queries.totals(store)
        self.reuse = Counter(queries.reuse_counts(store))
        self.outcomes = Counter(queries.outcome_counts(store))
        for spent in queries.seconds_by_outcome(store):
            self.evaluations += spent.programs
            self.training_s[spent.outcome] = spent.training
            self.compile_s[spent.outcome] = spent.compilation
        if (best := queries.best_program(store)) is not None:
            self.best, self.best_text = best
        self.start_fitness = queries.start_fitness(store)
        self.individuals_before, self.evaluated_before = self.individuals, self.evaluations

    def count_individual(
        self, reuse: str, mutation: Mutation, *, live: int, score: Score, is_start: bool
    ) -> None:
        """Counts an individual as it is committed."""
        self.individuals += 1
        self.reuse[reuse] += 1
        self.attempts += mutation.attempts
        self.statements += len(mutation.program)
        self.live += live
        if is_start and not score.fitness <= self.start_fitness:
            self.start_fitness = score.fitness

    def count_program(self, score: Score, text: str) -> None:
        """Counts a program as it is committed for the first time."""
        self.outcomes[score.outcome.name] += 1
        if score.fitness > self.best:
            self.best, self.best_text = score.fitness, text

    def count_evaluation(self, evaluations: Sequence[Evaluation], outcome: Outcome) -> None:
        """Counts a program's evaluations as they arrive; time spent on a completed task is wasted,
        too, if the program fails on a later one."""
        self.evaluations += 1
        for evaluation in evaluations:
            self.training_s[outcome.name] += evaluation.run_seconds
            self.compile_s[outcome.name] += evaluation.compile_seconds

    @property
    def elapsed_s(self) -> float:
        """Seconds since this process started its search."""
        return max(time.monotonic() - self.started, 1e-9)

    def begin_children(self) -> None:
        """From now on children may be born."""
        if self.children_from is None:
            self.children_from = time.monotonic()

    @property
    def _searched_s(self) -> float:
        """Seconds since children may be born in this process."""
        if self.children_from is None:
            return self.elapsed_s
        return max(time.monotonic() - self.children_from, 1e-9)

    @property
    def children_per_s(self) -> float:
        return (self.individuals - self.individuals_before) / self._searched_s

    @property
    def evaluations_per_s(self) -> float:
        return (self.evaluations - self.evaluated_before) / self._searched_s

    def hit_rate(self, kind: str) -> float:
        """Share of individuals whose hash of this kind (or a finer one) was known."""
        order = ("functional", "canonical", "behavioural")
        hits = sum(self.reuse[finer] for finer in order[: order.index(kind) + 1])
        return hits / max(self.individuals, 1)

    @property
    def invalid_share(self) -> float:
        """Share of drawn children that were not valid programs."""
        return 1 - self.individuals / self.attempts if self.attempts else 0.0

    @property
    def redundant_share(self) -> float:
        """Share of statements on which no output depends, over all individuals."""
        return 1 - self.live / self.statements if self.statements else 0.0

    def share(self, *outcomes: Outcome) -> float:
        """Share of distinct programs with these outcomes."""
        wanted = sum(self.outcomes[outcome.name] for outcome in outcomes)
        return wanted / max(sum(self.outcomes.values()), 1)

    @property
    def wasted_share(self) -> float:
        """Share of training time that went to programs without a fitness."""
        return _wasted(self.training_s)

    @property
    def wasted_share_with_compilation(self) -> float:
        """The same with compilation; a worker's first program pays for all that share it."""
        return _wasted(self.training_s, self.compile_s)

    def figures(self, busy: float) -> dict[str, float | int | str | None]:
        """All figures by name, for JSON lines; busy: share of the workers' time."""
        left = (
            (self.target - self.individuals) / self.children_per_s
            if self.individuals > self.individuals_before
            else None
        )
        return {
            "individuals": self.individuals,
            "target": self.target,
            "elapsed_s": round(self.elapsed_s, 1),
            "left_s": None if left is None else round(left, 1),
            "children_per_s": round(self.children_per_s, 1),
            "evaluations": self.evaluations,
            "evaluations_per_s": round(self.evaluations_per_s, 2),
            "functional_hits": round(self.hit_rate("functional"), 4),
            "canonical_hits": round(self.hit_rate("canonical"), 4),
            "behavioural_hits": round(self.hit_rate("behavioural"), 4),
            "invalid": round(self.invalid_share, 4),
            "redundant": round(self.redundant_share, 4),
            "not_trained": round(self.share(*NOT_TRAINED), 4),
            "diverged": round(self.share(Outcome.DIVERGED), 4),
            "behind": round(self.share(Outcome.HURDLE), 4),
            "failed": round(self.share(Outcome.FAILED), 4),
            "wasted_time": round(self.wasted_share, 4),
            "wasted_time_with_compilation": round(self.wasted_share_with_compilation, 4),
            "workers_busy": round(busy, 4),
            "start_fitness": self.start_fitness,
            "best_fitness": self.best,
            "best_program": self.best_text,
        }


def _wasted(*parts: Mapping[str, float]) -> float:
    """Share of seconds, by outcome, that went to programs without a fitness."""
    spent = sum(sum(seconds.values()) for seconds in parts)
    worth = sum(seconds.get(Outcome.COMPLETED.name, 0.0) for seconds in parts)
    return 1 - worth / spent if spent else 0.0
