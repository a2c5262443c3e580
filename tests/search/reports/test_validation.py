"""The validation as text: each p beside the hypothesis that it is of."""

import math

from search.reports.validation import validation_markdown, validation_table
from tests.search.selection.test_validation import ADAMW, LION, SGD, validated


def test_each_difference_has_its_p_and_its_hypothesis():
    """A program that is the winner itself: the difference is 0, and a loss of the tolerance is out
    of the question."""
    text = validation_table(validated({LION: 0.0, ADAMW: -1.0}, final=LION))
    head, _, _, final, baseline = text.splitlines()
    assert "minus winner" in head and "p (H0: difference <= -0.1)" in head
    assert "minus library:adamw" in head and "p (H0: difference <= 0)" in head
    assert final.split("  ")[0] == "final program" and "+0 [+0, +0]" in final and "0.0039" in final
    assert baseline.split()[0] == "library:adamw" and len(baseline.split()) == 2


def test_the_page_says_how_it_was_measured():
    page = "\n".join(validation_markdown(validated({LION: 0.0, SGD: 0.0, ADAMW: -1.0})))
    assert "On a@10, b@10, 8 fresh seeds, the meta-validation split; 90 % intervals." in page
    assert "Tolerance: 0.1." in page and "final program: not worse than the winner" in page


def test_a_program_without_a_fitness():
    text = validation_table(validated({LION: 0.0, SGD: -math.inf, ADAMW: 0.0}))
    assert "none" in text and "no fitness on 8 of 8 seeds" in text
