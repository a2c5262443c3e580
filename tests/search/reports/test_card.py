"""What the transfer card says of a program."""

import math
from types import SimpleNamespace

import pytest

from programs import parse
from search.reports.card import card, limits, rule_sentence, validation_limits
from search.reports.conclusion import heading
from search.selection.comparison import compare
from search.selection.results import StageEntry, StageResult
from search.selection.update_form import update_form
from search.selection.validation import Validation
from search.shortening.final import Winner


def delivered(body: str):
    text = f"def train(w, g, lr):\n    update = {body}\n    return update\n"
    return SimpleNamespace(final=SimpleNamespace(program=parse(text)))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("g * lr", "It is the gradient, times a rate; that explains 100.0% of its updates"),
        ("g * 0.0", "its updates are not finite, zero, or weight decay alone"),
        ("w * 0.1", "its updates are not finite, zero, or weight decay alone"),
    ],
)
def test_the_rule_in_a_sentence(body, said):
    assert said in rule_sentence(delivered(body))


FAILED = -math.inf


@pytest.mark.parametrize(
    ("ours", "theirs", "said"),
    [
        ([FAILED] + [1.0] * 5, [0.0] * 6, "it has no fitness on some of the seeds"),
        ([1.0] * 6, [FAILED] * 6, "nothing is shown: adamw has no fitness on 6 of 6 seeds"),
        ([1.0] * 6, [FAILED] * 3 + [0.0] * 3, "adamw has no fitness on 3 of 6 seeds"),
        ([1.0] * 6, [2.0] * 6, "it is worse than adamw"),
    ],
)
def test_whose_failure_it_was(ours, theirs, said):
    program = delivered("g * lr").final.program
    entry = StageEntry("lion", program, tuple(ours), compare(ours, theirs), "adamw")
    stage = StageResult("C", ("t",), 0.05, True, (entry,), ())
    assert said in next(limits([(stage, entry)]))


FITNESS = {"best": [1.0] * 6, "level": [0.0, 2.0] * 3, "worse": [2.0] * 6}


def staged(worse_on: str = "", **theirs) -> tuple[StageResult, StageEntry]:
    """A program with a fitness of 1 beside baselines, the last of them its strongest."""
    by = {name: compare([1.0] * 6, fitness) for name, fitness in theirs.items()}
    name = [*by][-1]
    program = delivered("g * lr").final.program
    entry = StageEntry("x", program, (1.0,) * 6, by[name], name, 0.5, False, worse_on, by)
    return StageResult("B", ("t@10",), 0.05, True, (entry,), ()), entry


def validation(fitness, **theirs) -> Validation:
    named = {"winner": [1.0] * 6, "final program": fitness, **theirs}
    values = tuple(map(tuple, named.values()))
    return Validation(("t@10",), 0.05, 0.1, tuple(named), values, len(theirs))


def test_limits_are_of_each_baseline_not_of_the_strongest_alone():
    said = [*limits([staged(lion=FITNESS["level"], adamw=FITNESS["worse"])])]
    assert [text.partition(":")[0] for text in said] == [
        "On t@10 (stage B) it is worse than adamw",
        "On t@10 (stage B) no difference from lion is shown",
    ]


@pytest.mark.parametrize(
    ("fitness", "said"),
    [
        ([3.0] * 6, []),
        ([1.0] * 6, ["no difference from level is shown", "it is worse than worse"]),
        (
            [0.5] * 6,
            [
                "no difference from level is shown",
                "it is worse than worse",
                "it is clearly worse than the winner",
            ],
        ),
        ([FAILED] * 6, ["it has no fitness on some of the seeds.", "it is clearly worse"]),
    ],
)
def test_the_validation_counts_among_the_limits(fitness, said):
    theirs = {name: FITNESS[name] for name in ("level", "worse")}
    found = [*validation_limits(validation(fitness, **theirs))]
    assert len(found) == len(said)
    where = "On t@10 (the validation of the result) "
    assert all(text.startswith(where + start) for text, start in zip(found, said))


def test_the_table_has_a_row_for_each_baseline():
    stage, entry = staged(lion=[0.0] * 6, adamw=FITNESS["worse"])
    program = entry.program
    final = SimpleNamespace(
        program=program, form=update_form(program), validation=validation([1.0] * 6, lion=[0.0] * 6)
    )
    one = SimpleNamespace(winner=Winner("x", program, False), final=final)
    done = SimpleNamespace(funnel=SimpleNamespace(stages=(stage,)), baselines=("library:lion",))
    page = card(done, one, "About it.")
    assert "| B | t@10 | 6 seeds | -1 [-1, -1] adamw | 0 | 0.5 | no |" in page
    assert "| B | t@10 | 6 seeds | +1 [+1, +1] lion | 0 |  |  |" in page


def test_the_heading_names_each_baseline():
    program = delivered("g * lr").final.program
    better = Winner("x", program, True, beaten=("a", "b"))
    assert heading(better).endswith("which the funnel confirmed as better than a, b.")
    as_good = Winner("x", program, True, -0.1, larger=("c",), beaten=("a",))
    assert heading(as_good).endswith(
        "as better than a, and as not worse by 0.1 than c, which needs more states."
    )
