"""Many trainings of a task side by side, as two XLA programs: fill rows, and train them for a bit.

N rows, each with a training of its own: its own hyperparameters, seed, thresholds and step. A row
whose training has ended computes on and changes nothing, until another takes its place. What one
row computes reaches no other: NaN stays in its row.

What the rows share decides how it runs: all take a step together, and validate together between two
chunks of steps, so a row that reaches a checkpoint within a chunk waits for its end.

Other letters are those of training_loop.py.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from proxy_tasks.device import Start
from proxy_tasks.training_loop import CheckpointState, Hyper, Inputs, Outputs, TrainingLoop

ROWS = "rows"  # name of the axis over trainings, for an optimizer that looks along it
LEAST_CHUNKS, MOST_CHUNKS = 10, 40  # of a training


class Shared(NamedTuple):
    """What all rows have in common; the fields are those of Inputs."""

    validation: jax.Array
    arrays: Any
    checkpoints: np.ndarray
    explosion: np.float32


class Entry(NamedTuple):
    """What new rows are filled with; [N] ones, of which those that are to be filled count."""

    which: np.ndarray  # [N] bool
    hyper: Hyper  # [N, ...]
    thresholds: np.ndarray  # [N, K + 1] float32
    checkpoint_count: np.ndarray  # [N] int32


class Rows(NamedTuple):
    """The trainings under way; every array has a leading axis N."""

    hyper: Hyper
    start: Start
    thresholds: jax.Array
    checkpoint_count: jax.Array
    state: CheckpointState  # `running` is False where a training has ended, or none has begun


@dataclass(frozen=True, eq=False)
class BatchLoop:
    """`loop` for N trainings at once; called within jit.

    chunk: steps between two looks at which rows have ended.
    """

    loop: TrainingLoop
    chunk: int

    def empty(self, shared: Shared, entry: Entry, start: Start) -> Rows:
        """Rows of which none runs, as shapes and types alone."""
        rows: Rows = jax.eval_shape(self._new, shared, entry, start)
        return rows

    def fill(self, shared: Shared, rows: Rows, *, entry: Entry, start: Start) -> Rows:
        """New trainings from one start, in the rows that the entry names."""
        filled: Rows = _where(entry.which, self._new(shared, entry, start), rows)
        return filled

    def _new(self, shared: Shared, entry: Entry, start: Start) -> Rows:
        def one(hyper: Hyper, thresholds: Any, count: Any) -> Rows:
            inputs = Inputs(
                hyper=hyper,
                start=start,
                thresholds=thresholds,
                checkpoint_count=count,
                **shared._asdict(),
            )
            state = self.loop.begin(inputs, self.loop.optimizer(inputs))
            return Rows(hyper, start, thresholds, count, state)

        new: Rows = self._over_rows(one)(entry.hyper, entry.thresholds, entry.checkpoint_count)
        return new

    def advance(self, shared: Shared, rows: Rows) -> tuple[Rows, jax.Array, Outputs]:
        """Trains all rows for a chunk of steps, and validates those that are at a checkpoint.

        Returns:
          the rows; which of them still run, [N]; and how each training went so far.
        """
        is_training = functools.partial(self._is_training, shared)
        _, rows = lax.while_loop(
            lambda carry: (carry[0] < self.chunk) & jnp.any(is_training(carry[1])),
            lambda carry: (carry[0] + 1, self._step(shared, carry[1])),
            (jnp.int32(0), rows),
        )
        due = rows.state.running & ~is_training(rows)
        due &= self._is_at_checkpoint(shared, rows) | rows.state.training.diverged
        state = _where(due, self._validated(shared, rows, due), rows.state)
        training = state.training
        outputs = Outputs(training.step, training.diverged, state.finite, state.fitness)
        return rows._replace(state=state), state.running, outputs

    def _is_at_checkpoint(self, shared: Shared, rows: Rows) -> jax.Array:
        """[N] bool."""
        checkpoints = jnp.asarray(shared.checkpoints)
        return rows.state.training.step >= checkpoints[rows.state.checkpoint]

    def _is_training(self, shared: Shared, rows: Rows) -> jax.Array:
        """[N] bool, whether there is a step to take before the next checkpoint."""
        waits = self._is_at_checkpoint(shared, rows) | rows.state.training.diverged
        return rows.state.running & ~waits

    def _step(self, shared: Shared, rows: Rows) -> Rows:
        """One step of those that train."""

        def one(row: Rows) -> Any:
            inputs = _inputs(shared, row)
            return self.loop.step(inputs, self.loop.optimizer(inputs), row.state.training)

        training = self._over_rows(one)(rows)
        training = _where(self._is_training(shared, rows), training, rows.state.training)
        return rows._replace(state=rows.state._replace(training=training))

    def _validated(self, shared: Shared, rows: Rows, due: jax.Array) -> CheckpointState:
        """The states after a checkpoint; they count for the rows that are `due`, [N]."""
        state, meta = rows.state, len(shared.checkpoints) - 1
        index, diverged = state.checkpoint, state.training.diverged
        batches = jnp.where(index < meta - 1, 1, shared.validation.shape[1])  # [N]
        count = jnp.where(due & ~diverged, batches, 0)
        splits = (index == meta).astype(jnp.int32)

        def add(batch: jax.Array, sums: jax.Array) -> jax.Array:
            more = self._over_rows(
                lambda weights, split: self.loop.losses(
                    shared.arrays, weights, shared.validation[split, batch]
                )
            )(state.training.weights, splits)
            return jnp.where((batch < count)[:, None], sums + more, sums)

        sums = jnp.zeros((len(count), 2), jnp.float32)
        means = lax.fori_loop(0, jnp.max(count), add, sums) / batches[:, None]
        finite = jnp.isfinite(means[:, 0]) & ~diverged
        fitness = jnp.where(diverged, jnp.nan, means[:, 1])
        row = jnp.arange(len(index))
        running = finite & (fitness >= rows.thresholds[row, index])
        return CheckpointState(
            checkpoint=index + 1,
            training=state.training,
            finite=state.finite.at[row, index].set(finite),
            fitness=state.fitness.at[row, index].set(fitness),
            running=running & (index + 1 < rows.checkpoint_count),
        )

    def _over_rows(self, function: Callable[..., Any]) -> Callable[..., Any]:
        over_rows: Callable[..., Any] = jax.vmap(function, axis_name=ROWS)
        return over_rows


def _inputs(shared: Shared, row: Rows) -> Inputs:
    return Inputs(
        hyper=row.hyper,
        start=row.start,
        thresholds=row.thresholds,  # type: ignore[arg-type]  # traced
        checkpoint_count=row.checkpoint_count,  # type: ignore[arg-type]
        **shared._asdict(),
    )


def _where(which: Any, new: Any, old: Any) -> Any:
    """Rows of `new` where `which` [N], else of `old`."""

    def select(a: jax.Array, b: jax.Array) -> jax.Array:
        return jnp.where(jnp.reshape(which, (-1,) + (1,) * (a.ndim - 1)), a, b)

    return jax.tree.map(select, new, old)


def chunk_of(checkpoints: np.ndarray) -> int:
    """Steps of a chunk: of the lengths that make LEAST_CHUNKS to MOST_CHUNKS of a training, the one
    by which rows wait least at their checkpoints; of equal ones the longest.

    checkpoints: rising, [K] int32, of which the last is the end.
    """
    steps = int(checkpoints[-1])
    gaps = np.diff(checkpoints, prepend=0)
    lengths = [-(-steps // chunks) for chunks in range(LEAST_CHUNKS, MOST_CHUNKS + 1)]
    return min(lengths, key=lambda length: int((-(-gaps // length) * length).sum()))
