"""The validation of the final program as text."""

from __future__ import annotations

from search.reports.measurements import (
    confidence,
    interval,
    mean_fitness,
    null_hypothesis,
)
from search.reports.tables import columns, markdown_table
from search.selection.validation import Validation


def validation_table(validation: Validation) -> str:
    return columns(_rows(validation))


def validation_markdown(validation: Validation) -> list[str]:
    """The table with what it means, for the certificate."""
    made = range(1, len(validation.names) - validation.baselines)
    return [
        "## Validation of the result",
        "",
        f"On {', '.join(validation.tasks)}, {len(validation.fitness[0])} fresh seeds, the "
        f"meta-validation split; {confidence(validation.level)} intervals. Tolerance: "
        f"{validation.tolerance:.4g}. Each program has the constants of one tuning, whose luck "
        "these intervals do not contain; they tell what became of the winner as it was shortened.",
        "",
        *markdown_table(_rows(validation)),
        "",
        *(f"{validation.names[i]}: {validation.standing(i).value}." for i in made),
    ]


def _rows(validation: Validation) -> list[tuple[str, ...]]:
    """Fitness, and the difference to the winner and to each baseline with its p."""
    size = len(validation.names)
    first = size - validation.baselines
    others = (0, *range(first, size))
    head = ["program", "fitness"]
    for other in others:
        null = null_hypothesis(validation.margin(other))
        head += [f"minus {validation.names[other]}", f"p ({null})"]
    rows = [tuple(head)]
    for i, (name, fitness) in enumerate(zip(validation.names, validation.fitness)):
        row = [name, mean_fitness(fitness)]
        for other in others:
            if i == other or i >= first:
                row += ["", ""]
            else:
                difference = validation.difference(i, other)
                row += [interval(difference), f"{difference.p:.2g}"]
        rows.append(tuple(row))
    return rows
