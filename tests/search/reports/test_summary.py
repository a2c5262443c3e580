"""What the end of a search says of its gain: from which start, and whether that was tuned."""

import pytest

from search.config.settings import Config
from search.reports.summary import start_lines
from search.selection.finalists import Finalist
from search.storage.leaders import Leader

BEST = Finalist(Leader(7, 3, -1.0, "", 1), fresh=(-1.0, -1.2), gain=(1.0, 1.2))


def _lines(finalists=(BEST,), **settings) -> str:
    config = Config.model_validate({"evaluation": {"tasks": ["vision_mlp"]}, **settings})
    return "\n".join(start_lines(finalists, config, "python -m search.funnel runs/mine"))


def test_an_untuned_start_is_named_with_its_fitness_and_where_to_find_tuned_baselines():
    text = _lines(funnel=None)
    assert "as written, not tuned on these tasks: -2.2 [" in text
    assert "may be that of other constants" in text
    assert text.endswith("python -m search.funnel runs/mine")
    assert "the funnel compares with baselines that are tuned alike" in _lines(funnel={})


def test_a_tuned_start_is_named_with_its_fitness():
    text = _lines(evolution={"tune_start": {"draws": 64}})
    assert "tuned first on the same tasks with 64 draws" in text and ": -2.2 [" in text
    assert "may be" not in text


@pytest.mark.parametrize("finalists", [(), (Finalist(BEST.leader, (), ()),)])
def test_without_fresh_seeds_there_is_nothing_to_say(finalists):
    assert not _lines(finalists)
