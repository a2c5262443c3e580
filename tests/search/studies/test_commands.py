"""The commands of studies: small ones from end to end, in pieces, and mistakes."""

import json
import math
import runpy
from pathlib import Path

import pytest
import toys

from search.evaluation.fitness import Evaluation, Outcome
from search.evaluation.source import Function
from search.selection import funnel
from search.studies import settings

SCRIPTS = Path(__file__).parents[3] / "scripts"
CONFIG = """\
evolution: {children: 80, warm_start: library:lion, population: 20, repeats: 1, rounds: 1, window: 8, tournament: 3}
evaluation:
  tasks: [vision_mlp]
  settings: {vision_mlp: {steps: 4, hidden: 2, validation_examples: 64}}
  hurdles: {at: [0.5], audit_share: 0.0}
  rates: [1.0, 0.5]
rescore: {programs: 2, seeds: 2}
workers: {address: in_process}
funnel:
  head_start: {draws: 2, keep: 1, seeds: 1}
  families: 1
  stages: [{name: A, seeds: 6, keep: 1, beat: false, tuning: {draws: 1}}]
  finals: {tunings: 1, seeds: 6}
"""
TOY = Function(toys.stepper_factory)


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def toy_trainings(monkeypatch):
    """What follows a search is a toy as well."""
    monkeypatch.setattr(funnel, "evaluation_function", lambda *_, **__: toys.stepper)


def command(name, *words, source=None):
    main = runpy.run_path(str(SCRIPTS / name))["main"]
    return main([str(word) for word in words], source)


def test_search_in_pieces(config, tmp_path, capsys, toy_trainings):
    words = ["--config", config, "--out", tmp_path / "out", "--trainings", 40, "--repeats", 2]
    assert command("study_search", *words, "--hours", 0, source=TOY) == 3
    assert "The hours of this piece are over. The same command goes on." in capsys.readouterr().out
    assert command("study_search", *words, source=TOY) == 0
    out = capsys.readouterr().out
    assert "evolution against constants only: best search fitness: intervals" in out
    assert (tmp_path / "out" / "figure.png").stat().st_size > 1000
    assert command("study_search", *words, "--others", 5, source=TOY) == 2
    assert "holds another study: others is 4.0 there, 5.0 here" in capsys.readouterr().err
    runs = [tmp_path / "out" / "runs" / f"evolution-{seed}" for seed in (0, 1)]
    words = ["--evolution", *runs, "--out", tmp_path / "beside"]
    assert command("study_search", *words, source=TOY) == 0
    arms = json.loads((tmp_path / "beside" / "figure.json").read_text())["arms"]
    assert arms["evolution"]["runs"] == list(map(str, runs))
    assert arms["random"]["trainings"] >= 4 * arms["evolution"]["trainings"]
    assert arms["evolution"]["fresh"]["value"] is not None
    assert command("study_search", *words, "--set", "evaluation.rates=[1.0]", source=TOY) == 2
    assert "holds another study: config is " in capsys.readouterr().err
    words = ["--evolution", runs[0], runs[0] / ".." / "evolution-0", "--out", tmp_path / "twice"]
    assert command("study_search", *words, source=TOY) == 2
    assert "expected different seeds, got [0, 0]" in capsys.readouterr().err


def test_onset(config, tmp_path, capsys):
    words = ["--config", config, "--out", tmp_path / "out", "--children", 60, "--points", 3]
    words += ["--repeats", 2, "--set", "meta_validation={scale: 1, seeds: 2}"]
    assert command("study_onset", *words, source=TOY) == 0
    assert "meta-overfitting begins in 0 of 2 searches: 0 % [0, 84]" in capsys.readouterr().out


def test_null(config, tmp_path, capsys, toy_trainings):
    words = ["--config", config, "--out", tmp_path / "out", "--repeats", 1, "--kind", "baseline"]
    assert command("study_null", *words, source=TOY) == 0
    kept = json.loads((tmp_path / "out" / "baseline-0.json").read_text())
    assert [stage["stage"] for stage in kept["stages"]] == ["A", "finals"]
    assert kept["set_aside"] == 0
    assert "baseline: a level of 0.05 is not decided by so few funnels: " in capsys.readouterr().out
    assert command("study_null", *words, "--set", "funnel=null", source=TOY) == 2


def test_settings(config, tmp_path, capsys, toy_trainings, monkeypatch):
    monkeypatch.setattr(settings, "LEADING", 2)
    words = ["--config", config, "--out", tmp_path / "out", "--trainings", 30, "--repeats", 1]
    assert command("study_settings", *words, "--seeds", 2, source=TOY) == 0
    table = capsys.readouterr().out
    assert "without rates" in table and "none of them" in table
    kept = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert set(kept) == {"all", "without rates", "with islands", "none of them"}


def test_noise(config, tmp_path, capsys, toy_trainings):
    words = ["--config", config, "--out", tmp_path / "a", "--trainings", 60, "--repeats", 1]
    assert command("study_search", *words, source=TOY) == 0
    run = tmp_path / "a" / "runs" / "evolution-0"
    before = (run / "search.db").read_bytes()
    capsys.readouterr()
    words = [run, "--out", tmp_path / "b", "--programs", 3, "--seeds", 2, "--ended", 4]
    assert command("study_noise", *words, source=TOY) == 0
    out = capsys.readouterr().out
    assert "Rank correlation with the mean of 2 fresh seeds:" in out
    assert "a limit of 0.5%:" in out
    assert (run / "search.db").read_bytes() == before
    other = ["--set", "evaluation.settings.vision_mlp.steps=8"]
    assert command("study_noise", *words, *other, source=TOY) == 2
    assert "holds another study: config is " in capsys.readouterr().err
    assert command("study_noise", tmp_path / "none", "--out", tmp_path / "c", source=TOY) == 2
    assert "no search here" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["study_search", "study_settings", "study_noise"])
def test_more_seeds_than_studies_have_are_refused_before_anything_runs(name, capsys):
    with pytest.raises(SystemExit) as ended:
        command(name, "RUN" if name == "study_noise" else "--seeds=1001", "--seeds=1001")
    assert ended.value.code == 2
    assert "from 1 to 1000, the seeds of studies" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--points", "--children"])
def test_an_onset_needs_two_points(option, config, tmp_path, capsys):
    words = ["--config", config, "--out", tmp_path / "out", option, 1]
    assert command("study_onset", *words, source=TOY) == 2
    assert "children and points: expected 2 or more of each, got" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.fixture
def nothing_learns(monkeypatch, config):
    """No program has a fitness."""

    def diverges(job):
        return [Evaluation(r.task, r.seed, -math.inf, Outcome.DIVERGED, 1) for r in job.requests]

    monkeypatch.setattr(funnel, "evaluation_function", lambda *_, **__: diverges)
    config.write_text(CONFIG.replace("  rates: [1.0, 0.5]\n", ""))
    return Function(lambda: diverges)


@pytest.mark.parametrize(
    ("name", "words", "text"),
    [
        ("study_search", ["--trainings=20"], "evolution-0: no program has a fitness"),
        ("study_null", ["--set=evolution.children=20"], "0 of 1, at most 1"),
        (
            "study_onset",
            ["--children=20", "--points=2", "--set", "meta_validation={scale: 1, seeds: 2}"],
            "search-0: no program has a fitness",
        ),
    ],
)
def test_searches_without_a_fitness_end_no_study(
    name, words, text, nothing_learns, config, tmp_path, capsys
):
    words = ["--config", config, "--out", tmp_path / "out", "--repeats", 1, *words]
    assert command(name, *words, source=nothing_learns) == 0
    assert text in capsys.readouterr().out
