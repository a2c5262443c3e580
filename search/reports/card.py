"""The transfer card of a final program: where it was compared, and where it does not help."""

from __future__ import annotations

from collections.abc import Iterator

from programs import load
from programs.decay import weight_decay
from search.reports.funnel import level_of_intervals
from search.reports.measurements import interval, states
from search.reports.tables import markdown_table
from search.reports.validation import validation_markdown
from search.selection.comparison import Comparison
from search.selection.nearest_rule import nearest_rule
from search.selection.results import StageEntry, StageResult, states_of
from search.selection.validation import Standing, Validation
from search.shortening.final import Conclusion, Delivered

BYTES = 4  # of a float32


def card(done: Conclusion, one: Delivered, about: str) -> str:
    """The card as Markdown.

    about: what the program was made from, and whether that was confirmed.
    """
    program = one.final.program
    lines = ["# Transfer card", "", about, "", "```python", str(program).rstrip(), "```", ""]
    lines += [f"- {sentence}" for sentence in (rule_sentence(one), _memory(done, one))]
    lines.append(f"- Its update, by behaviour: {one.final.form.value}.")
    compared = [
        (stage, entry)
        for stage in done.funnel.stages
        for entry in stage.entries
        if entry.name == one.winner.name or entry.name.startswith(f"{one.winner.name} (of ")
    ]
    if compared:
        lines += ["", "## Where it was compared", ""]
        rows = [row for stage, entry in compared for row in _rows(stage, entry)]
        lines += markdown_table([_HEAD, *rows])
        levels = level_of_intervals([stage for stage, _ in compared])
        lines += ["", " ".join([_WHAT_WAS_COMPARED, *levels])]
    lines += ["", *validation_markdown(one.final.validation)]
    speaking = [*limits(compared), *validation_limits(one.final.validation), _UNKNOWN]
    lines += ["", "## Where it does not help", "", *(f"- {text}" for text in speaking)]
    return "\n".join(lines) + "\n"


_WHAT_WAS_COMPARED = (
    "The program before it was made shorter, tuned for each stage as the baselines were, on fresh "
    "seeds and the meta-validation split. In each stage the first baseline is the one that it came "
    "out worst against; p, and whether it was promoted, are by that one."
)
_UNKNOWN = "Nothing is known of other tasks, larger models or longer trainings than those above."
_HEAD = ("stage", "tasks", "compared on", "minus each baseline", "margin", "p", "promoted")


def _comparisons(entry: StageEntry) -> list[tuple[str, Comparison]]:
    """With each baseline, by name; first with the one that it comes out worst against."""
    assert entry.against is not None
    others = [
        (name, one)
        for name, one in entry.by_baseline.items()
        if entry.worse_on or name != entry.baseline
    ]
    return [(entry.rival, entry.against), *others]


def _rows(stage: StageResult, entry: StageEntry) -> Iterator[tuple[str, ...]]:
    result = f"{entry.p:.2g}", "yes" if entry.promoted else "no"
    for name, one in _comparisons(entry):
        yield (
            stage.name,
            ", ".join(stage.tasks),
            f"{one.pairs + one.dropped} {stage.unit}",  # of the look that counts
            f"{interval(one, stage.unit)} {name}",
            f"{one.margin:g}",
            *result,
        )
        result = "", ""


def rule_sentence(one: Delivered) -> str:
    """The known rule that a final program is, or the nearest one."""
    nearest = nearest_rule(one.final.program)
    if nearest is None:
        return "On random gradients its updates are not finite, zero, or weight decay alone."
    decays = ", ".join(map(str, nearest.decays))
    rule = nearest.name + (f" with decays {decays}" if decays else "")
    share = f"explains {nearest.share:.1%} of its updates on random gradients"
    share += ", those along the weights aside"
    if not nearest.is_same:
        return f"It is no known rule; the nearest is {rule}, which {share}."
    decay = " and weight decay" if weight_decay(one.final.program) else ""
    return f"It is {rule}, times a rate{decay}; that {share}."


def _memory(done: Conclusion, one: Delivered) -> str:
    own = states_of(one.final.program)
    others = ", ".join(f"{states(states_of(load(name)))} of {name}" for name in done.baselines)
    return (
        f"Memory: {states(own)}, {BYTES * own} bytes for each weight in float32, beside {others}."
    )


def limits(compared: list[tuple[StageResult, StageEntry]]) -> Iterator[str]:
    """What speaks against it, from the stages."""
    for stage, entry in compared:
        where = f"On {', '.join(stage.tasks)} (stage {stage.name})"
        yield from _limits(where, _comparisons(entry), stage.unit)


def validation_limits(validation: Validation) -> Iterator[str]:
    """What speaks against the final program itself, from its validation."""
    first = len(validation.names) - validation.baselines
    final = first - 1
    where = f"On {', '.join(validation.tasks)} (the validation of the result)"
    baselines = range(first, len(validation.names))
    compared = [(validation.names[i], validation.difference(final, i)) for i in baselines]
    yield from _limits(where, compared, "seeds")
    if (standing := validation.standing(final)) is not Standing.AS_GOOD:
        yield f"{where} it is {standing.value}: {interval(validation.difference(final, 0))}."


def _limits(where: str, compared: list[tuple[str, Comparison]], unit: str) -> Iterator[str]:
    """Of comparisons with baselines, by name."""
    if any(one.failed for _, one in compared):
        yield f"{where} it has no fitness on some of the {unit}."
        return
    for name, one in compared:
        all_pairs = one.pairs + one.dropped
        if 2 * one.dropped >= all_pairs:
            yield (
                f"{where} nothing is shown: {name} has no fitness on {one.dropped} of "
                f"{all_pairs} {unit}."
            )
        elif one.high < 0:
            yield f"{where} it is worse than {name}: {interval(one)}."
        elif one.low <= 0:
            yield f"{where} no difference from {name} is shown: {interval(one)}."
