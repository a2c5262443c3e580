"""The views of a search while it runs."""

from __future__ import annotations

import io

import pytest
import toys

from search.evolution.counters import Statistics
from search.reports.progress import View
from search.workers.in_process import InProcess


@pytest.mark.parametrize(
    "kind, words", [("plain", "8/10 individuals"), ("rich", "8 of 10 individuals")]
)
def test_views_for_people_draw_what_is_known(kind, words):
    file = io.StringIO()
    statistics = Statistics(target=10, individuals=8, best=-0.5, best_text="def train(w, g, lr):")
    with View(kind, statistics, InProcess(toys.factory()), file=file) as view:
        view.show()
    assert words in file.getvalue() and "-0.5" in file.getvalue()


def test_until_the_first_child_is_committed_the_line_says_what_is_going_on():
    file = io.StringIO()
    with View("plain", Statistics(target=10), InProcess(toys.factory()), file=file) as view:
        view.show()
    assert "0/10 individuals after 0 s: workers start" in file.getvalue()
    assert "nan" not in file.getvalue() and "inf" not in file.getvalue()


def test_plain_lines_carry_the_best_program_when_it_changes():
    file = io.StringIO()
    statistics = Statistics(target=10, individuals=8, attempts=10, best_text="def train(w, g, lr):")
    with View("plain", statistics, InProcess(toys.factory()), file=file) as view:
        view.show(now=True)
        view.show(now=True)
        statistics.best_text = "def train(w, g, m, lr):"
    figures = "invalid 20%, diverged 0%, wasted training time 0%"
    line, first, again, last, second = file.getvalue().splitlines()
    assert figures in line and figures in again and figures in last
    assert [first, second] == ["    def train(w, g, lr):", "    def train(w, g, m, lr):"]


def test_on_a_terminal_that_draws_nothing_there_are_lines(monkeypatch):
    file = io.StringIO()
    file.isatty = lambda: True
    for terminal, kind in (("xterm", "rich"), ("dumb", "plain")):
        monkeypatch.setenv("TERM", terminal)
        assert View("auto", Statistics(), InProcess(toys.factory()), file=file).kind == kind
