"""The curves of meta-validation in lines."""

import math

from search.config.selection import MetaValidationSettings
from search.reports.meta_validation import curve_lines
from search.selection.overfitting import Point

SETTINGS = MetaValidationSettings(every=10, seeds=3)


def test_each_point_and_where_overfitting_begins():
    falls = [(0.0, 0.1), (0.9, 1.0), (0.1, 0.2), (0.2, 0.3)]
    points = [Point(10 * (i + 1), i, i / 10, meta * 4) for i, meta in enumerate(falls)]
    flat = [Point(10, 4, 0.5, (0.1, 0.2)), Point(20, 5, 0.6, ())]
    flat.append(Point(30, 6, 0.7, (0.1, -math.inf)))
    assert curve_lines({0: points, 1: flat}, SETTINGS) == [
        "Meta-validation at 10 times the compute:",
        "repeat 0: meta-overfitting begins at child 20 (fall 0.75)",
        "  after 10 children: search 0, meta-validation 0.05",
        "  after 20 children: search 0.1, meta-validation 0.95",
        "  after 30 children: search 0.2, meta-validation 0.15",
        "  after 40 children: search 0.3, meta-validation 0.25",
        "repeat 1: no meta-overfitting seen",
        "  after 10 children: search 0.5, meta-validation 0.15",
        "  after 20 children: search 0.6, meta-validation not scored",
        "  after 30 children: search 0.7, meta-validation none",
    ]


def test_nothing_where_there_are_no_curves():
    assert curve_lines({}, SETTINGS) == []
