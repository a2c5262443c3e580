"""A training that is looked at: its curve, and what its final weights are worth on every split.

For comparisons of optimizers. The training itself is `Training`'s: the same loop, gradients,
schedule and validation.
"""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from proxy_tasks.device import DeviceData
from proxy_tasks.numerics import fixed_numerics
from proxy_tasks.training import Outcome, Training, TrainingResult
from proxy_tasks.training_loop import Hyper, TrainingLoop

NOISE_STREAM = 2  # of a seed's random numbers, beside those of weights and batches


class Observed(NamedTuple):
    """A training and what was measured at its end; empty where it did not complete."""

    result: TrainingResult
    measures: dict[str, float]


@dataclass(frozen=True)
class Noise:
    """Normal noise on the final weights, see `Observation`."""

    sizes: tuple[float, ...] = ()  # standard deviations
    draws: int = 1  # over which the loss is averaged


class Observation:
    """Looks at the trainings of one task.

    The measures: `train_loss`, `validation_loss`, `test_loss` and the same with `fitness`, over as
    many examples of each split as validation has; what the task reports of the test split, such as
    `test_accuracy`; with noise of a size, `noise_SIZE`: the mean rise of the training loss.

    Args:
      data: of the task. noise: on the final weights.
    """

    def __init__(self, data: DeviceData, noise: Noise = Noise()) -> None:
        self.data, self.noise = data, noise
        task = data.task
        self._train = task.data.batches("train", task.validation_batch)  # [C, V]
        self._compiled: dict[int, Any] = {}  # by id of the training, which is kept
        self._kept: dict[int, Training] = {}
        self._measure: Any = None

    def __call__(self, training: Training, hyper: Hyper, seed: int, *, final: bool) -> Observed:
        """Trains once; final: validated at the checkpoints on the way and on the test split
        (meta-validation), and measured at the end; else at the end only."""
        with fixed_numerics():
            inputs = training.inputs(hyper, seed, (), meta=final)
            first = np.int32(0 if final else len(training.checkpoints) - 1)
            compiled, compile_seconds = self._compile(training, inputs, first)
            begin = time.perf_counter()
            outputs, state = compiled(inputs, first)
            outputs = jax.device_get(outputs)
            run_seconds = time.perf_counter() - begin
            result = training.result(
                outputs, seed, compile_seconds=compile_seconds, run_seconds=run_seconds
            )
            if not final or result.outcome is not Outcome.COMPLETED:
                return Observed(result, {})
            return Observed(result, self._measures(training.loop, state.weights, seed))

    def _compile(self, training: Training, inputs: Any, first: Any) -> tuple[Any, float]:
        key = id(training)
        if key in self._compiled:
            return self._compiled[key], 0.0
        begin = time.perf_counter()
        run = jax.jit(lambda inputs, first: training.loop.run(inputs, first))
        self._compiled[key] = run.lower(inputs, first).compile()
        self._kept[key] = training
        return self._compiled[key], time.perf_counter() - begin

    def forget(self, training: Training) -> None:
        """Frees what was compiled for a training."""
        self._compiled.pop(id(training), None)
        self._kept.pop(id(training), None)

    def _measures(self, loop: TrainingLoop, weights: Any, seed: int) -> dict[str, float]:
        if self._measure is None:
            self._measure = jax.jit(functools.partial(self._measured, loop))
        key = jax.random.fold_in(jax.random.key(seed), NOISE_STREAM)
        split = jnp.concatenate([self._train[None], self.data.validation])
        losses, rises = jax.device_get(
            self._measure(self.data.arrays, weights, splits=split, key=key)
        )
        names = [f"{name}_{what}" for name in ("train", "validation", "test")
                 for what in ("loss", "fitness")]  # fmt: skip
        measures = dict(zip(names, map(float, losses.reshape(-1))))
        task = self.data.task
        if task.reports:
            reports = task.metrics(weights, "meta_validation")
            measures |= {f"test_{name}": reports[name] for name in task.reports}
        measures |= {f"noise_{s:g}": float(r) for s, r in zip(self.noise.sizes, rises)}
        return measures

    def _measured(
        self, loop: TrainingLoop, arrays: Any, weights: Any, *, splits: jax.Array, key: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """Loss and fitness [3, 2] on train, validation and test, and the rise of the training
        loss by size of noise."""

        def mean(weights: Any, batches: jax.Array) -> jax.Array:
            losses: jax.Array = jax.lax.map(lambda b: loop.losses(arrays, weights, b), batches)
            return losses.mean(0)

        plain = jnp.stack([mean(weights, batches) for batches in splits])
        trained, state = self.data.task.split(weights)
        leaves, structure = jax.tree.flatten(trained)

        def rise(size: jax.Array) -> jax.Array:
            def once(key: jax.Array) -> jax.Array:
                keys = jax.random.split(key, len(leaves))
                moved = [w + size * jax.random.normal(k, w.shape) for w, k in zip(leaves, keys)]
                params = jax.tree.unflatten(structure, moved)
                return mean({**params, **state} if state else params, splits[0])[0]

            noisy: jax.Array = jax.lax.map(once, jax.random.split(key, self.noise.draws))
            return noisy.mean() - plain[0, 0]

        sizes = self.noise.sizes
        rises = jnp.stack([rise(jnp.float32(s)) for s in sizes]) if sizes else jnp.zeros(0)
        return plain, rises


@dataclass
class StepTimes:
    """Seconds per step of several optimizers of one task, measured in turn.

    steps: of one measurement. repeats: measurements of each.
    """

    steps: int
    repeats: int
    _begun: list[tuple[Any, Any]] = field(default_factory=list)

    def add(self, training: Training, hyper: Hyper, seed: int) -> None:
        """One more optimizer; it is compiled and run once."""
        with fixed_numerics():
            inputs = training.inputs(hyper, seed, (), meta=False)
            run = jax.jit(lambda inputs: self._steps(training.loop, inputs))
            compiled = run.lower(inputs).compile()
            _wait_for(compiled(inputs))
        self._begun.append((compiled, inputs))

    def _steps(self, loop: TrainingLoop, inputs: Any) -> Any:
        optimizer = loop.optimizer(inputs)
        last = len(inputs.start.batches) - 1
        state = loop.begin(inputs, optimizer).training

        def step(index: jax.Array, state: Any) -> Any:
            at = jnp.minimum(index, last)  # a short training goes on with its last batch
            return loop.step(inputs, optimizer, state._replace(step=at))

        return jax.lax.fori_loop(0, self.steps, step, state).weights

    def measure(self) -> list[float]:
        """[optimizers] median seconds per step."""
        times = np.zeros((self.repeats, len(self._begun)))
        for repeat in range(self.repeats):
            for index, (compiled, inputs) in enumerate(self._begun):
                begin = time.perf_counter()
                _wait_for(compiled(inputs))
                times[repeat, index] = (time.perf_counter() - begin) / self.steps
        return [float(seconds) for seconds in np.median(times, axis=0)]


def _wait_for(arrays: Any) -> None:
    for leaf in jax.tree.leaves(arrays):
        leaf.block_until_ready()


def state_bytes(training: Training, hyper: Hyper) -> int:
    """Bytes of an optimizer's state between two steps, its step counts included."""
    with fixed_numerics():
        weights, _ = training.task.split(jax.eval_shape(training.task.init, jax.random.key(0)))
        inner = training.loop.optimizer_of(hyper)
        state = jax.eval_shape(inner.init, weights)
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state))
