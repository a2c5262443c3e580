"""Tables, sentences, figures and the page of a comparison whose trainings are a toy's."""

import dataclasses
import json
import math
import xml.etree.ElementTree as ElementTree
from statistics import fmean

import pytest

from search.comparing.compare import ComparisonResult
from search.comparing.entrants import entrants_of
from search.comparing.study import Study
from search.comparing.trial import Kind
from search.evaluation.seeds import COMPARISON
from search.reports.comparison.curves import batch_lines, batch_series, tuning_lines
from search.reports.comparison.figures import FIGURES, figures
from search.reports.comparison.files import csv_text, data, write
from search.reports.comparison.page import page
from search.reports.comparison.rows import cells, facts, head, runs
from search.reports.comparison.sentences import _of_difference, findings, shown_and_not, warnings
from search.reports.comparison.terminal import show
from tests.search.comparing.toy import Toy, config, fitness

OPTIMIZERS = [
    {"rule": "optax:adamw", "name": "A<b>", "space": {"decay": 0.1}},
    {"rule": "optax:adamw", "name": "B", "space": {"decay": 0.5}},
    {"rule": "optax:adamw", "name": "C", "space": {"decay": 0.9}},
]


def _better(trial):
    """B is a little better, C fails at batches of 16."""
    decay = dict(trial.contender.values)["decay"]
    if decay == 0.9 and trial.condition.batch_size == 16:
        return -math.inf
    return fitness(trial, noise=0.5) * 0.01 + (0.002 if decay == 0.5 else 0)


def _result(of=_better, **changes) -> ComparisonResult:
    settings = config(optimizers=OPTIMIZERS, **changes)
    conditions = Study(settings, Toy(of)).run()
    return ComparisonResult(settings, tuple(entrants_of(settings)), tuple(conditions))


@pytest.fixture(scope="module")
def result() -> ComparisonResult:
    return _result(
        batch_sizes=[8, 16], heat_map={"constants": ["rate", "beta1"], "points": [3, 2], "seeds": 1}
    )


def test_a_row_has_a_cell_for_each_column(result):
    for condition in result.conditions:
        rows = facts(result, condition)
        assert [row["verdict"] for row in rows].count("baseline") == 1
        for row in rows:
            assert len(cells(condition, row)) == len(head(condition))


def test_what_failed_has_no_numbers_and_says_so(result):
    [row] = [r for r in facts(result, result.conditions[1]) if r["optimizer"] == "C"]
    assert row["verdict"] == "not every training completed" and row["failed"] == 9
    assert row["test_fitness"] is None and row["times_fewer_steps"] is None
    [line] = [x for x in findings(result) if x.startswith("vision_mlp, batch 16: C")]
    assert "C: 9 final trainings, of its own or of" in line and "did not complete, so " in line
    [failed] = [d for d in result.differences if d.optimizer == "C" and d.failed]
    line = _of_difference(result, result.conditions[1], dataclasses.replace(failed, failed=1))
    assert "C: 1 final training, of its own or of" in line
    assert any("C: no draw has a fitness" in line for line in warnings(result))


def test_beside_a_baseline_that_failed_no_steps_are_said_not_to_be_reached():
    def fails(trial):
        return -math.inf if dict(trial.contender.values)["decay"] == 0.1 else fitness(trial)

    [condition] = (result := _result(fails)).conditions
    columns = zip(head(condition), *(cells(condition, row) for row in facts(result, condition)))
    assert ("times fewer steps", "none", "none", "none") in columns


def test_in_trainings_of_one_step_there_is_nothing_to_reach():
    one = _changed(_result(), lambda final: dataclasses.replace(final, curve=()))
    [condition] = one.conditions
    texts = [cells(condition, row) for row in facts(one, condition)]
    at = head(condition).index("times fewer steps")
    assert [text[at] for text in texts] == ["none"] * 3


