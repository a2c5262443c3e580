"""Regularized evolution (Real et al. 2019, algorithm 1), told in order by a logical clock.

Children are numbered. Child i draws from a generator seeded by (seed, repeat, i) and sees the
population as it is after exactly i - window + 1 results, which are told in order of birth. So a
search depends on its settings alone: not on how many workers there are, nor on who is faster.
"""

from __future__ import annotations

import itertools
import math
import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from programs import Program, analyse
from programs.draws import child_rng, uniform_index
from programs.function_draws import weights_of
from programs.mutate import Mutation, MutationOptions, mutate, random_program
from programs.program import state_names
from search.config.settings import EvolutionSettings
from search.evaluation.fitness import Score
from search.evolution.niches import (
    Individual,
    Niches,
    individual_of,
    needed_states,
)

RANDOM_STATES = 2  # of random programs, as of the paper's warm start


@dataclass(frozen=True, slots=True)
class Child:
    """A program that was just born and has no score yet."""

    number: int  # order of birth over all repeats
    repeat: int
    index: int  # order of birth in its repeat; -1: a warm start
    parent: Individual | None
    mutation: Mutation
    drawn: bytes | None = None  # hash of the program as it was drawn, once it is at another rate


class Remembered(NamedTuple):
    """What is remembered of a result after its individual has died."""

    niche: int
    worth: float


def _individual(settings: EvolutionSettings, child: Child, score: Score) -> Individual:
    program, analysis = child.mutation.program, child.mutation.analysis
    states, live = needed_states(analysis), len(analysis.live)
    return individual_of(
        settings,
        child.number,
        program=program,
        score=score,
        states=states,
        live=live,
        drawn=child.drawn,
        analysis=analysis,
    )


class Evolution:
    """One repeat: `ask` for the next child, `tell` its score, in order of birth."""

    def __init__(
        self, settings: EvolutionSettings, seed: int, *, repeat: int, starts: Sequence[Individual]
    ):
        """starts: the warm starts, scored; each population begins as copies of its own in turn."""
        self.settings, self.seed, self.repeat = settings, seed, repeat
        self.niches = Niches(settings, starts)
        self.asked = 0  # children born
        self.seen = 0  # results that the populations have taken in
        self.ended = False
        self._told: deque[Individual] = deque()  # results that no child may see yet
        self.rescaled: list[Individual] = []
        """Individuals at another rate than they were drawn with, that children may see; whoever
        looks children up takes them from here."""
        self._risen = 0  # `seen` when a population's best last rose
        self._breed = breeding(settings)

    def ask(self, number: int, *, neighbour: Niches | None = None) -> Child | None:
        """The next child, or None while the clock waits for results or the repeat has ended.

        neighbour: populations of the repeat that parents migrate from; None: it has none yet.
        """
        if self.ended or not self._see(self.asked - self.settings.window + 1):
            return None
        if self._is_over():
            self.end()
            return None
        interval = self.settings.migration_interval
        migrates = interval is not None and (self.asked + 1) % interval == 0
        niches = neighbour if migrates else self.niches
        if niches is None:  # the neighbour's warm starts have no score yet
            return None
        rng = child_rng(self.seed, self.repeat, self.asked)
        parent, mutation = self._breed(niches, rng)
        self.asked += 1
        return Child(number, self.repeat, self.asked - 1, parent, mutation)

    def tell(self, child: Child, score: Score) -> None:
        """Takes the score of the oldest child that has not been told."""
        if child.index != self.seen + len(self._told):
            expected = self.seen + len(self._told)
            raise ValueError(f"results are told in order of birth: {child.index}, not {expected}")
        self._told.append(_individual(self.settings, child, score))

    def restore(self, told: Sequence[Remembered], recent: Sequence[Individual]) -> None:
        """Continues after results that were told before.

        told: all of them, in order; recent: the last of them, in order, of each niche at least
        population + window.
        """
        self.asked = len(told)
        self.seen = max(0, len(told) - self.settings.window)
        for count, one in enumerate(told[: self.seen], start=1):
            self._notice(one, count)
        split = len(recent) - (len(told) - self.seen)
        for individual in recent[:split]:
            self.niches.populations[individual.niche].add(individual)
        self._told.extend(recent[split:])

    def end(self) -> None:
        """Bears no further child, having seen what it sees at the turn that ends it."""
        self.ended = self._see(self.asked - self.settings.window + 1)

    def _see(self, count: int) -> bool:
        """Lets the population take in the first `count` results; False if they are not all told."""
        while self.seen < count:
            if not self._told:
                return False
            individual = self._told.popleft()
            self.seen += 1
            self._notice(Remembered(individual.niche, individual.worth), self.seen)
            if individual.drawn is not None:
                self.rescaled.append(individual)
            self.niches.populations[individual.niche].add(individual)
        return True

    def _notice(self, told: Remembered, count: int) -> None:
        if self.niches.populations[told.niche].notice(told.worth):
            self._risen = count

    @property
    def has_more(self) -> bool:
        """Whether another child would be born; asked when all are told."""
        if self.ended or not self._see(self.asked - self.settings.window + 1):
            return False
        return not self._is_over()

    def _is_over(self) -> bool:
        flat = self.settings.flat_children
        too_flat = flat is not None and self.seen - self._risen >= flat
        return self.asked == self.settings.children or too_flat


Breeding = Callable[[Niches, random.Random], tuple[Individual | None, Mutation]]


