"""What the end of a search says of its gain: from which start, and whether that was tuned."""

import math

import pytest

from search.config.settings import Config
from search.reports.summary import leading, start_lines
from search.selection.finalists import Finalist
from search.storage.leaders import Leader

BEST = Finalist(Leader(7, 3, -1.0, "", 1), fresh=(-1.0, -1.2), start=(-2.0, -2.4))


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


def test_what_has_no_fitness_on_one_seed_has_none_beside_a_start_that_has():
    failed = Finalist(BEST.leader, (-math.inf, -1.0, -1.1), start=(-1.5, -1.4, -1.45))
    [_, line] = leading([failed])
    assert line.endswith("live: none, gain over the warm start none, in the search -1")
    assert "on these tasks: -1.45 [-1.57" in _lines([failed])
    both = Finalist(BEST.leader, (-math.inf, -1.0), start=(-math.inf, -1.4))
    assert "on these tasks: none\n" in _lines([both])
    assert all("nan" not in line and "inf" not in line for line in leading([both]))


@pytest.mark.parametrize("finalists", [(), (Finalist(BEST.leader, (), ()),)])
def test_without_fresh_seeds_there_is_nothing_to_say(finalists):
    assert not _lines(finalists)
