"""A text stands in for a file by its name, only within the block."""

import pytest

from programs import ProgramError, load
from programs.stand_ins import standing_in

TEXT = "def train(w, g, lr):\n    update = g * lr\n    return update\n"


def test_it_is_read_in_place_of_the_file(tmp_path):
    path = tmp_path / "rule.py"
    with standing_in({str(path): TEXT}):
        assert str(load(path)) == TEXT
        with standing_in({}), pytest.raises(ProgramError, match="No such file"):
            load(path)
        assert load("library:lion") != load(path)
    with pytest.raises(ProgramError, match="No such file"):
        load(path)


def test_a_mistake_in_it_names_the_file():
    with standing_in({"rule.py": "1"}), pytest.raises(ProgramError, match=r"^rule\.py"):
        load("rule.py")
