"""The command `python -m search.evaluate`."""

import json
import shlex

import numpy as np
import pytest
import scipy.stats
from in_process import exit_code

from programs import load
from search.evaluate import main
from search.evaluation.evaluator import Evaluator
from search.evaluation.fitness import Outcome
from search.evaluation.optimizers import parse_hand_designed

LION = load("library:lion")
DIVERGES = "def train(w, g, lr):\n  update = g * 1e30\n  return update\n"


def test_json(capsys):
    command = "--task vision_mlp --task-set steps=30 --seeds 4 --engine compiled --json"
    assert main(["library:lion", *command.split()]) == 0
    (result,) = json.loads(capsys.readouterr().out)
    fitness = [row["fitness"] for row in result["seeds"]]
    assert result["task"] == "vision_mlp" and len(fitness) == 4
    low, high = scipy.stats.t.interval(
        0.95, 3, loc=np.mean(fitness), scale=scipy.stats.sem(fitness)
    )
    np.testing.assert_allclose(result["interval"], [low, high])
    assert result["mean"] == pytest.approx(np.mean(fitness))
    assert result["compile_seconds"] > 0 and result["run_seconds"] > 0
    assert result["engine"] == "compiled"


def _json(capsys, *command):
    assert main(["--engine", "compiled", "--task-set", "steps=30", "--json", *command]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_same_task_twice_gives_the_same_rows_twice(capsys):
    names = ["--task", "vision_mlp", "--task", "vision_mlp@1"]
    one, other = _json(capsys, "library:lion", *names, "--task-set", "shifts=0")
    for result in (one, other):
        assert [row["seed"] for row in result["seeds"]] == [0, 1, 2]
    assert one["interval"] == other["interval"] and one["mean"] == other["mean"]


def test_a_setting_of_one_task(capsys):
    names = ["--task", "language_mlp", "--task", "vision_mlp"]
    own = ["--task-set", "vision_mlp.steps=20", "--task-set", "language_mlp.text_limit=60000"]
    results = _json(capsys, "library:lion", *names, "--seeds", "1", *own)
    assert [result["seeds"][0]["steps"] for result in results] == [30, 20]


@pytest.mark.parametrize("engine", ["auto", "interpreted", "compiled"])
def test_which_engine_runs(task, engine):
    made = Evaluator([task], engine)
    assert made.engine_of(task.name, LION) == (
        "compiled" if engine == "compiled" else "interpreted"
    )
    assert (
        made.engine_of(task.name, parse_hand_designed("optax:sgd(learning_rate=1)")) == "compiled"
    )


def test_text(capsys, tmp_path):
    file = tmp_path / "rule.py"
    file.write_text(DIVERGES)
    command = "--task vision_mlp --task-set steps=30 --seeds 2 --engine compiled"
    assert main([str(file), *command.split()]) == 0
    out = capsys.readouterr().out
    assert "not every training completed" in out and Outcome.DIVERGED.value in out
    assert out.count("seed ") == 2


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("library:lyon --task vision_mlp", "did you mean 'lion'"),
        ("nothing.py --task vision_mlp", "cannot read 'nothing.py'"),
        ("library:lion --task vision_mpl", "did you mean 'vision_mlp'"),
        ("library:lion --task vision_mlp:big", "no preset 'big'"),
        ("library:lion --task vision_mlp@0", "a number > 0"),
        ("library:lion --task vision_mlp@x", "a number > 0 and <= 10000, got 'x'"),
        ("library:lion --task vision_mlp --task-set stepz=3", "did you mean 'steps'"),
        ("library:lion --task vision_mlp --task-set steps", "KEY=VALUE"),
        ("library:lion --task vision_mlp --seeds 0", "1 to 10000"),
        ("library:lion --task vision_mlp --engine fast", "invalid choice"),
        ("library:lion --task vision_mlp --tasks-file missing.py", "no file"),
        ("library:lion", "--task"),
        (
            "library:lion --task vision_mlp --task-set vision_mlp.steps=x",
            "steps: expected a whole number",
        ),
        (
            "library:lion --task vision_mlp --task-set vision_mpl.steps=9",
            "no task 'vision_mpl' here; did you mean 'vision_mlp'?",
        ),
        ("'' --task vision_mlp", "expected FILE, library:NAME or optax:NAME(...), got ''"),
        ("' ' --task vision_mlp", "expected FILE, library:NAME or optax:NAME(...), got ' '"),
        (
            "optax:sgd(learning_rate=1) --task vision_mlp --engine interpreted",
            "the engine 'interpreted' has no meaning for optax:sgd",
        ),
        ("optax:adamw(learning_rate=) --task vision_mlp", "expected optax:NAME"),
    ],
)
def test_bad_input_is_one_line(command, message, capsys):
    code = exit_code(main, shlex.split(command))
    captured = capsys.readouterr()
    assert code == 2
    assert captured.out == ""
    assert captured.err.startswith("error: ") and captured.err.count("\n") == 1
    assert message in captured.err


def test_help_teaches(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    out = capsys.readouterr().out
    assert all(word in out for word in ("library:lion", "optax:adamw", "vision_mlp", "--task-set"))