def test_beside_a_baseline_that_failed_once_nothing_is_called_different():
    """By no mean over the other trainings, by no colour, by no sentence on a measure."""
    first = COMPARISON.take(1)[0]

    def once(trial):
        decay = dict(trial.contender.values)["decay"]
        if decay == 0.1 and trial.kind is Kind.FINAL and trial.seed == first:
            return -math.inf
        return {0.1: -1.0, 0.5: -2.0, 0.9: -0.5}[decay]

    result = _result(once, noise={})
    rows = facts(result, result.conditions[0])
    assert [row["failed"] for row in rows] == [1, 0, 0]
    for row in rows[1:]:
        assert row["difference"] is None and row["difference_low"] is None and row["p_holm"] == 1
    assert "#1f77b4" not in figures(result)["differences"].decode()
    assert not any("the training loss of" in line for line in findings(result))


def _with_measures(result, **measures) -> ComparisonResult:
    """The same, whose final trainings have also measured this."""
    return _changed(
        result, lambda final: dataclasses.replace(final, measures=final.measures | measures)
    )


def _changed(result, of) -> ComparisonResult:
    """The same with a function of each final training in its place."""

    def run(one):
        return dataclasses.replace(one, finals=tuple(map(of, one.finals)))

    def optimizer(one):
        return dataclasses.replace(one, runs=tuple(map(run, one.runs)))

    conditions = tuple(
        dataclasses.replace(one, optimizers=tuple(map(optimizer, one.optimizers)))
        for one in result.conditions
    )
    return dataclasses.replace(result, conditions=conditions)


def test_a_condition_without_any_training_has_no_size_and_takes_no_sentence_from_the_others():
    def first_fails(trial):
        return -math.inf if trial.condition.batch_size == 8 else _better(trial)

    settings = {"batch_sizes": [8, 32], "noise": {}}
    sentences = [_result(of, **settings) for of in (first_fails, _better)]
    about = [
        [line for line in findings(one) if line.startswith("vision_mlp, batch 32: the training")]
        for one in sentences
    ]
    assert len(about[0]) == len(about[1]) == 2
    text = page(sentences[0])
    assert "no training ended; baseline" in text and ">0 weights" not in text


def test_a_measure_that_a_training_lacks_is_said_not_to_be_compared(result):
    lines = findings(_with_measures(_result(noise={}), train_loss=math.nan))
    assert sum("the training loss of B is not compared with" in line for line in lines) == 1


def test_the_fitness_by_which_a_run_has_chosen_is_not_that_of_its_final_trainings(result):
    measured = _with_measures(result, validation_fitness=7.0, test_fitness=8.0, test_low=9.0)
    condition = measured.conditions[0]
    for row, before in zip(facts(measured, condition), facts(result, condition)):
        own = [r for r in runs(measured) if r["condition"] == condition.label
               and r["optimizer"] == row["optimizer"]]  # fmt: skip
        assert row["tuning_fitness"] == pytest.approx(fmean(r["tuning_fitness"] for r in own))
        assert row["test_fitness"] == pytest.approx(fmean(r["test_fitness"] for r in own))
        assert row == {**before, "validation_fitness": 7.0, "test_low": 9.0}


def test_every_comparison_has_a_sentence_that_says_what_is_not_shown(result):
    lines = findings(result)
    for d in result.differences:
        assert sum(line.startswith(f"{d.condition}: {d.optimizer} ") or
                   line.startswith(f"{d.condition}: {d.optimizer}:") for line in lines) == 1  # fmt: skip
    assert any("is not shown to differ from A<b>" in line for line in lines)
    assert any("per doubling of the batch" in line for line in lines)


@pytest.mark.parametrize(
    ("level", "text"), [(0.05, "(95 %)"), (0.025, "(97.5 %)"), (0.004, "(99.6 %)")]
)
def test_the_level_of_the_intervals_is_said_as_it_is(level, text, result):
    config = result.config.model_copy(update={"level": level})
    assert text in findings(dataclasses.replace(result, config=config))[0]


