"""The command `search.simplify`, and what its trainings are."""

import pytest
from in_process import exit_code

from programs import load
from search import simplify as command
from search.evaluation.evaluator import Evaluator, evaluator_for
from search.evaluation.request import Request
from search.selection.families import structure

LION = load("library:lion")


def test_settings_of_all_tasks_and_of_one():
    tasks = ["vision_mlp", "language_mlp@2"]
    evaluator = evaluator_for(tasks, ["steps=20", "language_mlp.text_limit=8000"])
    assert evaluator.task("vision_mlp").steps == 20
    assert evaluator.task("language_mlp@2").settings.text_limit == 8000
    assert evaluator.task("language_mlp@4").settings.text_limit == 8000


def test_a_real_training_scores_both_splits():
    evaluator = Evaluator(engine="compiled", settings={"vision_mlp": {"steps": 30, "hidden": 4}})
    search, meta = evaluator(
        [Request(LION, "vision_mlp", 0), Request(LION, "vision_mlp", 0, "meta_validation")]
    )
    assert -10 < search < 0 and -10 < meta < 0 and search != meta
    assert evaluator([Request(LION, "vision_mlp", 0)]) == [search]


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["library:lino", "--task", "vision_mlp"], "lion"),
        (["library:lion", "--task", "vision_mpl"], "vision_mlp"),
        (["library:lion"], "--task"),
        (["library:lion", "--task", "vision_mlp", "--seeds", "1"], "at least 2"),
        (
            ["library:lion", "--task", "vision_mlp", "--seeds", "1001"],
            "more than the 1000 there are",
        ),
        (["library:lion", "--task", "vision_mlp", "--confirm-seeds", "334"], "--confirm-seeds: "),
        (["library:lion", "--task", "vision_mlp", "--tolerance", "-1"], "above 0"),
        (["library:lion", "--task", "vision_mlp", "--level", "0.7"], "below 0.5"),
        (["library:lion", "--task", "vision_mlp", "--out", "/no/such/x.py"], "cannot be written"),
        (["library:lion", "--task", "vision_mlp", "--certificate", "/"], "cannot be written"),
        (["library:lion", "--task", "vision_mlp", "--task-set", "stps=3"], "steps"),
        (["library:lion", "--task", "vision_mlp", "--task-set", "vision_mlp.steps=x"], "steps"),
    ],
)
def test_mistakes_are_one_clear_line(argv, said, capsys):
    code = exit_code(command.main, argv)
    assert code == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") <= 1 and "Traceback" not in err


@pytest.mark.slow
@pytest.mark.parametrize("name", ["program8", "program4"])
def test_the_papers_programs_become_lion_on_real_tasks(name, tmp_path, capsys):
    """Minutes: clip and arcsin go by measurement, all else has to stay."""
    out = tmp_path / "final.py"
    argv = [f"library:{name}", "--tune", "192", "--tolerance-sd", "2", "--out", str(out)]
    argv += ["--task", "vision_mlp:long", "--task", "language_mlp:long"]
    assert command.main(argv) == 0
    final = load(str(out))
    assert structure(final) == structure(LION) and len(final) == 7


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--tune", "1"], "--tune: one draw tunes nothing"),
        (["--out", "o.py", "--certificate", "./o.py"], "o.py is where the program goes"),
    ],
)
def test_options_that_would_lose_something_are_refused(
    tmp_path, monkeypatch, capsys, words, message
):
    monkeypatch.chdir(tmp_path)
    assert exit_code(command.main, ["library:lion", "--task", "vision_mlp", *words]) == 2
    assert message in capsys.readouterr().err
