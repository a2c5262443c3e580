"""A search goes on from its run directory alone, and may get more children."""

from __future__ import annotations

import json
import shlex
import shutil

import pytest
import toys
from in_process import digest, history

from search import api
from search.config.load import ConfigError
from search.evaluation.source import Function
from search.run import main
from search.storage.queries import events
from search.storage.store import Reader, StoreError

TOY = Function(toys.factory())
CONFIG = """\
evolution: {children: 60, population: 20, repeats: 2, rounds: 1, window: 8, flat_children: 58}
evaluation: {tasks: toy}
rescore: {programs: 2, seeds: 2}
workers: {address: in_process}
funnel: null
"""


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "toy.yaml"
    path.write_text(CONFIG)
    return str(path)


@pytest.fixture(scope="module")
def finished(config, tmp_path_factory):
    path = tmp_path_factory.mktemp("finished") / "run"
    assert main(["--config", config, "--run-dir", str(path), "--set", "seed=3"], TOY) == 0
    return path


@pytest.fixture
def run_dir(finished, tmp_path):
    """A copy of a finished run."""
    return shutil.copytree(finished, tmp_path / "run")


def test_the_run_directory_is_enough(run_dir, finished, config):
    assert main(["--resume", str(run_dir)], TOY) == 0
    assert main(["--resume", str(run_dir), "--run-dir", str(run_dir)], TOY) == 0
    assert main(["--resume", "--run-dir", str(run_dir)], TOY) == 0
    same = ["--config", config, "--set", "seed=3"]
    assert main(["--resume", str(run_dir), *same], TOY) == 0
    assert main(["--run-dir", str(run_dir), *same, "--resume"], TOY) == 0
    assert digest(run_dir) == digest(finished)


RULE = """\
def train(w, g, m, lr):
    m = interp(g, m, {})
    update = m * lr
    return update, m
"""


def test_it_is_enough_without_the_files_that_the_config_names(
    tmp_path, finished, monkeypatch, capsys
):
    (tmp_path / "rule.py").write_text(RULE.format(0.9))
    (tmp_path / "begun.yaml").write_text(CONFIG)
    shutil.copytree(finished, tmp_path / "earlier")
    monkeypatch.chdir(tmp_path)
    names = ["--set", "evolution.warm_start=rule.py", "--set", "cache.runs=earlier"]
    names += ["--set", "seed=0"]
    assert main(["--config", "begun.yaml", "--run-dir", "run", *names], TOY) == 0
    before, run_dir = history(tmp_path / "run"), str(tmp_path / "run")
    shutil.rmtree("earlier")
    (tmp_path / "rule.py").write_text(RULE.format(0.5))
    capsys.readouterr()
    assert main(["--resume", run_dir], TOY) == 0
    warning = "warning: rule.py: differs from what the run began with, which it keeps and uses"
    assert warning in capsys.readouterr().out
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert main(["--resume", run_dir, "--set", "evolution.children=70"], TOY) == 0
    after = history(tmp_path / "run")
    assert after[: len(before)] == before and len(after) > len(before)


def test_a_config_on_top_must_be_that_of_the_same_search(run_dir, config, capsys):
    assert main(["--resume", str(run_dir), "--config", config], TOY) == 2
    assert "holds another search: seed was 3, now 0" in capsys.readouterr().err


def test_what_an_earlier_conclusion_has_left_is_named(run_dir, capsys):
    """This one has no funnel, so nothing takes its place."""
    (run_dir / "final.py").touch()
    assert main(["--resume", str(run_dir), "--set", "evolution.children=70"], TOY) == 0
    assert f"warning: {run_dir}: of an earlier conclusion are final.py" in capsys.readouterr().out


def test_from_python(run_dir, finished):
    before = len(api.search(None, run_dir, resume=True, source=TOY).history())
    assert digest(run_dir) == digest(finished)
    more = api.search(None, run_dir, resume=True, overrides=["evolution.children=90"], source=TOY)
    assert len(more.history()) > before
    with pytest.raises(ValueError, match="a new search needs a config"):
        api.search(None, run_dir.parent / "new", source=TOY)
    with pytest.raises(StoreError, match="no search here"):
        api.search(None, run_dir.parent / "new", resume=True, source=TOY)
    assert not (run_dir.parent / "new").exists()


def test_more_children_are_those_of_the_longer_search(run_dir, config, tmp_path):
    before = history(run_dir)
    assert main(["--resume", str(run_dir), "--set", "evolution.children=100"], TOY) == 0
    longer = ["--set", "seed=3", "--set", "evolution.children=100"]
    assert main(["--config", config, "--run-dir", str(tmp_path / "new"), *longer], TOY) == 0
    assert digest(run_dir) == digest(tmp_path / "new")
    assert history(run_dir)[: len(before)] == before
    assert len(before) < len(history(run_dir))
    with Reader(run_dir) as store:
        said = [event.text for event in events(store) if event.kind == "children"]
    assert said == ["evolution.children was 60, now 100"]
    assert main(["--resume", str(run_dir)], TOY) == 0
    assert digest(run_dir) == digest(tmp_path / "new")


