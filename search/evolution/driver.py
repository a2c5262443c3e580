"""The loop of a search: ask, hash, look up, submit, tell, store; workers only evaluate.

Everything that a config decides happens in order of birth, so the store's rows are the same
whatever the workers do; and whatever was committed can be put back from them (see resume.py).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from programs import Program, analyse, parse
from programs.behaviour import Screening, behaviour
from search.config.settings import Config
from search.evaluation import seeds
from search.evaluation.fitness import Evaluation, Outcome, Score, rejected, score_of
from search.evaluation.jobs import Job, Purpose, Result, TooManyFailures
from search.evaluation.request import SEARCH, Request, Thresholds
from search.evolution.budget import Budget
from search.evolution.cache import Lookup
from search.evolution.counters import Statistics
from search.evolution.evolution import Child, Repeats
from search.evolution.failures import Failures
from search.evolution.hurdles import ThresholdTracker, may_be_audited
from search.evolution.meta_validation import MetaValidation
from search.evolution.niches import Population, needed_states, niche_of
from search.evolution.racing import first_with_seeds, race
from search.evolution.rates import at_rate, rates_of, relative_to, rescaled
from search.evolution.resume import (
    arrived,
    restore_round,
    restored_cache,
    restored_programs,
    starts_by_seed,
    unaudited,
)
from search.stopping import Stopped, at_once
from search.storage.conversion import evaluation_row
from search.storage.lineage import edit_between
from search.storage.schema import IndividualRow, ProgramRow
from search.storage.store import Store
from search.workers.pool import Pool

CHUNK = 50  # children asked between two looks at the workers
POLL_S = 0.02  # least time between two looks while there are children to ask for
WAIT_S = 0.1  # longest wait for a worker, so that a signal is noticed


@dataclass(slots=True)
class PendingChild:
    """A child that is born and not committed."""

    child: Child
    lookup: Lookup
    reuse: str
    behavioural: bytes | None
    text: str  # without redundant statements; empty for a known program


class Driver:
    """Runs rounds of a search against a store and a pool of workers."""

    def __init__(
        self,
        config: Config,
        store: Store,
        *,
        pool: Pool,
        statistics: Statistics,
        show: Callable[[], None] = lambda: None,
        stopping: Callable[[], int | None] = lambda: None,
        budget: Budget | None = None,
    ):
        """show: called often, to draw progress; stopping: the signal that asks to stop, if any;
        budget: of the config's `stop`, if its time runs already."""
        self.budget = budget or Budget(config.stop, store)
        self._meta = MetaValidation(store, config.meta_validation, config.evaluation.tasks)
        self.config, self.store, self.pool = config, store, pool
        self.statistics, self._show, self._stopping = statistics, show, stopping
        self._hurdles = config.evaluation.hurdles
        self._seeds = tuple(seeds.SEARCH.take(config.evaluation.seeds))
        self._waiting: deque[PendingChild] = deque()
        self._evaluated: dict[int, Lookup] = {}  # by number, being evaluated
        self._trackers: dict[tuple[int, int], ThresholdTracker] = {}  # by repeat and niche
        self._failures = Failures()
        self._polled = 0.0
        self.cache = restored_cache(store, config)
        self._programs = restored_programs(store)  # rows of programs by functional hash
        self._arrived = arrived(store)  # evaluations by number, not yet committed
        self._starts_by_seed = starts_by_seed(store, config)
        for one in unaudited(store, config):
            drawn = at_rate(parse(one.text), 1 / one.rate)
            self._audit(one.first, drawn, first_rate=one.rate)

    def run(self, repeats: Repeats) -> None:
        """Runs a round to its end.

        Raises:
          Stopped: asked to stop. TooManyFailures: a warm start or too many programs in a row fail.
        """
        with at_once(self._stopping):
            restore_round(repeats, self.store, self.cache)
        self.statistics.begin_children()
        while not repeats.finished or self.pool.outstanding:
            moved = self._ask(repeats)
            moved |= self._tell(repeats)
            self._collect(0.0 if moved else WAIT_S)
            self.statistics.target = repeats.expected
            self.step()
        self.drain()

    def evaluate(self, jobs: Iterable[Job]) -> None:
        """Runs jobs besides the search; their evaluations are in the store afterwards."""
        for job in jobs:
            self.pool.submit(job)
        self.drain()

    def drain(self) -> None:
        """Waits for all that was submitted and the last points of meta-validation; stores it."""
        self.store.commit()
        self._submit_points()
        while self.pool.outstanding:
            self._collect(WAIT_S)
            self.step()
        self.budget.save()
        self.store.commit()

    def step(self) -> None:
        """What is due between any two steps: commit, show, stop."""
        if not self._failures and self.store.commit_if_due():
            self.budget.save()
            self._submit_points()
        self._show()
        for kind, text in self.pool.events:
            self.statistics.failures[kind] += 1
            self.store.add_event(kind, text)
        self.pool.events.clear()
        if signal := self._stopping():
            if not self._failures:
                self.store.commit()
            raise Stopped(signal)

    def _submit_points(self) -> None:
        for job in self._meta.due():
            self.pool.submit(job)

    def _ask(self, repeats: Repeats) -> bool:
        for count in range(CHUNK):
            self.budget.limit(repeats)
            child = repeats.ask()
            for individual in repeats.take_rescaled():
                assert individual.drawn is not None
                self.cache.show_best_rate(individual.drawn)
            if child is None:
                return count > 0
            self._admit(child, repeats)
        return True

    def _admit(self, child: Child, repeats: Repeats) -> None:
        """Looks a child up; sends it to the workers when it must be evaluated."""
        lookup = self.cache.look_up(child.mutation.analysis)
        waiting = PendingChild(child, lookup, lookup.reuse, None, "")
        self._waiting.append(waiting)
        if lookup.live is not None:
            waiting.text = str(lookup.live)
        if lookup.live is None or not lookup.is_new:
            return
        if self.config.evaluation.fingerprint:
            seen = behaviour(child.mutation.program, child.mutation.analysis)
            waiting.behavioural = seen.hash
            if seen.screening is not Screening.TRAINABLE:
                lookup.entry.score = rejected(Outcome[seen.screening.name])
                return
            if lookup.reuse == "new" and seen.hash in self.cache.behaviours:
                waiting.reuse = "behavioural"
            self.cache.behaviours.add(seen.hash)
        lookup.entry.evaluated = child.number
        if child.number in self._arrived:  # evaluated before this process started
            self._settle(lookup, self._arrived.pop(child.number))
            return
        self._evaluated[child.number] = lookup
        if child.index < 0:
            job = self._job(child.number, Purpose.SEARCH, program=lookup.live, rates=(1.0,))
        else:
            job = self._job(
                child.number,
                Purpose.SEARCH,
                program=lookup.live,
                thresholds=self._thresholds(child, repeats),
                race=self._race(child, repeats),
                rates=rates_of(child, self.config),
            )
        self.pool.submit(job)

    def _thresholds(self, child: Child, repeats: Repeats) -> Thresholds:
        """The fitness that a child must reach at the hurdles, by the niche that it belongs to."""
        niche, population = self._niche(child, repeats)
        if (tracker := self._trackers.get((child.repeat, niche))) is None:
            tracker = ThresholdTracker(population.size, self._hurdles, self._least_members)
            self._trackers[child.repeat, niche] = tracker
        scores = (individual.score for individual in reversed(population.individuals))
        return tracker.thresholds(scores, population.taken_in)

    def _race(self, child: Child, repeats: Repeats) -> tuple[float, ...]:
        """What a child's mean so far must be for its next seed, by the niche that it belongs to."""
        settings = self.config.evaluation
        if settings.race is None or not first_with_seeds(self._starts_by_seed):
            return ()  # what the seeds that a loser lacks would have changed is the start's
        _, population = self._niche(child, repeats)
        scores = [individual.score for individual in population.individuals]
        return race(scores, quantile=settings.race, seeds=settings.seeds, least=self._least_members)

    def _niche(self, child: Child, repeats: Repeats) -> tuple[int, Population]:
        """The niche that a child belongs to, by number, and its members as the child sees them."""
        niche = niche_of(self.config.evolution, needed_states(child.mutation.analysis))
        return niche, repeats.evolutions[child.repeat].niches.populations[niche]

    @property
    def _least_members(self) -> int:
        """Members with a fitness that a niche must have before it asks anything of children, at
        hurdles and for their next seed."""
        niches = self.config.evolution.niches
        return niches.hurdle_members if niches else 1

    def _job(
        self,
        number: int,
        purpose: Purpose,
        *,
        program: Program,
        thresholds: Thresholds = (),
        race: tuple[float, ...] = (),
        rates: Sequence[float] = (),
    ) -> Job:
        """A program's trainings on the search's tasks and seeds, rate by rate (none given: all). In
        the search the first that fails ends those of a rate."""
        settings, is_search = self.config.evaluation, purpose is Purpose.SEARCH
        checked = self._seeds if settings.race is None else self._seeds[:1]  # at the hurdles
        checked = checked if thresholds else ()
        requests = tuple(
            Request(at, task, seed, SEARCH, thresholds[i] if seed in checked else (), rate)
            for rate, at in ((rate, at_rate(program, rate)) for rate in rates or settings.rates)
            for i, task in enumerate(settings.tasks)
            for seed in self._seeds
        )
        return Job(
            number,
            purpose,
            requests,
            stop_at_failure=is_search,
            all_rates=not is_search,
            first_seed_decides=is_search and settings.rates_when != "failed",
            race=race,
            weights=settings.weights,
        )

    def _audit(self, number: int, drawn: Program, *, first_rate: float) -> None:
        """A rejected program's trainings to their end, at all rates."""
        rates = relative_to(first_rate, self.config.evaluation.rates)
        self.pool.submit(self._job(number, Purpose.AUDIT, program=drawn, rates=rates))

    def _collect(self, timeout_s: float) -> None:
        now = time.monotonic()
        if self.pool.outstanding and (timeout_s or now - self._polled > POLL_S):
            for result in self.pool.collect(timeout_s):
                self._take(result)
            self._polled = now
        if not self.pool.outstanding:
            self._confirm_failures()

    def _take(self, result: Result) -> None:
        """Takes in what has arrived from a worker."""
        if not result.failure:
            self._confirm_failures()
            self._failures.end()
        if not result.failure or result.job.purpose is not Purpose.SEARCH:
            self._keep(result)
            return
        number = result.job.number
        if any(w.child.number == number and w.child.index < 0 for w in self._waiting):
            raise TooManyFailures(f"the warm start cannot be evaluated: {result.failure}")
        self._failures.add(result)

    def _confirm_failures(self) -> None:
        """Failures count as the programs' own once others succeed, or when there are no others."""
        for result in self._failures.taken():
            self._keep(result)

    def _keep(self, result: Result) -> None:
        """Stores a result; a search's waits to be committed."""
        job, evaluations = result.job, result.evaluations
        if result.failure and job.purpose is Purpose.META_VALIDATION:
            # Each by its name: a resume may ask for other scales and seeds.
            evaluations = tuple(
                Evaluation(request.task, request.seed, float("-inf"), Outcome.FAILED, 0)
                for request in job.requests
            )
        elif result.failure:
            evaluations = (Evaluation("", job.seeds[0], float("-inf"), Outcome.FAILED, 0),)
        for evaluation in evaluations:
            self.store.add(evaluation_row(job.number, job.purpose, evaluation))
        if job.purpose is Purpose.SEARCH:
            score = self._settle(self._evaluated.pop(job.number), evaluations)
            if job.number < self.config.evolution.starts:
                self._starts_by_seed[job.number] = score.by_seed
            self.statistics.count_evaluation(evaluations, score.outcome)

    def _settle(self, lookup: Lookup, evaluations: tuple[Evaluation, ...]) -> Score:
        start = first_with_seeds(self._starts_by_seed)
        score = score_of(evaluations, self.config.evaluation, start)
        lookup.entry.score, lookup.entry.trainings = score, len(evaluations)
        return score

    def _tell(self, repeats: Repeats) -> bool:
        """Tells what is next in order of birth and has a score."""
        told = False
        while self._waiting and (score := self._waiting[0].lookup.entry.score) is not None:
            waiting = self._waiting.popleft()
            if score.rate != 1.0 and not waiting.lookup.is_at_best_rate:
                self._rescale(waiting, score.rate)
            repeats.tell(waiting.child, score)
            entry, number = waiting.lookup.entry, waiting.child.number
            self.budget.told(
                number, score.fitness, entry.trainings if entry.evaluated == number else 0
            )
            self._log(waiting, score)
            told = True
        return told

    def _rescale(self, waiting: PendingChild, rate: float) -> None:
        functional = waiting.lookup.functional
        waiting.child = rescaled(waiting.child, rate, functional)
        if waiting.text:  # the first with this hash
            program = at_rate(parse(waiting.text), rate)
            waiting.text = str(program)
            self.cache.add_best_rate(functional, analyse(program).functional_hash)

    def _log(self, waiting: PendingChild, score: Score) -> None:
        child, lookup = waiting.child, waiting.lookup
        mutation, functional = child.mutation, lookup.functional
        live = len(mutation.analysis.live)
        program = self._programs.get(functional)
        if program is None:
            program = self._programs[functional] = len(self._programs) + 1
            assert lookup.canonical is not None and lookup.live is not None
            self.store.add(
                ProgramRow(
                    id=program,
                    functional=functional,
                    canonical=lookup.canonical,
                    behavioural=waiting.behavioural,
                    evaluated=lookup.entry.evaluated,
                    live=live,
                    states=needed_states(mutation.analysis),
                    rate=score.rate,
                    fitness=score.fitness,
                    outcome=score.outcome.name,
                    text=waiting.text,
                )
            )
            self.statistics.count_program(score, waiting.text)
            if lookup.is_new and may_be_audited(score.outcome, functional, self._hurdles):
                self._audit(child.number, lookup.live, first_rate=score.rate)
        parent = child.parent
        self.store.add(
            IndividualRow(
                number=child.number,
                repeat=child.repeat,
                child=child.index,
                parent=parent.number if parent else None,
                mutation=mutation.kind,
                attempts=mutation.attempts,
                statements=len(mutation.program),
                live=live,
                program=program,
                reuse=waiting.reuse,
                edit=edit_between(parent.program if parent else None, mutation.program),
            )
        )
        is_start = child.index < 0 and child.repeat < self.config.evolution.repeats  # no restart
        self.statistics.count_individual(
            waiting.reuse, mutation, live=live, score=score, is_start=is_start
        )
