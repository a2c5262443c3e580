"""What a final program is."""

import pytest

from programs import load, parse
from search.config.selection import AblationSettings, FunnelSettings
from search.selection.comparison import tolerance
from search.selection.objective import Objective
from search.selection.results import NamedProgram
from search.shortening.final import Check, Winner, known_structure
from tests.search.shortening.test_ablation import EVOLVED

ADAMW, SGD = load("library:adamw"), load("library:sgd")
ADAMW_RETUNED = parse(str(ADAMW).replace("lr * 0.001", "lr * 0.004"))


def test_a_gain_of_constants_alone_is_labelled():
    """What the ablation leaves may be a baseline."""
    assert known_structure(ADAMW_RETUNED, ["library:lion", "library:adamw"]) == "library:adamw"
    assert known_structure(SGD, ["library:adamw"]) == "library:sgd"
    assert known_structure(EVOLVED, ["library:adamw"]) is None


@pytest.mark.parametrize(
    "shown, settings, expected",
    [
        (None, {}, 0.5),  # not confirmed: half of the standard deviation
        (0.4, {}, 0.2),
        (4.0, {}, 0.5),
        (0.4, {"tolerance": 0.3}, 0.2),
        (0.4, {"tolerance": 0.1}, 0.1),
        (0.4, {"tolerance_most": 0.15}, 0.15),
        (0.0, {}, 0.5),
    ],
)
def test_what_the_ablation_may_lose_leaves_half_of_the_gain(shown, settings, expected):
    winner = Winner("a", ADAMW, shown is not None, shown=shown)
    kept = winner.keeping_gain(AblationSettings(**settings))
    assert tolerance([0.0, 1.0, 2.0], kept) == pytest.approx(expected)


@pytest.mark.parametrize(
    "winner, memory_margin, margins",
    [
        (Winner("a", ADAMW, True), None, (0.02, 0.02)),
        (Winner("a", SGD, True), None, (0.02, 0.02)),
        (Winner("a", SGD, True, margin=-0.1), 0.1, (-0.1, 0.02)),
    ],
)
def test_the_validation_asks_what_the_funnel_has_asked(winner, memory_margin, margins):
    """A gain of at least so much, or with fewer states a loss of less than the margin."""
    check = Check(
        winner,
        (NamedProgram("library:adamw", ADAMW), NamedProgram("library:sgd", SGD)),
        Objective(lambda requests: [float(r.seed % 3) for r in requests], ("t",)),
        FunnelSettings(least_gain=0.02, memory_margin=memory_margin),
        AblationSettings(),
    )
    validation = check.validated(NamedProgram("final program", SGD))
    assert validation.margins == margins
    assert [validation.difference(1, other).margin for other in (2, 3)] == [*margins]
