"""Train a task with an optimizer and score it: one compilation, then any number of trainings."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import jax
import numpy as np
import optax

from proxy_tasks.device import DeviceData, in_32_bits
from proxy_tasks.errors import TaskError
from proxy_tasks.numerics import fixed_numerics
from proxy_tasks.task import Params, Task
from proxy_tasks.training_loop import Hyper, Inputs, Outputs, TrainingLoop

NO_HURDLE = -math.inf


class Outcome(Enum):
    """How a training ended."""

    COMPLETED = "trained for all its steps"
    DIVERGED = "the loss became non-finite or exploded"
    HURDLE = "clearly behind at a checkpoint, so ended early"


@dataclass(frozen=True)
class Hurdle:
    """Below `fitness` on the first validation batch after this fraction of the steps: ended."""

    fraction: float  # 0 < fraction < 1
    fitness: float


@dataclass(frozen=True)
class StopRules:
    """When a training ends before its last step."""

    hurdles: tuple[Hurdle, ...] = ()
    # A loss above this many times the first step's has diverged. A limit of 10 would save no steps
    # on average: of 800 mutants of AdamW on the cheap tasks it would end 15 more that complete, one
    # of which learns.
    explosion: float = 100.0
    curve: tuple[float, ...] = (0.1, 0.3, 0.6)  # fractions of the steps at which to validate, too

    def __post_init__(self) -> None:
        for fraction in self.fractions():
            if not 0 < fraction < 1:
                raise TaskError(f"stop rules: a fraction of the steps is {fraction}, not in (0, 1)")
        if not self.explosion > 1:
            raise TaskError(f"stop rules: explosion must be above 1, got {self.explosion}")

    def fractions(self) -> list[float]:
        """All fractions of the steps at which the task is validated, but for the end."""
        return sorted({*self.curve, *(hurdle.fraction for hurdle in self.hurdles)})


@dataclass(frozen=True)
class TrainingResult:
    """One training, scored."""

    fitness: float  # on the validation split, higher is better; -inf when diverged
    # (steps done, fitness) at the checkpoints reached, on the split's first batch before the end
    curve: tuple[tuple[int, float], ...]
    outcome: Outcome
    steps_run: int
    seed: int
    compile_seconds: float  # 0 when already compiled
    run_seconds: float
    meta_fitness: float | None = None  # on the meta-validation split, if asked for


class Training:
    """The compiled training of a task.

    `optimizer_of(hyper)` makes the optax optimizer inside the compiled code, so another `hyper` of
    the same structure, shapes and dtypes costs no compilation; neither does another seed or another
    hurdle threshold. A seed gives the same initial weights and the same batches to every optimizer,
    so fitness can be compared in pairs.

    An optimizer's `update` is given as extra arguments, by optax's names: `lr`, the schedule value;
    `value` and `grad`, loss and gradient of the batch; `value_fn` and `obj_fn`, weights -> loss of
    the batch. The gradient is that of the loss times the task's gradient scale, if it has one;
    the loss is not scaled.

    data: the task's data on the device, for trainings of one task to share; None: its own.
    """

    def __init__(
        self,
        task: Task,
        optimizer_of: Callable[[Hyper], optax.GradientTransformation],
        stop: StopRules = StopRules(),
        *,
        data: DeviceData | None = None,
    ) -> None:
        self.task, self.stop = task, stop
        self.compilations = 0
        self.data = DeviceData(task) if data is None else data
        self.loop = TrainingLoop(task, optimizer_of)
        self._compiled: dict[Any, jax.stages.Compiled] = {}  # by structure and types of `hyper`
        ends = [min(max(1, round(f * task.steps)), task.steps) for f in stop.fractions()]
        self.checkpoints = np.array([*sorted({*ends} - {task.steps}), task.steps], np.int32)

    def __call__(
        self,
        hyper: Hyper = (),
        seed: int = 0,
        hurdles: Sequence[Hurdle] | None = None,
        *,
        meta: bool = False,
    ) -> TrainingResult:
        """Train from scratch and score on search validation; `meta`: on meta-validation, too.

        `hurdles` replaces the thresholds of the stop rules; their fractions must be among the stop
        rules' checkpoints. Raises TaskError for a hurdle at another fraction.
        """
        with fixed_numerics():
            inputs = self.inputs(hyper, seed, hurdles, meta=meta)
            compiled, compile_seconds = self._compile(inputs)
            start = time.perf_counter()
            outputs: Outputs = jax.device_get(compiled(inputs))
        return self.result(
            outputs, seed, compile_seconds=compile_seconds, run_seconds=time.perf_counter() - start
        )

    def inputs(
        self, hyper: Hyper, seed: int, hurdles: Sequence[Hurdle] | None = None, *, meta: bool
    ) -> Inputs:
        """What the training loop is called with; call it within `fixed_numerics`."""
        return Inputs(
            hyper=jax.tree.map(in_32_bits, hyper),
            start=self.data.start(seed),
            validation=self.data.validation,
            arrays=self.data.arrays,
            thresholds=self.thresholds(self.stop.hurdles if hurdles is None else hurdles),
            checkpoints=np.append(self.checkpoints, self.checkpoints[-1]),
            explosion=np.float32(self.stop.explosion),
            checkpoint_count=np.int32(len(self.checkpoints) + meta),
        )

    def _compile(self, inputs: Inputs) -> tuple[jax.stages.Compiled, float]:
        """The executable for inputs like these, and the seconds that compiling it took."""
        leaves, structure = jax.tree.flatten(inputs.hyper)
        key = structure, tuple((leaf.shape, leaf.dtype) for leaf in leaves)
        if key in self._compiled:
            return self._compiled[key], 0.0
        start = time.perf_counter()
        self._compiled[key] = jax.jit(self.loop.__call__).lower(inputs).compile()
        self.compilations += 1
        return self._compiled[key], time.perf_counter() - start

    def thresholds(self, hurdles: Sequence[Hurdle]) -> np.ndarray:
        """The least fitness to go on at each checkpoint, [K + 1] float32."""
        thresholds = np.full(len(self.checkpoints) + 1, NO_HURDLE, np.float32)
        for hurdle in hurdles:
            step = max(1, round(hurdle.fraction * self.task.steps))
            indices = np.flatnonzero(self.checkpoints == step)
            if len(indices) == 0:
                valid = ", ".join(f"{fraction:g}" for fraction in self.stop.fractions())
                raise TaskError(f"hurdle at {hurdle.fraction:g}: checkpoints are at {valid}")
            thresholds[indices[0]] = hurdle.fitness
        return thresholds

    def result(
        self, outputs: Outputs, seed: int, *, compile_seconds: float, run_seconds: float
    ) -> TrainingResult:
        steps = int(outputs.steps)
        valid = outputs.finite & np.isfinite(outputs.fitness)
        fitness = [float(value) for value in outputs.fitness]
        curve = [
            (int(step), fitness[index])
            for index, step in enumerate(self.checkpoints)
            if valid[index]
        ]
        diverged = bool(outputs.diverged) or not curve or curve[-1][0] != steps
        if diverged:
            outcome = Outcome.DIVERGED
        else:
            outcome = Outcome.COMPLETED if steps == self.task.steps else Outcome.HURDLE
        return TrainingResult(
            fitness=-math.inf if diverged else curve[-1][1],
            curve=tuple(curve),
            outcome=outcome,
            steps_run=steps,
            seed=seed,
            compile_seconds=compile_seconds,
            run_seconds=run_seconds,
            meta_fitness=fitness[-1] if valid[-1] and not diverged else None,
        )


def train(
    task: Task,
    optimizer: optax.GradientTransformation,
    *,
    seeds: Sequence[int] = (0,),
    stop: StopRules = StopRules(),
) -> list[TrainingResult]:
    """Train a task once per seed with one optimizer, compiled once."""
    training = Training(task, lambda _: optimizer, stop)
    return [training((), seed) for seed in seeds]


def final_params(task: Task, optimizer: optax.GradientTransformation, seed: int = 0) -> Params:
    """The weights, and the model's state, that a training ends with; for `Task.metrics`.

    All steps are trained, whatever the loss.
    """
    loop, data = TrainingLoop(task, lambda _: optimizer), DeviceData(task)

    def steps(inputs: Inputs) -> Params:
        made = loop.optimizer(inputs)
        end = jax.lax.fori_loop(
            0, task.steps, lambda _, state: loop.step(inputs, made, state),
            loop.begin(inputs, made).training,
        )  # fmt: skip
        return end.weights

    with fixed_numerics():
        inputs = Inputs(
            hyper=(),
            start=data.start(seed),
            validation=data.validation,
            arrays=data.arrays,
            thresholds=np.array([NO_HURDLE], np.float32),
            checkpoints=np.array([task.steps], np.int32),
            explosion=np.float32(np.inf),
            checkpoint_count=np.int32(1),
        )
        return jax.jit(steps)(inputs)