def test_what_is_shown_and_what_is_not_are_all_that_is_said(result):
    shown, rest = shown_and_not(result)
    assert sorted([*shown, *rest]) == sorted(findings(result))
    assert not any("not shown" in line or "no comparison" in line for line in shown)
    assert all("not shown" in line or "no comparison" in line for line in rest) and rest


def test_a_small_difference_is_called_small():
    def shifted(trial):
        extra = 0.02 if dict(trial.contender.values)["decay"] == 0.5 else 0.0
        luck = fitness(trial, noise=0.0) * 1e-9 + 0.1 * math.sin(trial.seed)
        return luck + extra

    lines = findings(_result(shifted))
    assert any("B is better than A<b>" in line and "a small difference" in line for line in lines)


def test_an_optimum_at_an_edge_is_warned_of(result):
    [line] = [x for x in warnings(_result(rate_is_high)) if x.startswith("B: the best rate")]
    assert "at the high edge of its range (0.0003 to 0.3)" in line and "3 of 3 tuning runs" in line


def rate_is_high(trial):
    """The higher the rate the better."""
    return dict(trial.contender.values)["rate"]


def test_the_page_needs_nothing_else_and_no_name_becomes_markup(result):
    text = page(result)
    for word in ("What it says", "Warnings", "Performance profile", "Batch size", "What was tuned"):
        assert word in text
    assert "<b>b" not in text and "A<b>" not in text and "A&lt;b&gt;" in text
    assert "src=" not in text.replace("script-src", "") and "python -m search.compare" in text


def test_every_figure_is_svg(result):
    drawn = figures(result)
    assert set(drawn) <= set(FIGURES)
    assert set(drawn) == {
        "differences", "tuning", "training", "profile", "batch_sizes", "heat_maps",
    }  # fmt: skip
    for picture in drawn.values():
        assert ElementTree.fromstring(picture).tag.endswith("svg")


def test_the_batch_sizes_of_each_schedule_have_a_line_of_their_own():
    several = _result(batch_sizes=[8, 16], schedules=["cosine", "linear"])
    assert batch_series(several) == ["vision_mlp", "vision_mlp, linear"]
    for series in batch_series(several):
        [line] = [one for one in batch_lines(several, series) if one.name == "B"]
        assert [x for x, _ in line.points] == [3, 4]
    assert "Batch size: vision_mlp, linear" in page(several)


def test_figures_of_an_earlier_config_do_not_stay_beside_the_page(result, tmp_path, monkeypatch):
    names = ["differences", "heat_maps"]
    drawn = lambda result: {name: b"<svg/>" for name in names}
    monkeypatch.setattr("search.reports.comparison.files.figures", drawn)
    write(result, tmp_path)
    (tmp_path / "mine.svg").touch()
    names.remove("heat_maps")
    write(result, tmp_path)
    assert {path.name for path in tmp_path.glob("*.svg")} == {"differences.svg", "mine.svg"}


def test_the_data_are_json_and_csv(result):
    plain = json.loads(json.dumps(data(result), allow_nan=False))
    assert len(plain["rows"]) == 6 and len(plain["runs"]) == 18
    assert plain["rows"][0]["baseline"] == "A<b>"
    text = csv_text(plain["rows"])
    assert text.count("\n") == 7 and text.startswith("condition,optimizer,baseline")


def test_where_nothing_was_trained_no_curve_of_tuning_is_drawn():
    nothing = _result(lambda trial: -math.inf)
    curves = json.loads(json.dumps(data(nothing), allow_nan=False))["expected_best"]
    assert [one["fitness"] for one in curves] == [None] * len(OPTIMIZERS)
    [condition] = nothing.conditions
    assert [line.points for line in tuning_lines(nothing, condition)] == [[]] * len(OPTIMIZERS)
    assert "No values yet." in page(nothing) and set(figures(nothing)) <= set(FIGURES)


def test_the_terminal_shows_all_of_it(result, capsys):
    show(result)
    out = capsys.readouterr().out
    for one in OPTIMIZERS:
        assert one["name"] in out
    assert "warning: " in out and "trainings run" in out
