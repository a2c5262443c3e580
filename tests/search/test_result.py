"""What a run directory says of a search, as data."""

import numpy as np
import pytest
import small_run

from search.result import SearchResult
from search.storage.errors import StoreError
from search.storage.store import Store


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    return small_run.make(tmp_path_factory.mktemp("runs") / "run")


def test_finalists_are_those_that_were_scored_again_with_their_gain(run_dir):
    result = SearchResult.of(run_dir)
    assert [one.leader.number for one in result.finalists] == [3, 2]
    assert result.finalists[0].fresh == (-1.25, -1.375, -1.5)
    assert result.finalists[0].gain == (0.75, 0.75, 0.75)
    assert result.finalists[0].mean == result.inspect("top", count=1)[0]["fresh"]["mean"]
    assert result.final is None and result.confirmed is None


def test_a_run_without_a_search_has_a_result_without_programs(tmp_path):
    with Store(tmp_path / "run"):
        pass
    result = SearchResult.of(tmp_path / "run")
    assert result.finalists == () and result.final is None


def test_a_final_program_that_the_funnel_did_not_confirm(run_dir):
    text = f"# Final program, not confirmed: made from x\n{small_run.SIGN}"
    result = SearchResult(run_dir, (), None, final_text=text)
    assert str(result.final) in text and result.confirmed is False


def test_individuals_are_asked_for_by_whole_numbers(run_dir):
    result = SearchResult.of(run_dir)
    assert [step.number for step in result.lineage(np.int64(3))] == [0, 2, 3]
    assert result.lineage("3") == result.lineage(3)
    for wrong in ("x", 3.0, None, -1, 10**30):
        with pytest.raises(StoreError, match="expected the number of an individual, such as 0"):
            result.lineage(wrong)


def test_a_question_is_asked_by_name_and_number(run_dir):
    result = SearchResult.of(run_dir)
    assert result.inspect("program", np.int64(3)) == result.inspect("program", "3")
    for ask, message in (
        (lambda: result.inspect("topp"), "inspect: expected one of overview, top, .*, got 'topp'"),
        (lambda: result.inspect("diff", 1), "inspect: expected diff A B, got diff 1"),
        (lambda: result.inspect("top", count=0), "count: expected a whole number >= 1, got 0"),
        (lambda: result.leaders("2"), "count: expected a whole number >= 1, got '2'"),
        (lambda: result.frame("program"), "frame: expected one of .*programs.*, got 'program'"),
    ):
        with pytest.raises(ValueError, match=message):
            ask()
