"""python -m proxy_tasks."""

import json

import pytest

from proxy_tasks import __main__ as command_line


def test_command_line(capsys, tmp_path):
    assert command_line.main(["list", "vision_mlp", "--task-set", "steps=5"]) == 0
    assert "vision_mlp" in capsys.readouterr().out
    file = tmp_path / "file"
    file.touch()
    wrong = [
        ["list", "vision_mpl"],
        ["list", "vision_mlp@0"],
        ["list", "vision_mlp", "--task-set", "steps=0"],
        ["list", "vision_mlp", "--task-set", "data=idx:/nowhere"],
        ["list", "language_mlp", "--task-set", "data=text:/nowhere"],
        ["list", "--tasks-file", str(tmp_path / "none.py")],
        ["train", "vision_mpl"],
        ["train", "vision_mlp", "--seeds", "0"],
        ["train", "vision_mlp", "--learning-rate", "nan"],
        ["train", "vision_mlp", "--learning-rate", "0"],
        ["train", "vision_mlp", "--weight-decay", "-1"],
        ["train", "vision_mlp", "--task-set", "warmup=1e8"],
        ["convert", "images:/nowhere", str(tmp_path)],
        ["convert", "digits", str(file)],
        ["convert", "digits", str(file / "below")],
        ["convert", "digits", "/proc/nothing"],
        ["convert", "digits", str(tmp_path / "new"), "--image-size", "0"],
        ["convert", "digits", str(tmp_path / "new"), "--image-size", "-8"],
        ["convert", "digits", str(tmp_path / "new"), "--fraction", "0"],
    ]
    for arguments in wrong:
        assert command_line.main(arguments) == 2
        message = capsys.readouterr().err
        assert message.startswith("error: ")
        assert message.count("\n") == 1
    assert list(tmp_path.iterdir()) == [file]


def test_the_list_as_a_table_and_as_json(capsys):
    assert (
        command_line.main(["list", "vision_mlp", "--task-set", "vision_mlp.steps=5", "--json"]) == 0
    )
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["task"], row["parameters"], row["steps"]) == ("vision_mlp", 2410, 5)
    assert command_line.main(["list", "vision_mlp@2", "vision_mlp"]) == 0
    head, scaled, plain, *legend = capsys.readouterr().out.splitlines()
    assert head.split() == [*row] and plain.split()[0] == "vision_mlp"
    assert scaled.split()[0] == "vision_mlp@2" and legend[0].startswith("gflops: ")


def test_a_training_s_measures_as_a_table_and_as_json(capsys):
    arguments = ["train", "vision_mlp", "--task-set", "steps=3", "--seeds", "2"]
    assert command_line.main([*arguments, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["seed"], row["split"]) for row in rows] == [
        (seed, split) for seed in (0, 1) for split in ("search_validation", "meta_validation")
    ]
    assert all(row["loss"] > 0 and 0 <= row["accuracy"] <= 1 for row in rows)
    assert command_line.main([*arguments, "--json", "--learning-rate", "1e30"]) == 0
    diverged = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert all(row["loss"] is None for row in diverged)
    assert command_line.main(arguments) == 0
    head, *lines, last = capsys.readouterr().out.splitlines()
    assert head.split() == [*rows[0]] and len(lines) == 4 and "loss 2.31" in last
