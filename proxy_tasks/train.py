"""Train a task with an optimizer and score it: one compilation, then any number of trainings."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from proxy_tasks.data import SPLITS
from proxy_tasks.definition import Task
from proxy_tasks.errors import TaskError, did_you_mean, shown

Hyper = Any  # a pytree of arrays: what differs between trainings of one compilation
NO_HURDLE = -math.inf


class Outcome(Enum):
    """How a training ended."""

    COMPLETED = "trained for all its steps"
    DIVERGED = "the loss became non-finite or exploded"
    HURDLE = "clearly behind at a checkpoint, so ended early"


@dataclass(frozen=True)
class Hurdle:
    """Below `fitness` on the validation split after this fraction of the steps: ended."""

    fraction: float  # 0 < fraction < 1
    fitness: float


@dataclass(frozen=True)
class StopRules:
    """When a training ends before its last step."""

    hurdles: tuple[Hurdle, ...] = ()
    explosion: float = 100.0  # a loss above this many times the first step's has diverged
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
class TrainResult:
    """One training, scored."""

    fitness: float  # on the validation split, higher is better; -inf when diverged
    curve: tuple[tuple[int, float], ...]  # (steps done, fitness) at the checkpoints reached
    outcome: Outcome
    steps_run: int
    diverged_at: int | None  # the step whose loss was non-finite or exploded
    seed: int
    compile_seconds: float  # 0 when already compiled
    run_seconds: float


class Training:
    """One compiled training of a task.

    `optimizer_of(hyper)` makes the optax optimizer inside the compiled code, so another `hyper` of
    the same structure, shapes and dtypes costs no compilation; neither does another seed, another
    hurdle threshold or another validation split. A seed gives the same initial weights and the same
    batches to every optimizer, so fitness can be compared in pairs.
    """

    def __init__(
        self,
        task: Task,
        optimizer_of: Callable[[Any], optax.GradientTransformation],
        stop: StopRules = StopRules(),
    ) -> None:
        self.task, self.optimizer_of, self.stop = task, optimizer_of, stop
        self.compilations = 0
        self._compiled: dict[Any, Any] = {}
        ends = [min(max(1, round(f * task.steps)), task.steps) for f in stop.fractions()]
        self.checkpoints = np.array([*sorted({*ends} - {task.steps}), task.steps], np.int32)

    def __call__(
        self,
        hyper: Hyper = (),
        seed: int = 0,
        hurdles: Sequence[Hurdle] | None = None,
        split: str = "search_validation",
    ) -> TrainResult:
        """Train from scratch and score on `split`.

        `hurdles` replaces the thresholds of the stop rules; their fractions must be among the stop
        rules' checkpoints. Raises TaskError for a hurdle or split that does not exist.
        """
        if split not in SPLITS:
            raise TaskError(f"no split {shown(split)}{did_you_mean(split, SPLITS)}")
        arguments = (
            jax.tree.map(_as_argument, hyper),
            prepared(self.task, seed),
            validation(self.task)[split],
            device_arrays(self.task),
            self._thresholds(self.stop.hurdles if hurdles is None else hurdles),
            self.checkpoints,
            np.float32(self.stop.explosion),
        )
        compiled, compile_seconds = self._compile(arguments)
        start = time.perf_counter()
        steps_run, bad, finite, curve = (np.asarray(output) for output in compiled(*arguments))
        seconds = compile_seconds, time.perf_counter() - start
        return self._result(int(steps_run), bool(bad), finite, curve, seed, seconds)

    def _compile(self, arguments: Any) -> tuple[Any, float]:
        leaves, structure = jax.tree.flatten(arguments[0])
        key = structure, tuple((leaf.shape, leaf.dtype) for leaf in leaves), arguments[2].shape
        if key in self._compiled:
            return self._compiled[key], 0.0
        start = time.perf_counter()
        self._compiled[key] = jax.jit(self._run).lower(*arguments).compile()
        self.compilations += 1
        return self._compiled[key], time.perf_counter() - start

    def _thresholds(self, hurdles: Sequence[Hurdle]) -> np.ndarray:
        thresholds = np.full(len(self.checkpoints), NO_HURDLE, np.float32)
        for hurdle in hurdles:
            step = max(1, round(hurdle.fraction * self.task.steps))
            places = np.flatnonzero(self.checkpoints == step)
            if len(places) == 0:
                known = ", ".join(f"{fraction:g}" for fraction in self.stop.fractions())
                raise TaskError(f"hurdle at {hurdle.fraction:g}: checkpoints are at {known}")
            thresholds[places[0]] = hurdle.fitness
        return thresholds

    def _run(self, hyper, start, validation_indices, arrays, thresholds, checkpoints, explosion):
        """The whole training as one XLA program; S steps, K checkpoints.

        Returns (steps run, whether it diverged, [K] whether the validation loss was finite,
        [K] fitness, NaN where not reached).
        """
        task = self.task
        optimizer = optax.with_extra_args_support(self.optimizer_of(hyper))
        params, order = start
        gradient = jax.value_and_grad(task.loss)

        def step_once(carry):
            step, params, state, limit, _ = carry
            loss, grads = gradient(params, task.data.take(arrays, order[step]))
            updates, state = optimizer.update(grads, state, params, lr=task.schedule(step))
            limit = jnp.where(step == 0, explosion * jnp.abs(loss), limit)
            # Written so that NaN is bad; the first loss itself must only be finite.
            bad = jnp.logical_not((loss <= limit) & jnp.isfinite(loss))
            return step + 1, optax.apply_updates(params, updates), state, limit, bad

        def validate(params):
            def one(indices):
                batch = task.data.take(arrays, indices)
                return task.loss(params, batch), task.fitness(params, batch)

            losses, fitness = jax.lax.map(one, validation_indices)
            return jnp.isfinite(jnp.mean(losses)), jnp.mean(fitness)

        def to_checkpoint(carry):
            place, inner, finite, curve, _ = carry
            inner = jax.lax.while_loop(
                lambda c: (c[0] < checkpoints[place]) & ~c[4], step_once, inner
            )
            is_finite, fitness = validate(inner[1])
            is_finite &= ~inner[4]
            going = is_finite & (fitness >= thresholds[place])
            finite, curve = finite.at[place].set(is_finite), curve.at[place].set(fitness)
            return place + 1, inner, finite, curve, going

        count = len(self.checkpoints)
        inner = (jnp.int32(0), params, optimizer.init(params), jnp.float32(0), jnp.bool_(False))
        begin = (
            jnp.int32(0), inner, jnp.zeros(count, bool), jnp.full(count, jnp.nan), jnp.bool_(True),
        )  # fmt: skip
        end = jax.lax.while_loop(lambda c: (c[0] < count) & c[4], to_checkpoint, begin)
        (_, (steps_run, _, _, _, bad), finite, curve, _) = end
        return steps_run, bad, finite, curve

    def _result(self, steps_run, bad, finite, curve, seed, seconds) -> TrainResult:
        reached = [
            (int(step), float(value))
            for step, value, fine in zip(self.checkpoints, curve, finite, strict=True)
            if fine and math.isfinite(value)
        ]
        diverged = bad or not reached or reached[-1][0] != steps_run
        if diverged:
            outcome = Outcome.DIVERGED
        else:
            outcome = Outcome.COMPLETED if steps_run == self.task.steps else Outcome.HURDLE
        return TrainResult(
            fitness=-math.inf if diverged else reached[-1][1],
            curve=tuple(reached),
            outcome=outcome,
            steps_run=steps_run,
            diverged_at=steps_run - bad if diverged else None,
            seed=seed,
            compile_seconds=seconds[0],
            run_seconds=seconds[1],
        )


def train(
    task: Task,
    optimizer: optax.GradientTransformation,
    seeds: Sequence[int] = (0,),
    stop: StopRules = StopRules(),
) -> list[TrainResult]:
    """Train a task once per seed with one optimizer, compiled once."""
    training = Training(task, lambda _: optimizer, stop)
    return [training((), seed) for seed in seeds]


def _as_argument(leaf: Any) -> Any:
    """Arrays as they are; Python and 64-bit numbers as JAX would store them."""
    if isinstance(leaf, jax.Array):
        return leaf
    array = np.asarray(leaf)
    return array.astype(jax.dtypes.canonicalize_dtype(array.dtype))


def batches(task: Task, seed: int) -> np.ndarray:
    """The order of the examples, [S, B] int32: shuffled epochs of the training split."""
    draws, count = task.steps * task.batch_size, len(task.data.train)
    rng = np.random.default_rng(seed)
    if draws <= count:
        order = rng.choice(count, draws, replace=False)
    else:
        order = np.concatenate([rng.permutation(count) for _ in range(-(-draws // count))])[:draws]
    return task.data.train[order].reshape(task.steps, task.batch_size).astype(np.int32)


# Kept on the task itself: they die with it, and all trainings of a task share them.
def _kept(task: Task) -> dict[Any, Any]:
    return task.__dict__.setdefault("_kept", {})


def prepared(task: Task, seed: int) -> tuple[Any, jax.Array]:
    """Initial weights and batch order of a seed, on the device; the last few seeds are kept."""
    kept = _kept(task)
    if ("start", seed) not in kept:
        old = [key for key in kept if key[0] == "start"]
        if len(old) >= 8:
            del kept[old[0]]
        init = kept.setdefault(("init",), jax.jit(task.init))
        kept["start", seed] = init(jax.random.key(seed)), jnp.asarray(batches(task, seed))
    return kept["start", seed]


def device_arrays(task: Task) -> Any:
    """The task's data on the device."""
    kept = _kept(task)
    if ("arrays",) not in kept:
        kept["arrays",] = jax.tree.map(jnp.asarray, task.data.arrays)
    return kept["arrays",]


def validation(task: Task) -> dict[str, jax.Array]:
    """For each split, the indices to validate on, [C, V]: C equal batches, the same for all splits.

    Up to C - 1 examples at the end are left out, so that every batch is full.
    """
    kept = _kept(task)
    if ("validation",) not in kept:
        size = min(len(getattr(task.data, name)) for name in SPLITS)
        chunks = -(-size // task.validation_batch)
        shape = chunks, size // chunks
        kept["validation",] = {
            name: jnp.asarray(getattr(task.data, name)[: shape[0] * shape[1]].reshape(shape))
            for name in SPLITS
        }
    return kept["validation",]
