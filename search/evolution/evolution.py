"""Regularized evolution (Real et al. 2019, algorithm 1), told in order by a logical clock.

Children are numbered. Child i draws from a generator seeded by (seed, repeat, i) and sees the
population as it is after exactly i - window + 1 results, which are told in order of birth. So a
search depends on its settings alone: not on how many workers there are, nor on who is faster.
"""

from __future__ import annotations

import itertools
import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from programs import Analysis, Program, analyse
from programs.draws import child_rng, uniform_index
from programs.mutate import Mutation, MutationOptions, mutate, random_program
from search.config.settings import EvolutionSettings
from search.evaluation.fitness import Score


@dataclass(frozen=True, slots=True)
class Individual:
    """A program of the population with its score. `number` counts over all repeats."""

    number: int
    program: Program
    score: Score
    analysis: Analysis | None = None  # spares `mutate` the parent's analysis

    @property
    def fitness(self) -> float:
        return self.score.fitness


@dataclass(frozen=True, slots=True)
class Child:
    """A program that was just born and has no score yet."""

    number: int  # order of birth over all repeats
    repeat: int
    index: int  # order of birth in its repeat; -1: a warm start
    parent: Individual | None
    mutation: Mutation


class Evolution:
    """One repeat: `ask` for the next child, `tell` its score, in order of birth."""

    def __init__(
        self, settings: EvolutionSettings, seed: int, repeat: int, starts: Sequence[Individual]
    ):
        """starts: the warm starts, scored; the population begins as copies of them in turn."""
        self.settings, self.seed, self.repeat = settings, seed, repeat
        copies = itertools.islice(itertools.cycle(starts), settings.population)
        self.population: deque[Individual] = deque(copies)
        self.best = max(start.fitness for start in starts)
        self.asked = 0  # children born
        self.seen = 0  # results that the population has taken in
        self.ended = False
        self._told: deque[Individual] = deque()  # results that no child may see yet
        self._risen = 0  # `seen` when the best fitness last rose
        self._breed = breeding(settings)

    def ask(self, number: int) -> Child | None:
        """The next child, or None while the clock waits for results or the repeat has ended."""
        if self.ended or not self._see(self.asked - self.settings.window + 1):
            return None
        if self._is_over():
            self.ended = True
            return None
        rng = child_rng(self.seed, self.repeat, self.asked)
        parent, mutation = self._breed(self.population, rng)
        self.asked += 1
        return Child(number, self.repeat, self.asked - 1, parent, mutation)

    def tell(self, child: Child, score: Score) -> None:
        """Takes the score of the oldest child that has not been told."""
        if child.index != self.seen + len(self._told):
            expected = self.seen + len(self._told)
            raise ValueError(f"results are told in order of birth: {child.index}, not {expected}")
        analysis = child.mutation.analysis
        self._told.append(Individual(child.number, child.mutation.program, score, analysis))

    def restore(self, fitness: Sequence[float], recent: Sequence[Individual]) -> None:
        """Continues after results that were told before.

        fitness: of all of them, in order; recent: the last of them, at least population + window.
        """
        self.asked = len(fitness)
        self.seen = max(0, len(fitness) - self.settings.window)
        for count, value in enumerate(fitness[: self.seen], start=1):
            self._notice(value, count)
        waiting = len(fitness) - self.seen
        split = len(recent) - waiting
        for individual in recent[max(0, split - self.settings.population) : split]:
            self._add(individual)
        self._told.extend(recent[split:])

    def _see(self, count: int) -> bool:
        """Lets the population take in the first `count` results; False if they are not all told."""
        while self.seen < count:
            if not self._told:
                return False
            individual = self._told.popleft()
            self._add(individual)
            self.seen += 1
            self._notice(individual.fitness, self.seen)
        return True

    def _add(self, individual: Individual) -> None:
        self.population.append(individual)
        self.population.popleft()  # the oldest dies

    def _notice(self, fitness: float, count: int) -> None:
        if fitness > self.best:
            self.best, self._risen = fitness, count

    def _is_over(self) -> bool:
        flat = self.settings.flat_children
        too_flat = flat is not None and self.seen - self._risen >= flat
        return self.asked == self.settings.children or too_flat


Breeding = Callable[[Sequence[Individual], random.Random], tuple[Individual | None, Mutation]]


