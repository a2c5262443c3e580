"""The transfer card of a final program: where it was compared, and where it does not help."""

from __future__ import annotations

from collections.abc import Iterator

from programs import load
from programs.hyperparameters import weight_decay
from search.reports.measurements import interval, states
from search.reports.tables import markdown_table
from search.reports.validation import validation_markdown
from search.selection.nearest_rule import nearest_rule
from search.selection.results import StageEntry, StageResult, states_of
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
        lines += markdown_table([_HEAD, *(_row(stage, entry) for stage, entry in compared)])
        lines += ["", _WHAT_WAS_COMPARED]
    lines += ["", *validation_markdown(one.final.validation)]
    lines += ["", "## Where it does not help", "", *(f"- {text}" for text in limits(compared))]
    return "\n".join(lines) + "\n"


_WHAT_WAS_COMPARED = (
    "The program before it was made shorter, tuned for each stage as the baselines were, on fresh "
    "seeds and the meta-validation split."
)
_HEAD = ("stage", "tasks", "compared on", "minus strongest baseline", "margin", "p", "promoted")


def _row(stage: StageResult, entry: StageEntry) -> tuple[str, ...]:
    assert entry.against is not None
    pairs = entry.against.pairs + entry.against.dropped  # of the look that counts
    return (
        stage.name,
        ", ".join(stage.tasks),
        f"{pairs} {stage.unit}",
        f"{interval(entry.against, stage.unit)} {entry.rival}",
        f"{entry.against.margin:g}",
        f"{entry.p:.2g}",
        "yes" if entry.promoted else "no",
    )


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
        against, where = entry.against, f"On {', '.join(stage.tasks)} (stage {stage.name})"
        if against is None or against.failed:
            yield f"{where} it has no fitness on some of the {stage.unit}."
        elif 2 * against.dropped >= against.pairs + against.dropped:
            yield (
                f"{where} nothing is shown: {entry.rival} has no fitness on {against.dropped} of "
                f"{against.pairs + against.dropped} {stage.unit}."
            )
        elif against.high < 0:
            yield f"{where} it is worse than {entry.rival}: {interval(against)}."
        elif against.low <= 0:
            yield f"{where} no difference from {entry.rival} is shown: {interval(against)}."
    yield "Nothing is known of other tasks, larger models or longer trainings than those above."
