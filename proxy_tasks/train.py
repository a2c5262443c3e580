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

from proxy_tasks.definition import Task
from proxy_tasks.errors import TaskError

Hyper = Any  # a pytree of arrays: what differs between trainings of one compilation
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
    # A loss above this many times the first step's has diverged. Of 800 mutated AdamW on the cheap
    # tasks, 10 would end 15 more that complete, one of which learns, and save no steps on average.
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
class TrainResult:
    """One training, scored."""

    fitness: float  # on the validation split, higher is better; -inf when diverged
    # (steps done, fitness) at the checkpoints reached, on the split's first batch before the end
    curve: tuple[tuple[int, float], ...]
    outcome: Outcome
    steps_run: int
    diverged_at: int | None  # the step whose loss was non-finite or exploded
    seed: int
    compile_seconds: float  # 0 when already compiled
    run_seconds: float
    meta_fitness: float | None = None  # on the meta-validation split, if asked for


class Training:
    """One compiled training of a task.

    `optimizer_of(hyper)` makes the optax optimizer inside the compiled code, so another `hyper` of
    the same structure, shapes and dtypes costs no compilation; neither does another seed, another
    hurdle threshold. A seed gives the same initial weights and the same
    batches to every optimizer, so fitness can be compared in pairs.

    An optimizer's `update` is given as extra arguments, by optax's names: `lr`, the schedule value;
    `value` and `grad`, loss and gradient of the batch; `value_fn` and `obj_fn`, weights -> loss of
    the batch.
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
        meta: bool = False,
    ) -> TrainResult:
        """Train from scratch and score on search validation; `meta`: on meta-validation, too.

        `hurdles` replaces the thresholds of the stop rules; their fractions must be among the stop
        rules' checkpoints. Raises TaskError for a hurdle at another fraction.
        """
        arguments = (
            jax.tree.map(_as_argument, hyper),
            prepared(self.task, seed),
            validation(self.task),
            device_arrays(self.task),
            self._thresholds(self.stop.hurdles if hurdles is None else hurdles),
            np.append(self.checkpoints, self.checkpoints[-1]),
            np.float32(self.stop.explosion),
            np.int32(len(self.checkpoints) + meta),
        )
        compiled, compile_seconds = self._compile(arguments)
        start = time.perf_counter()
        outputs = jax.device_get(compiled(*arguments))
        return self._result(outputs, seed, compile_seconds, time.perf_counter() - start)

    def _compile(self, arguments: Any) -> tuple[Any, float]:
        leaves, structure = jax.tree.flatten(arguments[0])
        key = structure, tuple((leaf.shape, leaf.dtype) for leaf in leaves)
        if key in self._compiled:
            return self._compiled[key], 0.0
        start = time.perf_counter()
        self._compiled[key] = jax.jit(self._run).lower(*arguments).compile()
        self.compilations += 1
        return self._compiled[key], time.perf_counter() - start

    def _thresholds(self, hurdles: Sequence[Hurdle]) -> np.ndarray:
        thresholds = np.full(len(self.checkpoints) + 1, NO_HURDLE, np.float32)
        for hurdle in hurdles:
            step = max(1, round(hurdle.fraction * self.task.steps))
            places = np.flatnonzero(self.checkpoints == step)
            if len(places) == 0:
                known = ", ".join(f"{fraction:g}" for fraction in self.stop.fractions())
                raise TaskError(f"hurdle at {hurdle.fraction:g}: checkpoints are at {known}")
            thresholds[places[0]] = hurdle.fitness
        return thresholds

    def _run(self, hyper, start, held, arrays, thresholds, checkpoints, explosion, places):
        """The whole training as one XLA program: train to a checkpoint, validate, and so on.

        There are K checkpoints, the last at the end, and another one after it, reached when
        `places` is K + 1, that validates on meta-validation: so validation is compiled once. Those
        before the end see the first batch of the split only: hurdles are checked often, and on a
        cheap task a whole split costs as much as 10 to 20 steps. held: [2, C, V] indices.
        Returns (steps run, whether the training loss was bad, [K + 1] whether the validation loss
        was finite, [K + 1] fitness).
        """
        task = self.task
        optimizer = optax.with_extra_args_support(self.optimizer_of(hyper))
        params, order = start
        gradient = jax.value_and_grad(task.loss)

        def step_once(carry):
            step, params, state, limit, _ = carry
            batch = task.data.take(arrays, order[step])
            loss, grads = gradient(params, batch)

            # optax's line searches refuse to be given what their value_fn does not take, too.
            def loss_at(params, lr=None, obj_fn=None):
                return task.loss(params, batch)

            extra = {"value": loss, "grad": grads, "value_fn": loss_at, "obj_fn": loss_at}
            lr = task.schedule(step)
            updates, state = optimizer.update(grads, state, params, lr=lr, **extra)
            # The small number keeps an infinite explosion infinite when the first loss is 0.
            limit = jnp.where(step == 0, explosion * (jnp.abs(loss) + 1e-30), limit)
            bad = jnp.logical_not((loss <= limit) & jnp.isfinite(loss))
            return step + 1, optax.apply_updates(params, updates), state, limit, bad

        def validate(params, indices, chunks):
            def one(chunk, sums):
                batch = task.data.take(arrays, indices[chunk])
                return sums + jnp.stack([task.loss(params, batch), task.fitness(params, batch)])

            loss, fitness = jax.lax.fori_loop(0, chunks, one, jnp.zeros(2)) / chunks
            return jnp.isfinite(loss), fitness

        def to_checkpoint(carry):
            place, inner, finite, curve, _ = carry
            inner = jax.lax.while_loop(
                lambda c: (c[0] < checkpoints[place]) & ~c[4], step_once, inner
            )
            # A training that has diverged is not worth a validation, dear when batches are small.
            is_finite, fitness = jax.lax.cond(
                inner[4],
                lambda *_: (jnp.bool_(False), jnp.float32(jnp.nan)),
                validate,
                *(inner[1], held[jnp.int32(place == last)], jnp.where(place < last - 1, 1, whole)),
            )
            going = is_finite & (fitness >= thresholds[place])
            finite, curve = finite.at[place].set(is_finite), curve.at[place].set(fitness)
            return place + 1, inner, finite, curve, going

        last, whole = len(self.checkpoints), held.shape[1]
        inner = (jnp.int32(0), params, optimizer.init(params), jnp.float32(0), jnp.bool_(False))
        begin = (
            jnp.int32(0), inner, jnp.zeros(last + 1, bool), jnp.zeros(last + 1), jnp.bool_(True),
        )  # fmt: skip
        end = jax.lax.while_loop(lambda c: (c[0] < places) & c[4], to_checkpoint, begin)
        (_, (steps_run, _, _, _, bad), finite, curve, _) = end
        return steps_run, bad, finite, curve

    def _result(self, outputs, seed, compile_seconds, run_seconds) -> TrainResult:
        steps_run, bad = int(outputs[0]), bool(outputs[1])
        fine = outputs[2] & np.isfinite(outputs[3])
        fitness = [float(value) for value in outputs[3]]
        reached = [
            (int(step), fitness[place])
            for place, step in enumerate(self.checkpoints)
            if fine[place]
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
            compile_seconds=compile_seconds,
            run_seconds=run_seconds,
            meta_fitness=fitness[-1] if fine[-1] and not diverged else None,
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


def validation(task: Task) -> jax.Array:
    """Indices to validate on, [2, C, V]: search and meta-validation, C equal batches of each.

    Up to C - 1 examples at the end are left out, so that every batch is full.
    """
    kept = _kept(task)
    if ("validation",) not in kept:
        splits = task.data.search_validation, task.data.meta_validation
        size = min(map(len, splits))
        chunks = -(-size // task.validation_batch)
        shape = chunks, size // chunks
        held = [split[: shape[0] * shape[1]].reshape(shape) for split in splits]
        kept["validation",] = jnp.asarray(np.stack(held), jnp.int32)
    return kept["validation",]
