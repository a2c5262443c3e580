"""The command: its files, its messages, and that nothing is trained twice."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from search import api
from search.compare import main
from search.comparing import versions
from search.comparing.compare import Checks
from search.comparing.records import FILE, read_line
from search.config.comparison import ComparisonConfig
from search.config.load import ConfigError, load_as, read_as
from search.evaluation.inspection import inspect_here
from search.storage import identity
from tests.search.in_process import exit_code

ROOT = Path(__file__).parents[2]
TASKS_FILE = ["--tasks-file", str(ROOT / "examples/plane.py")]
CONFIGS = sorted((ROOT / "configs/compare").glob("*.yaml"))
SMALL = {
    "optimizers": [
        {"rule": "optax:adamw", "name": "AdamW"},
        {"rule": "library:signum", "name": "Signum"},
    ],
    "tasks": ["plane"],
    "settings": {"plane": {"steps": 12}},
    "tuning": {"runs": 3, "draws": 2, "keep": 1, "seeds": 1},
    "test": {"seeds": 2},
    "curve": [0.5],
    "workers": {"address": "in_process"},
}


@pytest.fixture
def in_process(monkeypatch):
    """Tasks are looked at in this process, which is quicker."""
    look = lambda names, settings, tasks_file: inspect_here(names, settings, tasks_file=tasks_file)
    monkeypatch.setattr("search.comparing.compare.inspect_tasks", look)


def lines(record: Path) -> list[str]:
    """The keys on disk, in order."""
    return [read_line(raw)[0] for raw in record.read_bytes().split(b"\n") if raw]


def written(tmp_path, **changes) -> list[str]:
    """The command's words for a small comparison."""
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(SMALL | changes))
    return ["--config", str(path), "--run-dir", str(tmp_path / "run"), *TASKS_FILE]


