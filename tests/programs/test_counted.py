import pytest

from programs.counted import counted


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 states"), (1, "1 state"), (2, "2 states"), (1_000, "1,000 states")]
)
def test_the_noun_agrees(count, text):
    assert counted(count, "state") == text
