"""The validation of the final program as text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

from search.reports.tables import columns
from search.selection.validation import Validation


def _rows(validation: Validation) -> list[tuple[str, ...]]:
    """A table: fitness, and the difference to the winner and to each baseline."""
    size = len(validation.names)
    first = size - validation.baselines
    others = (0, *range(first, size))
    rows = [("program", "fitness", *(f"less {validation.names[other]}" for other in others))]
    for i, (name, fitness) in enumerate(zip(validation.names, validation.fitness)):
        cells = ("" if i == o or i >= first else str(validation.less(i, o)) for o in others)
        rows.append((name, _mean(fitness), *cells))
    return rows


def validation_table(validation: Validation) -> str:
    return columns(_rows(validation))


def validation_markdown(validation: Validation) -> str:
    """The table with what it means, for the certificate."""
    head, *rows = _rows(validation)
    lines = [
        "## Validation of the result",
        "",
        f"On {', '.join(validation.tasks)}, {len(validation.fitness[0])} fresh seeds, the "
        f"meta-validation split. Tolerance: {validation.tolerance:.4g}.",
        "",
        *(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)),
    ]
    made = range(1, len(validation.names) - validation.baselines)
    return "\n".join(
        [*lines, "", *(f"{validation.names[i]}: {validation.verdict(i)}." for i in made)]
    )


def _mean(fitness: Sequence[float]) -> str:
    return f"{fmean(fitness):.5g}" if all(map(math.isfinite, fitness)) else "none"
