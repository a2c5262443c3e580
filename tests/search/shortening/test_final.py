"""What a final program is."""

from programs import load, parse
from search.shortening.final import known_structure
from tests.search.shortening.test_ablation import EVOLVED

ADAMW, SGD = load("library:adamw"), load("library:sgd")
ADAMW_RETUNED = parse(str(ADAMW).replace("lr * 0.001", "lr * 0.004"))


def test_a_gain_of_constants_alone_is_labelled():
    """What the ablation leaves may be a baseline."""
    assert known_structure(ADAMW_RETUNED, ["library:lion", "library:adamw"]) == "library:adamw"
    assert known_structure(SGD, ["library:adamw"]) == "library:sgd"
    assert known_structure(EVOLVED, ["library:adamw"]) is None
