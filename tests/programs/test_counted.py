import pytest

from programs.counted import counted


@pytest.mark.parametrize(
    ("count", "noun", "text"),
    [
        (0, "state", "0 states"),
        (1, "state", "1 state"),
        (2, "search", "2 searches"),
        (1_000, "state", "1,000 states"),
    ],
)
def test_the_noun_agrees(count, noun, text):
    assert counted(count, noun) == text