def mutation_options(settings: EvolutionSettings) -> MutationOptions:
    """How a search with these settings draws a child from its parent."""
    return MutationOptions(
        insert=settings.mutations.insert,
        delete=settings.mutations.delete,
        modify=settings.mutations.modify,
        max_length=settings.mutations.max_length,
        max_redundant=settings.mutations.max_redundant,
        mode="constants" if settings.mode == "tune" else "all",
        functions=None if settings.functions is None else weights_of(settings.functions),
    )


def breeding(settings: EvolutionSettings) -> Breeding:
    """How a mode makes a child from the populations."""
    options = mutation_options(settings)
    count = RANDOM_STATES if settings.max_states is None else settings.max_states
    states = tuple(itertools.islice(state_names(), count))
    shortest, longest = settings.random_length

    def evolve(niches: Niches, rng: random.Random) -> tuple[Individual, Mutation]:
        parent = tournament(niches.draw(rng).individuals, settings.tournament, rng)
        return parent, mutate(parent.program, rng, options=options, analysis=parent.analysis)

    def draw(niches: Niches, rng: random.Random) -> tuple[None, Mutation]:
        length = shortest + uniform_index(rng, longest - shortest + 1)
        program = random_program(rng, length, states, functions=options.functions)
        return None, Mutation(program, analyse(program), "random", 1)

    return draw if settings.mode == "random" else evolve


def tournament(population: Sequence[Individual], size: int, rng: random.Random) -> Individual:
    """The best by worth of `size` individuals drawn with replacement; the first wins a tie."""
    sample = [population[uniform_index(rng, len(population))] for _ in range(size)]
    return max(sample, key=lambda individual: individual.worth)


class Repeats:
    """The repeats of one round side by side, asked and told strictly in turn, so in one order.

    With `migration_interval` they are islands in a ring: some children have a parent in the repeat
    before theirs.
    """

    def __init__(
        self,
        settings: EvolutionSettings,
        seed: int,
        *,
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
        self.limit: float = math.inf  # no child with this number or a higher one is born

    @property
    def finished(self) -> bool:
        """Whether every repeat has ended, or all at the limit, and all that was asked is told."""
        ended = len(self.evolutions) == len(self.numbers) and (
            self.asked >= self.limit or all(e.ended for e in self.evolutions.values())
        )
        return ended and self.told == self.asked

    @property
    def is_cut(self) -> bool:
        """Whether the limit has kept a child from being born; asked when the round is finished."""
        return any(evolution.has_more for evolution in self.evolutions.values())

    def end_of(self, number: int) -> int:
        """The limit that follows from an individual: the first number whose child is never born
        before that individual is told, however late.

        The child of a repeat that is born after it needs the one that is a window earlier, and a
        turn has at most one child of each repeat. Warm starts are told together.
        """
        if number < self._first:
            return self._first
        last_start = self._first + self._starts_each * len(self.numbers) - 1
        return max(number, last_start) + self.settings.window * len(self.numbers)

    @property
    def expected(self) -> int:
        """Individuals at the end of the search; a repeat that ends early makes it fewer."""
        if self.limit < math.inf:
            return max(self.asked + len(self._unborn), min(self._whole, int(self.limit)))
        return self._whole + self._later_rounds * len(self.numbers) * (self.settings.children + 1)

    @property
    def _whole(self) -> int:
        """Individuals at the end of the round, without a limit."""
        each = self.settings.children
        children = len(self.numbers) * each - sum(
            each - evolution.asked for evolution in self.evolutions.values() if evolution.ended
        )
        return self._first + len(self.numbers) * self._starts_each + children

    def take_rescaled(self) -> list[Individual]:
        """See `Evolution.rescaled`; each is given once."""
        taken = []
        for evolution in self.evolutions.values():
            taken += evolution.rescaled
            evolution.rescaled.clear()
        return taken

    def ask(self) -> Child | None:
        """The next child of the repeat whose turn it is, or None while it waits for results."""
        if self._unborn:
            repeat, start = self._unborn.popleft()
            self.asked += 1
            return Child(self.asked - 1, repeat, -1, None, start)
        for _ in self.numbers if self.asked < self.limit else ():
            evolution = self.evolutions.get(self.numbers[self._turn])
            if evolution is None:  # a warm start has no score yet
                return None
            # What the neighbour shows depends on its own turns alone, not on who is faster.
            before = self.evolutions.get(self.numbers[self._turn - 1])
            child = evolution.ask(self.asked, neighbour=before.niches if before else None)
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
            self._start(child.repeat, _individual(self.settings, child, score))

    def restore(
        self,
        told: Mapping[int, Sequence[Remembered]],
        recent: Mapping[int, Sequence[Individual]],
        last: int,
    ) -> None:
        """Continues after children that were told before; see `Evolution.restore`.

        told, recent: by repeat; last: the repeat of the last child that was told.
        """
        self._turn = self.numbers.index(last) + 1
        for turn, (repeat, evolution) in enumerate(self.evolutions.items()):
            evolution.restore(told[repeat], recent[repeat])
            self.told += len(told[repeat])
            if len(told[repeat]) < len(told[last]) - (turn >= self._turn):
                evolution.end()  # at a turn of its own, without a child
        self.asked = self.told
        self._turn %= len(self.numbers)

    def _start(self, repeat: int, start: Individual) -> None:
        starts = self._starts[repeat]
        starts.append(start)
        if len(starts) == self._starts_each:
            self.evolutions[repeat] = Evolution(
                self.settings, self.seed, repeat=repeat, starts=starts
            )
