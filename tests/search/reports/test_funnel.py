"""The funnel as text: who goes on, and why not."""

import math
from dataclasses import replace

from toys import Noisy

from search.config.selection import FINALS_STAGE
from search.reports.funnel import outcome, promotion, report, table
from search.selection.results import FunnelResult
from tests.search.selection.test_stages import (
    ADAMW,
    BASELINE,
    LION,
    NO_TUNING,
    funnel_of,
    is_lion,
    number_of,
    numbered,
    settings,
)


def worth(r) -> float:
    """Lion is better than AdamW, the first of its copies fails, AdamW's copies are as good as it."""
    fails = number_of(r.program) == 1 and r.split == "meta_validation" and r.seed % 3 == 0
    return -math.inf if fails else 1.0 * is_lion(r.program)


def done() -> FunnelResult:
    lions = [("lion", LION), *((f"lion {i}", numbered(i)) for i in range(1, 4))]
    adamws = [(f"adamw {i}", numbered(i, ADAMW)) for i in range(4, 7)]
    candidates = [*lions, *adamws]
    return funnel_of(candidates, BASELINE, Noisy(worth), ["t"], settings(keep=5, tuning=NO_TUNING))


def test_the_report_states_why_a_program_promotion_or_does_not():
    funnel = done()
    reasons = {
        (stage.name, promotion(stage, entry)) for stage in funnel.stages for entry in stage.entries
    }
    assert ("A", "yes: among the best, not tested") in reasons
    assert ("A", "no: not among the best 5") in reasons
    assert ("A", "no: no fitness on some of the seeds") in reasons
    assert ("B", "yes") in reasons and ("B", "no: p is above 0.05") in reasons
    assert (FINALS_STAGE, "yes") in reasons
    # Not one that goes on by its p where no p was asked for.
    assert not {("A", "yes"), ("A", "no: p is above 0.05")} & reasons


def test_the_table_has_a_row_for_each_stage():
    head, _, first, *_, last, level = table(done().stages).splitlines()
    assert level == "Intervals are at 90 %."
    columns = ("stage", "tasks", "candidates", "promoted", "best", "minus strongest baseline", "p")
    assert all(column in head for column in columns)
    assert "5 (best, not tested)" in first and last.startswith(FINALS_STAGE) and "t@100" in last


def test_the_page_says_what_kind_of_update_each_candidate_makes():
    page = report(done())
    assert "| lion | a sign: every coordinate moves by the same amount, as in Lion |" in page
    assert "\nIntervals are at 90 %.\n" in page
    assert "| finals | lion |" in page and "as tuned for the last stage" in page


def test_a_funnel_without_candidates():
    nothing = FunnelResult((), ("individual 1 (of 9)",))
    assert outcome(nothing) == [
        "individual 1 (of 9) is a baseline with other constants: no candidate, but a starting "
        "point of that baseline's tuning.",
        "No program is shown to be better than the baselines: there is no candidate.",
    ]
    assert report(nothing).startswith("# Funnel")


def test_the_level_of_intervals_is_said_by_stage_where_it_differs():
    """A stage that looks twice has intervals at half of its level."""
    stages = done().stages
    entries = tuple(
        replace(entry, against=replace(entry.against, level=0.025)) for entry in stages[-1].entries
    )
    told = table([*stages[:-1], replace(stages[-1], entries=entries)]).splitlines()[-1]
    assert told == "Intervals are at 90 % (A, B, C) and 95 % (finals)."
