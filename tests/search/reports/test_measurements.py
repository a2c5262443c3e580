"""Comparisons as text."""

import math

import pytest

from search.reports.measurements import constant, interval, p_value
from search.selection.comparison import compare

FAILED = -math.inf


@pytest.mark.parametrize(
    ("ours", "theirs", "said"),
    [
        ([FAILED] * 6, [1.0] * 4 + [FAILED] * 2, "no fitness on 6 of 6 seeds"),
        ([FAILED] + [1.0] * 5, [FAILED] + [1.0] * 5, "no fitness on 1 of 6 seeds"),
        ([1.0] * 6, [1.0] + [FAILED] * 5, "only 1 seed to compare on"),
        ([1.0] * 3, [0.0] * 3, "+1 [+1, +1]"),
    ],
)
def test_a_comparison_counts_all_seeds_of_the_candidate(ours, theirs, said):
    """Those, too, on which the baseline has no fitness."""
    assert interval(compare(ours, theirs)) == said


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.9996, "0.9996"), (0.999, "0.999"), (0.9999996, "0.9999996"), (0.99842345, "0.99842"),
     (0.95, "0.95"), (1.05, "1.05"), (1.0, "1"), (0.0, "0"), (0.6951, "0.695"), (2e-4, "0.0002"),
     (1234.0, "1.23e+03")],
)  # fmt: skip
def test_a_decay_near_1_is_not_1(value, text):
    assert constant(value) == text


def test_a_p_says_what_it_is_for_where_that_is_not_being_better():
    assert p_value(0.00172, 0.0) == "0.0017"
    assert p_value(0.00172, -0.027) == "0.0017 (not worse by 0.027)"
