"""The command `search.funnel`, with a toy in the workers' place."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import pytest
from in_process import exit_code
from toys import Noisy, Workers, fill_search

from programs import load
from search import funnel
from search.config.selection import FINALS_STAGE, FunnelSettings
from search.config.settings import Config, EvaluationSettings
from search.selection import funnel as selection_funnel
from search.storage.errors import StoreError
from search.storage.kept import keep
from search.storage.queries import stage_entries, stages, trainings
from search.storage.schema import TrainingRow
from search.storage.store import Reader, Store
from tests.search.selection.test_stages import ADAMW, LION, is_lion, numbered


@pytest.fixture
def paid(monkeypatch):
    workers = Workers(Noisy(lambda r: 1.0 * is_lion(r.program)))
    monkeypatch.setattr(selection_funnel, "evaluation_function", workers.factory)
    return workers


PROGRAMS = ["--program", "library:lion", "--program", "library:adam", "--task", "vision_mlp"]
QUICK = ["--set", "workers.address=in_process", "--set", "funnel.stages.C.scale=20",
         "--set", "funnel.stages.B.scale=2", "--set", "funnel.head_start.draws=8"]  # fmt: skip


def test_a_later_funnel_that_ends_earlier_leaves_no_stages_of_the_first(tmp_path, capsys, paid):
    command = [*PROGRAMS, *QUICK, "--run-dir", str(tmp_path)]
    assert funnel.main(command) == 0
    assert funnel.main(["--program", "library:sgd", "--task", "vision_mlp", *command[6:]]) == 0
    with Reader(tmp_path) as store:
        assert [stage.name for stage in stages(store)] == ["A", "B"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_with_its_own_exit_code(tmp_path, capsys, paid, number):
    stopping = StoppedWhen(number, lambda: len(paid.jobs) > 30)
    command = [*PROGRAMS, *QUICK, "--run-dir", str(tmp_path)]
    assert funnel.main(command, stopping) == 128 + number
    assert "The same command continues" in capsys.readouterr().err


class StoppedWhen:
    """As Stopping, without a signal."""

    is_running = True

    def __init__(self, number: int, when):
        self.number, self.when = number, when

    def prepare(self) -> None:
        pass

    def defer(self) -> None:
        pass

    def __call__(self) -> int | None:
        return self.number if self.when() else None


def test_the_command_on_given_programs_goes_on_after_a_kill_and_pays_nothing_twice(
    tmp_path, capsys, paid
):
    run_dir = tmp_path / "run"
    command = [*PROGRAMS, *QUICK, "--run-dir", str(run_dir)]
    paid.stop_at = 100
    assert funnel.main(command) == 130
    assert "The same command continues" in capsys.readouterr().err
    before = len(paid.jobs)
    assert funnel.main(command) == 0
    first = capsys.readouterr().out
    assert "library:lion" in first and "Better than every baseline" in first
    # The batch under way when it was stopped is lost, nothing else.
    keys = paid.paid()
    assert before == 100 and 0 < len(keys) - len(set(keys)) <= 100
    with Reader(run_dir) as store:
        assert len(list(trainings(store))) == len(set(keys))
        assert [stage.name for stage in stages(store)] == ["A", "B", "C", FINALS_STAGE]
        [lion, *_, baseline] = stage_entries(store, 1)
        assert lion.name == "library:lion" and lion.promoted and 0 < lion.low < lion.difference
        assert baseline.name in FunnelSettings().baselines and baseline.difference is None
    count = len(paid.jobs)
    assert funnel.main(command) == 0
    assert capsys.readouterr().out == first and len(paid.jobs) == count
    assert "| finals | library:lion |" in (run_dir / "funnel.md").read_text()


def test_the_command_on_a_finished_search(tmp_path, capsys, paid):
    run_dir = tmp_path / "run"
    baseline = tmp_path / "baseline.py"  # which the run keeps
    baseline.write_text(str(ADAMW))
    config = Config(
        evaluation=EvaluationSettings(tasks=("vision_mlp",)),
        funnel=FunnelSettings(baselines=(str(baseline),)),
    )
    with Store(run_dir) as store:
        fill_search(store, config, [LION, numbered(3), ADAMW, load("library:sgd")])
        keep(store, config)
    baseline.unlink()
    assert funnel.main([str(run_dir), *QUICK, "--set", "funnel.stages.A.keep=2"]) == 0
    out = capsys.readouterr().out
    assert "individual 0 (of" in out and "Better than every baseline" in out
    with Reader(run_dir) as store:
        entries = [entry for entry in stage_entries(store, 0) if entry.baseline]
    assert 2 <= len(entries) <= 4 and sum(entry.promoted for entry in entries) == 2


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ([], "RUN_DIR"),
        (["no_such_run"], "no search here"),
        (["some_run", "--task", "vision_mlp"], "--task is for --program"),
        (["some_run", "--task-set", "steps=9"], "--task-set is for --program"),
        (["some_run", "--run-dir", "x"], "--run-dir is for --program"),
        ([*PROGRAMS, "--set", "funnel.stages.D.keep=3", "--run-dir", "x"], "has no item 'D'"),
        ([*PROGRAMS, "--set", "funnel.stages.B.kep=3", "--run-dir", "x"], "did you mean 'keep'"),
        ([*PROGRAMS, "--set", "stages.B.keep=3", "--run-dir", "x"], "did you mean 'funnel.stages'"),
        ([*PROGRAMS, "--set", "funnel.stages.B.seeds=two", "--run-dir", "x"], "the text 'two'"),
        (
            [*PROGRAMS, "--set", "funnel.stages.B.seeds=5001", "--run-dir", "x"],
            "more than the 5000",
        ),
        (
            [*PROGRAMS, "--set", "funnel.baselines=library:adamv", "--run-dir", "x"],
            "no library program 'adamv'",
        ),
        ([*PROGRAMS, "--set", "workers.count=0", "--run-dir", "x"], "workers.count"),
        ([*PROGRAMS, "--task-set", "stepz=3", "--run-dir", "x"], "did you mean 'steps'"),
        (["--program", "library:lino", "--task", "vision_mlp", "--run-dir", "x"], "lion"),
        (["--program", "library:lion", "--task", "vision_mpl", "--run-dir", "x"], "vision_mlp"),
        (["--program", "library:lion", "--run-dir", "x"], "--task"),
    ],
)
def test_mistakes_are_one_clear_line(argv, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = exit_code(funnel.main, argv)
    assert code == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") <= 2 and "Traceback" not in err


@pytest.mark.slow
def test_a_killed_funnel_on_ray_workers_goes_on_with_the_same_command(tmp_path):
    """Two minutes: real trainings, of a few steps; the driver is killed twice on the way."""
    settings = ["head_start.draws=12", "stages.A.seeds=5", "stages.B.scale=2", "stages.C.scale=3"]
    settings = [f"funnel.{setting}" for setting in settings]
    command = [sys.executable, "-m", "search.funnel", "--program", "library:lion", "--set",
               "workers.count=2", "--task", "vision_mlp", "--task-set", "steps=20", "--run-dir", str(tmp_path)]  # fmt: skip
    for setting in settings:
        command += ["--set", setting]

    def paid() -> set[TrainingRow]:
        with contextlib.suppress(StoreError), Reader(tmp_path) as store:
            return set(trainings(store))
        return set()

    known: set[TrainingRow] = set()
    for wanted in (10, 40):
        process = subprocess.Popen(command, start_new_session=True, stdout=-3, stderr=-3)
        while len(paid()) < wanted:
            assert process.poll() is None
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert known <= paid()  # how long each took is stored: none is run again
        known = paid()
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert known <= paid() and "stage" in done.stdout
    assert (tmp_path / "funnel.md").exists()


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("funnel=null", "funnel: expected the settings of a funnel, got null"),
        ("funnel.stages.B.tasks=[nope]", "no task 'nope'"),
        ("evaluation.settings.vision_mlp.steps=0", "evaluation.settings.vision_mlp.steps: "),
    ],
)
def test_a_mistake_is_told_before_any_worker_starts(tmp_path, capsys, paid, setting, words):
    command = [*PROGRAMS, *QUICK[:2], "--run-dir", str(tmp_path / "run"), "--set", setting]
    assert exit_code(funnel.main, command) == 2
    assert words in capsys.readouterr().err
    assert not paid.jobs and not (tmp_path / "run").exists()


def test_a_config_whose_funnel_is_null_is_refused(tmp_path, capsys, paid):
    (tmp_path / "no.yaml").write_text("evaluation: {tasks: [vision_mlp]}\nfunnel: null\n")
    command = [*PROGRAMS, "--config", str(tmp_path / "no.yaml"), "--run-dir", str(tmp_path / "run")]
    assert exit_code(funnel.main, command) == 2
    assert "its funnel is null" in capsys.readouterr().err