def breeding(settings: EvolutionSettings) -> Breeding:
    """How a mode makes a child from a population."""
    options = MutationOptions(
        insert=settings.mutations.insert,
        delete=settings.mutations.delete,
        modify=settings.mutations.modify,
        max_length=settings.mutations.max_length,
        mode="constants" if settings.mode == "tune" else "all",
    )
    shortest, longest = settings.random_length

    def evolve(population, rng):
        parent = tournament(population, settings.tournament, rng)
        return parent, mutate(parent.program, rng, options=options, analysis=parent.analysis)

    def draw(population, rng):
        length = shortest + uniform_index(rng, longest - shortest + 1)
        program = random_program(rng, length)
        return None, Mutation(program, analyse(program), "random", 1)

    return draw if settings.mode == "random" else evolve


def tournament(population: Sequence[Individual], size: int, rng: random.Random) -> Individual:
    """The fittest of `size` individuals drawn with replacement; the first drawn wins a tie."""
    sample = [population[uniform_index(rng, len(population))] for _ in range(size)]
    return max(sample, key=lambda individual: individual.fitness)


class Repeats:
    """The repeats of one round side by side, asked and told strictly in turn, so in one order."""

    def __init__(
        self,
        settings: EvolutionSettings,
        seed: int,
        round_number: int,
        starts: Sequence[Program],
        first_number: int,
    ):
        """first_number: number of the round's first individual."""
        self.settings, self.seed = settings, seed
        self.numbers = range(round_number * settings.repeats, (round_number + 1) * settings.repeats)
        self.asked = self.told = self._first = first_number
        self._later_rounds = settings.rounds - 1 - round_number
        self.evolutions: dict[int, Evolution] = {}
        self._unborn = deque(
            (repeat, Mutation(start, analyse(start), "start", 1))
            for repeat in self.numbers
            for start in starts
        )
        self._starts: dict[int, list[Individual]] = {repeat: [] for repeat in self.numbers}
        self._starts_each = len(starts)
        self._turn = 0

    @property
    def finished(self) -> bool:
        """Whether every repeat has ended and all that was asked is told."""
        ended = len(self.evolutions) == len(self.numbers) and all(
            evolution.ended for evolution in self.evolutions.values()
        )
        return ended and self.told == self.asked

    @property
    def expected(self) -> int:
        """Individuals at the end of the search; a repeat that ends early makes it fewer."""
        each = self.settings.children
        children = len(self.numbers) * each - sum(
            each - evolution.asked for evolution in self.evolutions.values() if evolution.ended
        )
        later = self._later_rounds * len(self.numbers) * (each + 1)
        return self._first + len(self.numbers) * self._starts_each + children + later

    @property
    def best(self) -> float:
        """The best fitness seen so far."""
        return max((evolution.best for evolution in self.evolutions.values()), default=float("nan"))

    def ask(self) -> Child | None:
        """The next child of the repeat whose turn it is, or None while it waits for results."""
        if self._unborn:
            repeat, start = self._unborn.popleft()
            self.asked += 1
            return Child(self.asked - 1, repeat, -1, None, start)
        for _ in self.numbers:
            evolution = self.evolutions.get(self.numbers[self._turn])
            if evolution is None:  # a warm start has no score yet
                return None
            child = evolution.ask(self.asked)
            if child is None and not evolution.ended:
                return None
            self._turn = (self._turn + 1) % len(self.numbers)
            if child is not None:
                self.asked += 1
                return child
        return None

    def tell(self, child: Child, score: Score) -> None:
        """Takes the score of the oldest individual that has not been told."""
        if child.number != self.told:
            raise ValueError(f"results are told in order of birth: {child.number}, not {self.told}")
        self.told += 1
        if child.index >= 0:
            self.evolutions[child.repeat].tell(child, score)
        else:
            mutation = child.mutation
            start = Individual(child.number, mutation.program, score, mutation.analysis)
            self._start(child.repeat, start)

    def restore(
        self,
        fitness: Mapping[int, Sequence[float]],
        recent: Mapping[int, Sequence[Individual]],
        last: int,
    ) -> None:
        """Continues after children that were told before; see `Evolution.restore`.

        fitness, recent: by repeat; last: the repeat of the last child that was told.
        """
        for repeat, evolution in self.evolutions.items():
            evolution.restore(fitness[repeat], recent[repeat])
            self.told += len(fitness[repeat])
        self.asked = self.told
        self._turn = (self.numbers.index(last) + 1) % len(self.numbers)

    def _start(self, repeat: int, start: Individual) -> None:
        starts = self._starts[repeat]
        starts.append(start)
        if len(starts) == self._starts_each:
            self.evolutions[repeat] = Evolution(self.settings, self.seed, repeat, starts)
