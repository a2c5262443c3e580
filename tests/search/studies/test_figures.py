"""Figures of several searches, from their stores."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import small_run

from search.selection.overfitting import Onset, Point
from search.storage.errors import StoreError
from search.studies import figures
from search.studies.curves import Overfitting, Rise, band_of, rise_of
from search.studies.figures import onset_figure, search_figure


def test_the_best_rises_over_trainings(tmp_path):
    rise = rise_of(small_run.make(tmp_path, funnel=False))
    # Individuals 0 to 5: -2, known, -1.5, -1.25, stopped, -1.75; one training each but the second.
    assert rise.trainings.tolist() == [1, 2, 3, 5] and rise.best.tolist() == [
        -2,
        -1.5,
        -1.25,
        -1.25,
    ]
    assert rise.start == -1.75 or rise.start == -2.0
    assert rise.fresh == pytest.approx(-1.25 - 0.125)
    assert rise.at(np.array([1, 2, 4, 5])).tolist() == [-2, -1.5, -1.25, -1.25]


def test_mean_and_standard_error_as_far_as_the_shortest():
    rises = [
        Rise(np.array([1, 10, 20]), np.array([0.0, 1.0, 1.0]), 0.0, math.nan),
        Rise(np.array([2, 5, 40]), np.array([0.0, 3.0, 3.0]), 0.0, math.nan),
    ]
    band = band_of(rises, points=19)
    assert (band.x[0], band.x[-1]) == (2, 20)
    assert (band.mean[0], band.mean[-1]) == (0.0, 2.0)
    assert band.error[-1] == pytest.approx(np.std([1, 3], ddof=1) / math.sqrt(2))


def rises(*best):
    return [Rise(np.array([1, 100]), np.array([0.0, b]), 0.0, b - 0.5) for b in best]


def test_apart_or_not_is_said(tmp_path, monkeypatch):
    found = {"e": rises(1.0, 1.1, 0.9), "c": rises(0.1, 0.0, 0.2), "r": rises(0.9, 1.0, 1.1)}
    flat = {f"{arm}{i}": rise for arm, few in found.items() for i, rise in enumerate(few)}
    monkeypatch.setattr(figures, "rise_of", lambda run: flat[str(run)])
    run = small_run.make(tmp_path / "run", funnel=False)
    courses = figures.course_of(run)
    monkeypatch.setattr(figures, "course_of", lambda _: courses)
    arms = {"e": ["e0", "e1", "e2"], "c": ["c0", "c1", "c2"], "r": ["r0", "r1", "r2"]}
    lines = "\n".join(search_figure(arms, tmp_path / "out" / "figure"))
    assert "e against c: best search fitness: intervals apart (difference +0.9 [" in lines
    assert "e against r: best search fitness: intervals not apart" in lines
    assert "| e | 3 | 100 | 1 [0.7516, 1.248] | 0.5 [" in lines
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == {f"figure.{kind}" for kind in ("svg", "png", "json", "md")}
    numbers = json.loads((tmp_path / "out" / "figure.json").read_text())
    assert numbers["arms"]["c"]["best"]["value"] == pytest.approx(0.1)
    before = (tmp_path / "out" / "figure.svg").read_bytes()
    search_figure(arms, tmp_path / "out" / "figure")
    assert (tmp_path / "out" / "figure.svg").read_bytes() == before
    flat["e0"] = replace(flat["e0"], fresh=math.nan)
    lines = "\n".join(search_figure({"e": ["e0"], "c": ["c0"]}, tmp_path / "out" / "other"))
    assert "e against c: best search fitness: intervals not apart (difference +0.9)" in lines
    said = "; on fresh seeds: not compared (not scored, or no fitness there: 1 of 1 of e)"
    assert lines.splitlines()[5].endswith(said)
    lines = "\n".join(search_figure({"e": arms["e"], "c": arms["c"]}, tmp_path / "out" / "other"))
    assert "on fresh seeds: not compared (not scored, or no fitness there: 1 of 3 of e)" in lines
    assert "| 0.5 [-0.7706, 1.771] | 2 |" in lines
    lines = "\n".join(search_figure({"c": arms["c"], "e": arms["e"]}, tmp_path / "out" / "other"))
    assert "c against e: best search fitness: intervals apart, the other way round" in lines


def test_onsets_are_counted(tmp_path, monkeypatch):
    points = [Point(100 * i, i, float(i), (0.1 * i, 0.2 * i)) for i in range(1, 5)]
    some = Overfitting(points, Onset(200, 0.1, 0.01), 400)
    none = Overfitting(points, None, 400)
    monkeypatch.setattr(figures, "overfitting_of", lambda run: [some if run == "a" else none])
    lines = "\n".join(onset_figure(["a", "b", "c"], tmp_path / "onset"))
    assert "| a | 4 | 200 children | 50% | 0.1 | 0.01 |" in lines
    assert "meta-overfitting begins in 1 of 3 searches: 33 % [1, 91]" in lines
    assert "after 50% of the search (median)" in lines
    assert json.loads((tmp_path / "onset.json").read_text())["searches"][1]["onset"] is None


def test_searches_that_end_without_a_fitness_are_counted(tmp_path, monkeypatch):
    """The gain of those that are left would be too good."""
    good = [Point(100 * i, i, float(i), (0.1 * i, 0.1 * i)) for i in range(1, 5)]
    failed = Point(400, 9, 9.0, (-math.inf, 0.0))
    ends = {"a": good, "b": [*good[:3], failed], "c": [*good[:3], failed], "d": [failed, *good[1:]]}
    monkeypatch.setattr(figures, "overfitting_of", lambda run: [Overfitting(ends[run], None, 400)])
    lines = onset_figure(list(ends), tmp_path / "onset")
    assert lines[-2:] == [
        "- meta-validation fitness, last point minus first: +0.3 in 1 of 4 searches",
        "- left out, as there is no meta-validation fitness: 2 at the last point, 1 at the first",
    ]
    assert json.loads((tmp_path / "onset.json").read_text())["gain"]["size"] == 1


def test_a_run_without_points_is_refused(tmp_path):
    run = small_run.make(tmp_path / "run", funnel=False)
    with pytest.raises(StoreError, match="fewer than two points of meta-validation"):
        onset_figure([run], tmp_path / "onset")
