"""Trainings of one task side by side: what ends leaves, and the next one takes its place."""

from __future__ import annotations

import functools
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from proxy_tasks.batch_loop import BatchLoop, Entry, Rows, Shared, chunk_of
from proxy_tasks.device import in_32_bits
from proxy_tasks.numerics import fixed_numerics
from proxy_tasks.training import Hurdle, Training, TrainingResult
from proxy_tasks.training_loop import Hyper, Outputs


@dataclass(frozen=True)
class Asked:
    """One training that is asked for; the fields are the arguments of `Training`."""

    ticket: Any  # the caller's, by which it knows the result
    hyper: Hyper
    seed: int
    hurdles: tuple[Hurdle, ...] | None
    meta: bool


class BatchTraining:
    """N rows of a compiled training.

        batch = BatchTraining(training, 64)
        batch.submit("first", hyper, seed=0)
        while batch.outstanding:
            for ticket, result in batch.advance():
                ...

    A training's outcome depends neither on what is trained beside it nor on when it is submitted.

    Args:
      training: what is done in each row; its optimizer may look along the axis ROWS.
      size: N.
    """

    def __init__(self, training: Training, size: int) -> None:
        self.training, self.size = training, size
        self.compile_seconds = 0.0  # not yet part of a result
        self._loop = BatchLoop(training.loop, chunk_of(training.checkpoints))
        self._waiting: deque[Asked] = deque()
        self._asked: list[Asked | None] = [None] * size  # by row
        self._seconds = np.zeros(size)  # that the training in each row took so far
        self._rows: Rows | None = None
        self._fill: jax.stages.Compiled | None = None
        self._advance: jax.stages.Compiled | None = None
        with fixed_numerics():
            self._shared = Shared(
                validation=training.data.validation,
                arrays=training.data.arrays,
                checkpoints=np.append(training.checkpoints, training.checkpoints[-1]),
                explosion=np.float32(training.stop.explosion),
            )

    @property
    def outstanding(self) -> int:
        """Trainings submitted that have no result yet."""
        return len(self._waiting) + self.size - self._asked.count(None)

    def submit(
        self,
        ticket: Any,
        hyper: Hyper = (),
        *,
        seed: int = 0,
        hurdles: Sequence[Hurdle] | None = None,
        meta: bool = False,
    ) -> None:
        """Asks for a training, as `Training` does it. Raises TaskError as it does."""
        chosen = None if hurdles is None else tuple(hurdles)
        self._thresholds(chosen)
        self._waiting.append(Asked(ticket, hyper, seed, chosen, meta))

    def bytes_needed(self, hyper: Hyper) -> int:
        """Bytes of the rows, before and after a call, and of what is computed within it, by XLA's
        count; it compiles for such `hyper` and runs nothing."""
        asked = Asked(None, hyper, 0, None, False)
        with fixed_numerics():
            start = self.training.data.start(0)
            rows = self._loop.empty(self._shared, self._entry([asked] * self.size, [0]), start)
            memory = self._compiled_advance(rows).memory_analysis()
        of_rows = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(rows))
        return int(2 * of_rows + (memory.temp_size_in_bytes if memory else of_rows))

    def take_back(self) -> list[Asked]:
        """All that has no result, which is given up."""
        asked = [one for one in (*self._asked, *self._waiting) if one is not None]
        self._waiting.clear()
        self._asked, self._rows = [None] * self.size, None
        return asked

    def advance(self) -> list[tuple[Any, TrainingResult]]:
        """Fills what rows are free, trains for a chunk of steps; returns what has ended."""
        with fixed_numerics():
            self._fill_rows()
            if self._rows is None:
                return []
            advance = self._compiled_advance(self._rows)
            begin = time.perf_counter()
            self._rows, running, outputs = advance(self._shared, self._rows)
            still, told = jax.device_get((running, outputs))
        rows = [row for row, asked in enumerate(self._asked) if asked is not None]
        self._seconds[rows] += (time.perf_counter() - begin) / max(1, len(rows))
        return [self._ended(row, told) for row in rows if not still[row]]

    def _ended(self, row: int, outputs: Outputs) -> tuple[Any, TrainingResult]:
        asked = self._asked[row]
        assert asked is not None
        self._asked[row] = None
        own = jax.tree.map(lambda array: array[row], outputs)
        result = self.training.result(
            own, asked.seed,
            compile_seconds=self.compile_seconds, run_seconds=float(self._seconds[row]),
        )  # fmt: skip
        self.compile_seconds = 0.0
        return asked.ticket, result

    def _thresholds(self, hurdles: tuple[Hurdle, ...] | None) -> np.ndarray:
        return self.training.thresholds(self.training.stop.hurdles if hurdles is None else hurdles)

    def _fill_rows(self) -> None:
        """Puts what waits into free rows: one call for each seed."""
        free = [row for row, asked in enumerate(self._asked) if asked is None]
        by_seed: dict[int, list[int]] = {}
        for row in free[: len(self._waiting)]:
            asked = self._asked[row] = self._waiting.popleft()
            self._seconds[row] = 0.0
            by_seed.setdefault(asked.seed, []).append(row)
        for seed, rows in by_seed.items():
            asked_of = [self._asked[row] or self._asked[rows[0]] for row in range(self.size)]
            entry = self._entry([asked for asked in asked_of if asked], rows)
            start = self.training.data.start(seed)
            if self._rows is None:
                shapes = self._loop.empty(self._shared, entry, start)
                self._rows = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), shapes)
            fill = self._compiled_fill(self._rows, entry=entry, start=start)
            self._rows = fill(self._shared, self._rows, entry=entry, start=start)

    def _entry(self, asked: Sequence[Asked], rows: Sequence[int]) -> Entry:
        """What fills some of the rows; asked: one for each row there is."""
        hypers = [jax.tree.map(in_32_bits, one.hyper) for one in asked]
        which = np.zeros(self.size, bool)
        which[list(rows)] = True
        return Entry(
            which=which,
            hyper=jax.tree.map(lambda *leaves: np.stack(leaves), *hypers),
            thresholds=np.stack([self._thresholds(one.hurdles) for one in asked]),
            checkpoint_count=np.array(
                [len(self.training.checkpoints) + one.meta for one in asked], np.int32
            ),
        )

    def _compiled_fill(self, rows: Rows, *, entry: Entry, start: Any) -> jax.stages.Compiled:
        if self._fill is None:
            fill = functools.partial(jax.jit, donate_argnums=1)(self._loop.fill)
            self._fill = self._compile(fill.lower(self._shared, rows, entry=entry, start=start))
        return self._fill

    def _compiled_advance(self, rows: Rows) -> jax.stages.Compiled:
        if self._advance is None:
            advance = functools.partial(jax.jit, donate_argnums=1)(self._loop.advance)
            self._advance = self._compile(advance.lower(self._shared, rows))
        return self._advance

    def _compile(self, lowered: jax.stages.Lowered) -> jax.stages.Compiled:
        begin = time.perf_counter()
        compiled = lowered.compile()
        self.compile_seconds += time.perf_counter() - begin
        self.training.compilations += 1
        return compiled
