"""Comparisons as text."""

import math

import pytest

from search.reports.measurements import interval
from search.selection.comparison import compare

FAILED = -math.inf


@pytest.mark.parametrize(
    ("ours", "theirs", "said"),
    [
        ([FAILED] * 6, [1.0] * 4 + [FAILED] * 2, "no fitness on 6 of 6 seeds"),
        ([FAILED] + [1.0] * 5, [FAILED] + [1.0] * 5, "no fitness on 1 of 6 seeds"),
        ([1.0] * 6, [1.0] + [FAILED] * 5, "only 1 seeds to compare on"),
        ([1.0] * 3, [0.0] * 3, "+1 [+1, +1]"),
    ],
)
def test_a_comparison_counts_all_seeds_of_the_candidate(ours, theirs, said):
    """Those, too, on which the baseline has no fitness."""
    assert interval(compare(ours, theirs)) == said
