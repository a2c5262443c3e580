"""A whole comparison: tune, judge on fresh seeds, then what else the config asks for.

Condition by condition, so that a worker compiles each optimizer once. Each phase asks for all its
trainings at once; nothing depends on which worker trains what, nor on when.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from search.comparing.asking import Asking
from search.comparing.conditions import Condition, conditions_of
from search.comparing.entrants import Entrant, entrants_of
from search.comparing.results import (
    ConditionResult,
    HeatMap,
    OptimizerResult,
    RunResult,
    mean,
)
from search.comparing.spaces import between
from search.comparing.trial import Kind, Measured, Trial
from search.config.comparison import ComparisonConfig
from search.evaluation.seeds import COMPARISON, COMPARISON_TUNING, HEAT_MAP

Values = dict[str, float]


@dataclass(frozen=True)
class Study:
    """A comparison that runs."""

    config: ComparisonConfig
    ask: Asking

    def run(self) -> list[ConditionResult]:
        """All conditions. Raises what `Asking` raises."""
        entrants = entrants_of(self.config)
        return [self._condition(one, entrants) for one in conditions_of(self.config)]

    def _condition(self, condition: Condition, entrants: Sequence[Entrant]) -> ConditionResult:
        tuning, runs = self.config.tuning, range(self.config.tuning.runs)
        drawn = [
            [one.space.draws(tuning.draws, f"{self.config.seed} {one.name} {run}") for run in runs]
            for one in entrants
        ]
        chosen, optimizers = self._tuned(condition, entrants, drawn=drawn), []
        finals = self._finals(condition, entrants, chosen=chosen)
        for one, of_runs, trained in zip(entrants, chosen, finals):
            results = [
                RunResult(run.draws, run.values, run.validation, one.space.edges(run.values), ends)
                for run, ends in zip(of_runs, trained)
            ]
            optimizers.append(OptimizerResult(one.name, tuple(results)))
        return ConditionResult(
            label=condition.label,
            series=condition.series,
            batch_size=condition.batch_size,
            optimizers=tuple(optimizers),
            seconds_per_step=self._speed(condition, entrants, chosen=chosen),
            heat_maps=self._heat_maps(condition, entrants, chosen=chosen),
        )

    def _tuned(
        self,
        condition: Condition,
        entrants: Sequence[Entrant],
        *,
        drawn: Sequence[Sequence[Sequence[Values]]],
    ) -> list[list[_Chosen]]:
        """For each optimizer and run the best of its draws."""
        tuning = self.config.tuning
        seeds = [COMPARISON_TUNING.take(tuning.seeds, block=run) for run in range(tuning.runs)]
        first = [
            [
                [self._draw(condition, one, values=values, seed=seeds[run][0]) for values in of_run]
                for run, of_run in enumerate(of_one)
            ]
            for one, of_one in zip(entrants, drawn)
        ]
        self.ask.begin(f"{condition.label}: tuning", _count(first))
        fitness = self._fitness(first)
        best = [[_best(of_run, tuning.keep) for of_run in of_one] for of_one in fitness]
        more = [
            [
                [
                    self._draw(condition, one, values=drawn[i][run][draw], seed=seed)
                    for draw in best[i][run]
                    for seed in seeds[run][1:]
                ]
                for run in range(tuning.runs)
            ]
            for i, one in enumerate(entrants)
        ]
        self.ask.begin(f"{condition.label}: more seeds for the best draws", _count(more))
        again = self._fitness(more)
        result = []
        for i in range(len(entrants)):
            of_one = []
            for run in range(tuning.runs):
                rest, means = iter(again[i][run]), dict[int, float]()
                for draw in best[i][run]:
                    by_seed = [next(rest) for _ in seeds[run][1:]]
                    means[draw] = mean([fitness[i][run][draw], *by_seed])
                winner = max(means, key=lambda draw: means[draw])
                values = drawn[i][run][winner]
                of_one.append(_Chosen(tuple(fitness[i][run]), values, means[winner]))
            result.append(of_one)
        return result

    def _draw(self, condition: Condition, one: Entrant, *, values: Values, seed: int) -> Trial:
        return Trial(one.with_values(values), condition, seed, curve=self.config.curve)

    def _fitness(self, trials: Sequence[Sequence[Sequence[Trial]]]) -> list[list[list[float]]]:
        """The same nesting as the trials."""
        flat = [[trial] for of_one in trials for of_run in of_one for trial in of_run]
        results = iter(self.ask(flat))
        return [
            [[next(results)[0].fitness for _ in of_run] for of_run in of_one] for of_one in trials
        ]

    def _finals(
        self,
        condition: Condition,
        entrants: Sequence[Entrant],
        *,
        chosen: Sequence[Sequence[_Chosen]],
    ) -> list[list[tuple[Measured, ...]]]:
        """For each optimizer and run its trainings on fresh seeds."""
        config = self.config
        trials = [
            Trial(
                one.with_values(tuned.values), condition, seed, Kind.FINAL,
                curve=config.curve, noise=config.noise,
            )
            for one, of_one in zip(entrants, chosen)
            for run, tuned in enumerate(of_one)
            for seed in COMPARISON.take(config.test.seeds, block=run)
        ]  # fmt: skip
        self.ask.begin(f"{condition.label}: final trainings", len(trials))
        results = iter(self.ask([[trial] for trial in trials]))
        return [
            [tuple(next(results)[0] for _ in range(config.test.seeds)) for _ in of_one]
            for of_one in chosen
        ]

    def _speed(
        self,
        condition: Condition,
        entrants: Sequence[Entrant],
        *,
        chosen: Sequence[Sequence[_Chosen]],
    ) -> dict[str, float]:
        """Seconds per step by optimizer, all measured in turn by one worker."""
        if self.config.speed is None:
            return {}
        contenders = [one.with_values(of[0].values) for one, of in zip(entrants, chosen)]
        together = " ".join(contender.identity for contender in contenders)
        seed = COMPARISON_TUNING.take(1)[0]
        group = [
            Trial(
                contender, condition, seed, Kind.SPEED,
                curve=self.config.curve, speed=self.config.speed, together=together,
            )
            for contender in contenders
        ]  # fmt: skip
        self.ask.begin(f"{condition.label}: seconds per step", len(group))
        [results] = self.ask([group])
        return {
            one.name: result.measures["seconds_per_step"]
            for one, result in zip(entrants, results)
            if "seconds_per_step" in result.measures
        }

    def _heat_maps(
        self,
        condition: Condition,
        entrants: Sequence[Entrant],
        *,
        chosen: Sequence[Sequence[_Chosen]],
    ) -> tuple[HeatMap, ...]:
        """For each optimizer that tunes both constants."""
        settings = self.config.heat_map
        if settings is None:
            return ()
        both = [
            (one, of_one[0])
            for one, of_one in zip(entrants, chosen)
            if set(settings.constants) <= set(one.space.ranges)
        ]
        grids, trials = [], []
        seeds = HEAT_MAP.take(settings.seeds)
        for one, tuned in both:
            across, up = (
                [between(name, one.space.ranges[name], i / (points - 1)) for i in range(points)]
                for name, points in zip(settings.constants, settings.points)
            )
            grids.append((across, up))
            for y in up:
                for x in across:
                    free = {name: tuned.values[name] for name in one.space.ranges}
                    values = one.space.completed(free | dict(zip(settings.constants, (x, y))))
                    trials += [
                        self._draw(condition, one, values=values, seed=seed) for seed in seeds
                    ]
        self.ask.begin(f"{condition.label}: heat map", len(trials))
        results = iter(self.ask([[trial] for trial in trials]))
        return tuple(
            HeatMap(
                one.name,
                settings.constants,
                tuple(across),
                tuple(up),
                tuple(
                    tuple(mean([next(results)[0].fitness for _ in seeds]) for _ in across)
                    for _ in up
                ),
            )
            for (one, _), (across, up) in zip(both, grids)
        )


@dataclass(frozen=True)
class _Chosen:
    """What a tuning run has chosen."""

    draws: tuple[float, ...]
    values: Values
    validation: float


def _best(fitness: Sequence[float], count: int) -> list[int]:
    """Indices of the fittest draws; of equal ones the first."""
    return sorted(range(len(fitness)), key=lambda i: -fitness[i])[:count]


def _count(trials: Sequence[Sequence[Sequence[Trial]]]) -> int:
    return sum(len(of_run) for of_one in trials for of_run in of_one)


def most_trainings(config: ComparisonConfig) -> int:
    """Trainings of a whole comparison, at most."""
    tuning = config.tuning
    each = tuning.draws + tuning.keep * (tuning.seeds - 1) + config.test.seeds
    count = each * tuning.runs
    if config.heat_map is not None:
        across, up = config.heat_map.points
        count += across * up * config.heat_map.seeds
    count += config.speed is not None
    return count * len(config.optimizers) * len(conditions_of(config))
