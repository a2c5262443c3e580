"""The populations of a repeat: one, or one for each number of states that its members need.

A program's states are its optimizer's memory, and one with less memory rarely wins against one
with more at first. So the programs of each size compete among themselves: a child joins the niche
that it belongs to, whichever its parent's is, and the oldest of that niche dies.
"""

from __future__ import annotations

import itertools
import math
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from programs import Program, memory
from programs.abstract import Analysis
from search.config.settings import EvolutionSettings
from search.evaluation.fitness import Outcome, Score


@dataclass(frozen=True, slots=True)
class Individual:
    """A program of a population with its score. `number` counts over all repeats."""

    number: int
    program: Program
    score: Score
    niche: int = 0
    price: float = 0.0  # of its states and statements
    drawn: bytes | None = None  # hash of the program as it was drawn, if it is at another rate now
    analysis: Analysis | None = None  # spares `mutate` the parent's analysis

    @property
    def fitness(self) -> float:
        return self.score.fitness

    @property
    def worth(self) -> float:
        """What tournaments compare."""
        return self.score.fitness - self.price


def needed_states(analysis: Analysis) -> int:
    """How many of its states any later update depends on; a sign needs no positive divisor."""
    return len(memory.needed_states(analysis))


def individual_of(
    settings: EvolutionSettings,
    number: int,
    *,
    program: Program,
    score: Score,
    states: int,
    live: int,
    drawn: bytes | None = None,
    analysis: Analysis | None = None,
) -> Individual:
    """An individual with its niche and price.

    states: how many it needs; live: how many of its statements are not redundant; drawn: see
      Individual.
    """
    niche, price = niche_of(settings, states), price_of(settings, states, live)
    return Individual(number, program, score, niche, price, drawn, analysis)


def price_of(settings: EvolutionSettings, states: int, live: int) -> float:
    """What tournaments subtract from the fitness of a program of this size."""
    return settings.price.state * states + settings.price.statement * live


def niche_of(settings: EvolutionSettings, states: int) -> int:
    """The niche of programs that need so many states."""
    return min(states, len(settings.niches.shares) - 1) if settings.niches else 0


class Population:
    """The individuals of a niche, the oldest first."""

    def __init__(self, size: int, starts: Sequence[Individual] = ()):
        """size: the most that live; starts: copies of them, in turn, fill it."""
        self.size = size
        self.individuals: deque[Individual] = deque()
        self.taken_in = 0  # individuals so far
        self.completed = 0  # individuals with a fitness
        self.best = max((start.worth for start in starts), default=-math.inf)  # worth so far
        for start in itertools.islice(itertools.cycle(starts), size if starts else 0):
            self.add(start)

    def add(self, individual: Individual) -> None:
        """Takes an individual in, and the oldest dies if there are too many."""
        self.individuals.append(individual)
        self.completed += individual.score.outcome is Outcome.COMPLETED
        if len(self.individuals) > self.size:
            oldest = self.individuals.popleft()
            self.completed -= oldest.score.outcome is Outcome.COMPLETED
        self.taken_in += 1

    def notice(self, worth: float) -> bool:
        """Whether this is better than any before."""
        is_better = worth > self.best
        if is_better:
            self.best = worth
        return is_better


class Niches:
    """The populations of one repeat by niche; without niches there is one, number 0."""

    def __init__(self, settings: EvolutionSettings, starts: Sequence[Individual]):
        """starts: copies of them fill the populations that they belong to."""
        self._settings = settings
        self._shares = settings.niches.shares if settings.niches else (1.0,)
        self.populations = [
            Population(settings.population, [s for s in starts if s.niche == niche])
            for niche in range(len(self._shares))
        ]

    def draw(self, rng: random.Random) -> Population:
        """The population that the next parent comes from, by the niches' shares: one in which
        something has a fitness, if there is any."""
        if len(self.populations) == 1:
            return self.populations[0]
        occupied = [bool(p.completed) for p in self.populations]
        if not any(occupied):
            occupied = [bool(p.individuals) for p in self.populations]
        shares = [share if yes else 0.0 for share, yes in zip(self._shares, occupied)]
        if not any(shares):  # the starts are where no parent is wanted: children leave from there
            shares = [float(yes) for yes in occupied]
        drawn = rng.random() * sum(shares)
        for population, limit in zip(self.populations, itertools.accumulate(shares)):
            if drawn < limit:
                return population
        raise AssertionError("a draw lies below the sum of the shares")
