"""The non-inferiority test holds its level."""

import numpy as np
from scipy import stats

from search.selection.comparison import compare


def test_harm_of_the_tolerance_is_accepted_at_most_at_the_level():
    rng = np.random.default_rng(0)
    tolerance, level, accepted = 0.5, 0.05, 0
    for _ in range(1_000):
        d = rng.normal(-tolerance, 1.0, 12)
        accepted += (
            compare(d, np.zeros(12), level=level, margin=-tolerance, sign_flip=False).low
            > -tolerance
        )
    assert accepted <= stats.binom.ppf(1 - 1e-4, 1_000, level)