@pytest.mark.parametrize(
    "options, words",
    [
        (["evolution.children=59"], "evolution.children was 60, now 59"),
        (["evolution.children=70", "seed=4"], "seed was 3, now 4"),
        (["evolution.children=70", "evolution.rounds=2"], "evolution.rounds was 1, now 2"),
    ],
)
def test_nothing_else_may_differ(run_dir, finished, capsys, options, words):
    sets = [part for option in options for part in ("--set", option)]
    assert main(["--resume", str(run_dir), *sets], TOY) == 2
    said = capsys.readouterr().err
    assert "holds another search: " in said and words in said and said.count("\n") == 1
    assert digest(run_dir) == digest(finished)


def test_a_search_of_two_rounds_gets_no_more_children_and_says_why(tmp_path, config, capsys):
    two = ["--set", "evolution.rounds=2", "--set", "evolution.children=10"]
    assert main(["--config", config, "--run-dir", str(tmp_path / "run"), *two], TOY) == 0
    more = ["--set", "evolution.children=11"]
    assert main(["--resume", str(tmp_path / "run"), *more], TOY) == 2
    assert capsys.readouterr().err == (
        f"error: {tmp_path / 'run'}: holds another search: evolution.children was 10, now 11 "
        "(children can only be added to a search of one round: evolution.rounds is 2, and a later "
        "round begins with what the one before it found)\n"
    )


def test_mistakes_are_named_by_their_position_in_what_is_kept(run_dir, capsys):
    assert main(["--resume", str(run_dir), "--set", "stop.hour=1"], TOY) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: --set stop.hour=1: stop.hour: unknown key; did you mean 'hours'")
    with pytest.raises(ConfigError, match="unknown key"):
        api.search(None, run_dir, resume=True, overrides=["stop.hour=1"], source=TOY)


@pytest.mark.parametrize(
    "options, words",
    [
        ([], "expected --config FILE, or --resume RUN_DIR"),
        (["--resume"], "expected --resume RUN_DIR"),
        (["--resume", "a", "--run-dir", "b"], "--resume a and --run-dir b differ: expected one"),
    ],
)
def test_a_command_without_a_search_is_one_line(capsys, options, words):
    with pytest.raises(SystemExit) as ended:
        main(options, TOY)
    assert ended.value.code == 2
    assert words in capsys.readouterr().err


def test_after_a_stop_both_commands_work(tmp_path, config, capsys):
    """The one concludes with the results so far, the other goes on."""

    class Stopping:
        is_running = True
        asked = 0

        def prepare(self):
            pass

        defer = prepare

        def __call__(self):
            self.asked += 1
            return 15 if self.asked > 3 else None

    path = tmp_path / "the run"
    options = ["--config", config, "--run-dir", str(path), "--set", "workers.batch_s=1e-6"]
    assert main([*options, "--view", "json"], TOY, Stopping()) == 143
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    there = history(path)
    conclude, resume = (shlex.split(lines[-i][key]) for i, key in ((3, "conclude"), (1, "resume")))
    assert resume[3:] == ["--resume", str(path)]
    assert main(conclude[3:], TOY) == 0
    assert history(path) == there
    said = capsys.readouterr().out
    assert "Stopped after " in said and "(stop.hours: 0)" in said and "Leading programs" in said
    assert main([*resume[3:], "--set", "stop.hours=null"], TOY) == 0
    assert len(history(path)) > len(there)


def test_a_job_that_is_started_again_begins_or_goes_on(tmp_path, capsys):
    """The same command, whatever has happened; the config says where."""
    run_dir = tmp_path / "run"
    config = tmp_path / "toy.yaml"
    config.write_text(CONFIG + f"store: {{run_dir: {run_dir}}}\n")
    again = ["--config", str(config), "--resume-if-begun"]
    assert main([*again, "--set", "stop.trainings=1"], TOY) == 0
    with Reader(run_dir) as store:
        assert 0 < store.rows("SELECT count(*) FROM individuals")[0][0] < 122
    assert main(again, TOY) == 0
    assert main(["--config", str(config)], TOY) == 2
    assert "already holds a search" in capsys.readouterr().err
    assert main([*again, "--run-dir", str(tmp_path / "other")], TOY) == 0
    assert digest(run_dir) == digest(tmp_path / "other")


def test_a_job_has_an_absolute_run_directory(config, monkeypatch, capsys):
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")
    assert main(["--config", config, "--run-dir", "runs/here"], TOY) == 2
    assert (
        "error: runs/here: a Ray job runs in a folder that Ray removes" in capsys.readouterr().err
    )
