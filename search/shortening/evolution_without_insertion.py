"""The paper's way to a short program: evolution without insertion, at a small price per statement.

Regularized evolution as in the search, from the program to be shortened, but nothing is inserted,
and fitness is the mean over tasks and seeds minus a price for each statement that is left (Chen et
al. 2023, section 2.3: "removing statements with minimal effect"). The noise of one seed may pay
for a statement, so what comes out is a proposal; the ablation says whether it holds.
"""

from __future__ import annotations

import math

from programs import Program, analyse, live_across_steps
from search.config.selection import ShrinkSettings
from search.config.settings import EvolutionSettings, MutationSettings
from search.evaluation.fitness import Outcome, Score
from search.evaluation.seeds import SHRINKING
from search.evolution.evolution import Evolution
from search.evolution.niches import Individual
from search.selection.objective import Objective


def shrink(
    program: Program,
    objective: Objective,
    *,
    settings: ShrinkSettings,
    seed: int = 0,
) -> Program:
    """The best program by fitness minus price; it has no more statements than the one given."""
    program = live_across_steps(program)
    seeds = SHRINKING.take(settings.seeds)
    known: dict[bytes, Score] = {}

    def scored(child: Program) -> Score:
        key = analyse(child).functional_hash
        if key not in known:
            live = live_across_steps(child)
            mean = objective.means([live], seeds)[0] - settings.price * len(live)
            outcome = Outcome.COMPLETED if math.isfinite(mean) else Outcome.DIVERGED
            known[key] = Score(mean, outcome)
        return known[key]

    evolution = Evolution(
        EvolutionSettings(
            children=settings.children,
            population=settings.population,
            window=1,
            mutations=MutationSettings(insert=0.0),
        ),
        seed,
        repeat=0,
        starts=[Individual(0, program, scored(program))],
    )
    best = Individual(0, program, scored(program))
    while (child := evolution.ask(evolution.asked + 1)) is not None:
        individual = Individual(
            child.number, child.mutation.program, scored(child.mutation.program)
        )
        evolution.tell(child, individual.score)
        if individual.fitness > best.fitness:
            best = individual
    return live_across_steps(best.program)