def test_the_files_are_written_and_the_same_again_trains_nothing(tmp_path, capsys, in_process):
    words = written(
        tmp_path,
        noise={"sizes": [0.1], "draws": 2},
        heat_map={"points": [2, 2], "seeds": 1},
        speed={"steps": 2, "repeats": 1},
    )
    assert main(words) == 0
    first, run = capsys.readouterr().out, tmp_path / "run"
    assert "plane: 9 weights, 12 steps" in first and "Signum" in first and "0 reused" in first
    rows = list(csv.DictReader((run / "comparison.csv").open()))
    assert [row["optimizer"] for row in rows] == ["AdamW", "Signum"]
    assert float(rows[0]["state_bytes_per_weight"]) > float(rows[1]["state_bytes_per_weight"])
    assert all(float(row["seconds_per_step"]) > 0 for row in rows)
    data = json.loads((run / "comparison.json").read_text())
    assert len(data["runs"]) == 6 and len(data["heat_maps"]) == 2 and data["findings"]
    assert "What it says" in (run / "comparison.html").read_text()
    for name in ("differences", "tuning", "training", "profile", "heat_maps", "noise"):
        assert (run / f"{name}.svg").read_bytes().startswith(b"<?xml")
    trained = lines(run / FILE)
    assert len(trained) == len(set(trained))

    assert main(words) == 0
    again = capsys.readouterr().out
    assert "0 trainings run" in again and lines(run / FILE) == trained
    assert again.split("0 trainings run")[0] == first.rsplit("\n", 3)[0] + "\n"
    assert json.loads((run / "comparison.json").read_text()) == data

    config = load_as(ComparisonConfig, words[1])
    result = api.compare(config.model_dump(), run, tasks_file=TASKS_FILE[1])
    assert result.config == config and result.trained == 0 and result.reused
    assert [one.optimizer for one in result.differences] == ["Signum"]
    assert capsys.readouterr() == ("", "")  # progress goes to the logger


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"optimizers": ["optax:adamw"]}, "optimizers: expected a list"),
        ({"tasks": ["plain"]}, "tasks[0]: task 'plain': no task 'plain'"),
        ({"settings": {"plane": {"step": 3}}}, "settings.plane.step: "),
        ({"settings": {"plain": {"steps": 3}}}, "settings.plain: is not one of tasks"),
        ({"tasks": ["plane@2"], "settings": {"plane": {"step": 3}}}, "settings.plane.step: "),
        ({"batch_sizes": [0]}, "batch_sizes[0]: expected a whole number >= 1"),
        ({"tuning": {"runs": 2}}, "tuning.runs: expected a whole number >= 3"),
        ({"tuning": {"draws": 2, "keep": 3}}, "keep (3) is more than tuning.draws (2)"),
        ({"tasks": ["plane", "plane"]}, "tasks: plane is given twice"),
        ({"tunning": {}}, "unknown key; did you mean 'tuning'?"),
        ({"heat_map": {"point": 3}}, "heat_map.point: unknown key; did you mean 'points'?"),
        ({"baseline": "Adam"}, "no optimizer is called 'Adam'; did you mean 'AdamW'?"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_run(tmp_path, capsys, in_process, changes, words):
    assert exit_code(main, written(tmp_path, **changes)) == 2
    error = capsys.readouterr().err
    assert words in error and "nothing was run" in error and "small.yaml:" in error
    assert not (tmp_path / "run").exists()


def test_examples_cannot_be_held_by_a_task_without_the_setting_steps(tmp_path, capsys, in_process):
    file = tmp_path / "mine.py"
    file.write_text(
        "import numpy as np\n"
        "from proxy_tasks import Task, register, split_examples\n"
        "@register\n"
        "def stepless(batch_size: int = 4) -> Task:\n"
        "    loss = lambda weights, batch: (weights * batch).mean()\n"
        "    data = split_examples(np.ones(20, np.float32))\n"
        "    return Task(lambda key: np.float32(1), loss, data, 5, batch_size)\n"
    )
    changes = {"tasks": ["stepless"], "settings": {}, "batch_sizes": [4, 8], "hold": "examples"}
    assert exit_code(main, [*written(tmp_path, **changes), "--tasks-file", str(file)]) == 2
    error = capsys.readouterr().err
    assert "hold: examples sets the steps of each task: task stepless: no setting 'steps'" in error
    assert error.count("no setting") == 1 and not (tmp_path / "run").exists()


def test_each_condition_has_the_fingerprint_of_its_task(in_process):
    axes = {"schedules": ["cosine", "linear"], "warmups": [0.1, 0.2], "batch_sizes": [8, 16]}
    tasks = {"tasks": ["vision_mlp"], "settings": {"vision_mlp": {"steps": 5}}}
    checks = Checks()
    assert not list(checks.mistakes(read_as(ComparisonConfig, SMALL | axes | tasks)))
    assert checks.fingerprints == {c: c.make().fingerprint for c in checks.fingerprints}
    assert len(set(checks.fingerprints.values())) == len(checks.fingerprints) == 8


def test_other_versions_than_before_are_told(tmp_path, monkeypatch, capsys, in_process):
    words = written(tmp_path)
    assert main(words) == 0
    assert "last bits" not in capsys.readouterr().out
    before = json.loads((tmp_path / "run" / "versions.json").read_text())
    assert [sorted(one) for one in before] == [sorted(identity.versions())]
    monkeypatch.setattr(identity, "versions", lambda: {**before[0], "jax": "0.1"})
    monkeypatch.setattr(versions, "versions", identity.versions)
    assert main(words) == 0
    said = f'fitness may differ in its last bits: jax was "{before[0]["jax"]}", now "0.1"'
    assert said in capsys.readouterr().out
    after = json.loads((tmp_path / "run" / "versions.json").read_text())
    assert after == [*before, {**before[0], "jax": "0.1"}]


@pytest.mark.parametrize("content", ["", "[", "{}", "[3]", "null", '"x"', "[]"])
def test_a_damaged_file_of_versions_is_written_anew(tmp_path, content):
    (tmp_path / versions.FILE).write_text(content)
    versions.changes(tmp_path)
    assert json.loads((tmp_path / versions.FILE).read_text())[-1] == identity.versions()


def test_from_python_a_mistake_is_an_exception(tmp_path, in_process):
    for config, words in (
        (SMALL | {"tasks": ["plain"]}, "tasks.0.: task 'plain': no task 'plain'"),
        (tmp_path / "nothing.yaml", "nothing.yaml: cannot be read"),
        (7, "config: expected a file, a dictionary or settings, got 7"),
    ):
        with pytest.raises(ConfigError, match=words):
            api.compare(config, tmp_path / "run", tasks_file=TASKS_FILE[1])
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_config_says_its_command_time_and_result_and_can_be_run(path):
    text = path.read_text()
    for word in (f"# Command: python -m search.compare --config configs/compare/{path.name}",
                 "# Time:", "# Result:"):  # fmt: skip
        assert word in text
    from search.comparing.entrants import mistakes_of

    assert not list(mistakes_of(load_as(ComparisonConfig, path)))


@pytest.mark.slow
def test_a_killed_comparison_goes_on_and_ends_as_one_that_was_not(tmp_path):
    (tmp_path / "a").mkdir(), (tmp_path / "b").mkdir()
    whole = written(tmp_path / "a")
    assert main(whole) == 0
    words = written(tmp_path / "b")
    command = [sys.executable, "-m", "search.compare", *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    record = tmp_path / "b/run" / FILE
    kept: list[str] = []
    for count in (1, 4, 9):
        process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
        while process.poll() is None:
            if record.exists() and record.read_bytes().count(b"\n") >= count:
                process.send_signal(signal.SIGKILL)
                break
            time.sleep(0.01)
        process.wait()
        raw = record.read_bytes()
        record.write_bytes(raw[: raw.rfind(b"\n") + 1])
        now = lines(record)
        assert now[: len(kept)] == kept
        kept = now
    assert main(words) == 0
    results = [json.loads((tmp_path / name / "run/comparison.json").read_text()) for name in "ab"]
    assert results[0]["rows"] == results[1]["rows"] and results[0]["runs"] == results[1]["runs"]
    assert len(lines(record)) == len(set(lines(record)))


@pytest.mark.slow
def test_the_smoke_config_runs_on_ray(tmp_path):
    command = [sys.executable, "-m", "search.compare"]
    command += ["--config", "configs/compare/smoke.yaml", "--run-dir", str(tmp_path / "run")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=3000)
    assert done.returncode == 0, done.stderr
    data = json.loads((tmp_path / "run/comparison.json").read_text())
    assert len(data["rows"]) == 2 * len(data["config"]["tasks"])
    assert all(row["failed"] == 0 for row in data["rows"])
