"""The certificate: every step with its reason, and the same text for the same run."""

import json
from dataclasses import replace

from programs import parse
from search.reports.certificate import as_data, certificate, exact_certificate, result_lines
from tests.search.shortening.test_shorten import done, shortened  # noqa: F401 (a fixture)


def test_the_certificate_tells_the_whole_way(done):  # noqa: F811
    page = certificate(done)
    for said in (
        "21 to 7 statements, 2 to 1 state", "liveness across steps", "*measured*",
        "| `drop g = clip(g, lr)` | accepted", "confirmed on fresh seeds", "Constants tuned on the tasks",
    ):  # fmt: skip
        assert said in page, said
    data = json.loads(json.dumps(as_data(done)))
    assert parse(data["program"]) == done.program
    accepted = [change for change in data["ablation"] if change["verdict"] == "ACCEPTED"]
    assert len(accepted) == 2
    for change in accepted:
        [first, second] = change["measured"]
        assert (first["task"], second["task"]) == ("a", "b")
        assert first["seeds"] == 12 and first["interval"][0] > -first["tolerance"]


def test_every_removal_says_what_it_was_compared_with(done):  # noqa: F811
    page = certificate(done)
    assert (
        "a, minus the start: +0 [+0, +0] (90 %, 12 seeds), p = 0.00024 (H0: difference <= -0.0"
        in page
    )


def test_equal_runs_give_equal_texts(done):  # noqa: F811
    """No time stands in them, nor anything else that changes from run to run."""
    again = shortened()
    assert certificate(again) == certificate(done) and as_data(again) == as_data(done)
    assert exact_certificate(again.exact, "", again) == exact_certificate(done.exact, "", done)


def test_the_result_in_lines(done):  # noqa: F811
    head, *lines = result_lines(done)
    assert head.startswith("21 statements; ") and head.endswith("; 7 after the ablation")
    assert "  measured: drop g = clip(g, lr)" in lines and parse(lines[-1]) == done.program


def test_of_removals_that_were_taken_back_those_are_told_that_are_left(done):  # noqa: F811
    """Whatever was accepted on the way."""
    ablation = replace(done.ablation, removed=("drop g = clip(g, lr)",))
    _, *lines = result_lines(replace(done, ablation=ablation))
    assert [line for line in lines if "measured" in line] == ["  measured: drop g = clip(g, lr)"]
