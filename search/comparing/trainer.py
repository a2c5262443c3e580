"""Trains what a comparison asks for, in a worker: both kinds of optimizers by the same `Training`.

Each optimizer is compiled once for all values of its constants, programs by the compiled engine.
For a handful of optimizers that takes less time than compiling the interpreter of a search, which
gives the same fitness but for the last bits.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np

from proxy_tasks import DeviceData, StopRules, Task, Training
from proxy_tasks.observation import Noise, Observation, StepTimes, state_bytes
from search.comparing.conditions import Condition
from search.comparing.contender import Contender
from search.comparing.trial import Kind, Measured, Trial
from search.evaluation.fitness import Outcome

TRAININGS_KEPT = 24  # compiled ones of a condition
CONDITIONS_KEPT = 2  # with their data


class Trainer:
    """Trains in this process and keeps what it has compiled for the conditions used last."""

    def __init__(self) -> None:
        self._conditions: OrderedDict[Condition, _Bench] = OrderedDict()

    def __call__(self, trials: Sequence[Trial]) -> list[Measured]:
        """Their results, in order; those of speed are measured in turn."""
        if trials[0].kind is Kind.SPEED:
            return self._bench(trials[0].condition).speed(trials)
        return [self._bench(trial.condition).train(trial) for trial in trials]

    def _bench(self, condition: Condition) -> _Bench:
        if condition not in self._conditions:
            self._conditions[condition] = _Bench(condition.make())
            if len(self._conditions) > CONDITIONS_KEPT:
                self._conditions.popitem(last=False)
        self._conditions.move_to_end(condition)
        return self._conditions[condition]


class _Bench:
    """All trainings of one condition."""

    def __init__(self, task: Task) -> None:
        self.task, self._data = task, DeviceData(task)
        self._trainings: OrderedDict[Any, Training] = OrderedDict()
        self._observations: dict[Noise, Observation] = {}
        self._bytes: dict[Contender, int] = {}  # of state, by shape

    def train(self, trial: Trial) -> Measured:
        noise = Noise(trial.noise.sizes, trial.noise.draws) if trial.noise else Noise()
        if noise not in self._observations:
            self._observations[noise] = Observation(self._data, noise)
        observe = self._observations[noise]
        is_final = trial.kind is Kind.FINAL
        training, hyper = self._training(trial.contender, self._curve(trial.curve))
        result, measures = observe(training, hyper, trial.seed, final=is_final)
        outcome = Outcome[result.outcome.name]
        fitness = result.meta_fitness if is_final else result.fitness
        if fitness is None or outcome is not Outcome.COMPLETED:
            fitness = float("-inf")
        if is_final:
            measures = {**measures, **self._facts(trial.contender, training, hyper)}
        return Measured(
            task=trial.condition.label,
            seed=trial.seed,
            fitness=fitness,
            outcome=outcome,
            steps=result.steps_run,
            compile_seconds=result.compile_seconds,
            run_seconds=result.run_seconds,
            curve=result.curve[:-1] if is_final else (),
            measures=measures,
        )

    def _curve(self, shares: tuple[float, ...]) -> tuple[float, ...]:
        """Also the step before the last one, validated on the same examples as those before."""
        last = (self.task.steps - 1) / self.task.steps
        return (*shares, last) if last else shares

    def _facts(self, contender: Contender, training: Training, hyper: Any) -> dict[str, float]:
        """The same for all values and seeds."""
        if contender.shape not in self._bytes:
            self._bytes[contender.shape] = state_bytes(training, hyper)
        return {
            "state_bytes": self._bytes[contender.shape],
            "parameters": self.task.parameters,
            "steps": self.task.steps,
        }

    def speed(self, trials: Sequence[Trial]) -> list[Measured]:
        """Seconds per step of the compiled optimizers."""
        settings = trials[0].speed
        assert settings is not None
        times = StepTimes(settings.steps, settings.repeats)
        for trial in trials:
            times.add(*self._training(trial.contender, self._curve(trial.curve)), trial.seed)
        return [
            Measured(
                task=trial.condition.label,
                seed=trial.seed,
                fitness=0.0,
                outcome=Outcome.COMPLETED,
                steps=settings.steps,
                measures={"seconds_per_step": seconds},
            )
            for trial, seconds in zip(trials, times.measure())
        ]

    def _training(self, contender: Contender, curve: tuple[float, ...]) -> tuple[Training, Any]:
        key = contender.shape, curve
        if key not in self._trainings:
            schedule = self.task.schedule
            self._trainings[key] = Training(
                self.task,
                lambda hyper: contender.optimizer(hyper, schedule),
                StopRules(curve=curve),
                data=self._data,
            )
            self._forget_oldest()
        self._trainings.move_to_end(key)
        return self._trainings[key], {n: np.float32(value) for n, value in contender.values}

    def _forget_oldest(self) -> None:
        if len(self._trainings) > TRAININGS_KEPT:
            _, old = self._trainings.popitem(last=False)
            for observation in self._observations.values():
                observation.forget(old)
