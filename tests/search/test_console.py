"""What the commands share: options, and what is said of errors."""

import argparse
import os
import sqlite3
import subprocess
import sys

import pytest

from search.config.load import ConfigError
from search.console import Parser, count, directory, positive, report, writable
from search.evaluation.inspection import InspectionError
from search.evaluation.jobs import TooManyFailures
from search.stopping import Stopped
from search.storage.errors import StoreError
from search.workers.ray_cluster import ClusterLost, WorkerError


@pytest.fixture
def parser():
    parser = Parser("evaluate", "About it.")
    parser.add_tasks(required=True)
    parser.add_tasks_file()
    parser.add_overrides()
    parser.add_argument("--seeds", type=count)
    parser.add_argument("--level", type=positive)
    parser.add_argument("--out", type=writable)
    return parser


def test_options_are_named_the_same_everywhere(parser):
    options = parser.parse_args(
        ["--task", "a", "--task", "b@2", "--task-set", "x=1", "--set", "seed=1"]
    )
    assert (options.task, options.task_set, options.set) == (["a", "b@2"], ["x=1"], ["seed=1"])
    for name in ("--tasks-file", "--tasks"):  # the second is the former name
        assert parser.parse_args(["--task", "a", name, "my.py"]).tasks_file == "my.py"
    assert "--tasks " not in parser.format_help() and "--tasks-file" in parser.format_help()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "the following arguments are required: --task"),
        ("--task a --task-s x=1", "unrecognized arguments: --task-s x=1"),
        ("--task a --seeds 0", "expected a whole number from 1 to 10000, got '0'"),
        ("--task a --seeds 1e3", "expected a whole number from 1 to 10000, got '1e3'"),
        ("--task a --level nan", "expected a number above 0, got 'nan'"),
        ("--task a --level inf", "expected a number above 0, got 'inf'"),
        ("--task a --out /no/such/file", "/no/such/file: cannot be written"),
        ("--task a --out /", "/: cannot be written"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(parser, capsys, line, said):
    with pytest.raises(SystemExit) as exit:
        parser.parse_args(line.split())
    err = capsys.readouterr().err
    assert exit.value.code == 2
    assert said in err and err.endswith("; --help explains\n") and err.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "running", "code", "text"),
    [
        (ConfigError(["c.yaml:1:1: x"]), False, 2, "error: c.yaml:1:1: x\n1 error; nothing was run."),
        (StoreError("r: no search here"), False, 2, "error: r: no search here"),
        (StoreError("r: the disk is full"), True, 1, "error: r: the disk is full. Go on."),
        (WorkerError("no room"), False, 1, "error: no room. Go on."),
        (InspectionError("the tasks cannot be inspected: code 3"), False, 1,
         "error: the tasks cannot be inspected: code 3"),
        (TooManyFailures("ValueError: try a scan."), True, 1,
         "error: ValueError: try a scan. Go on."),
        (ClusterLost("Ray is lost"), True, 75, "error: Ray is lost. Go on."),
        (Stopped(15), True, 143, "Stopped; what was done is kept. Go on."),
        (KeyboardInterrupt(), True, 130, "Stopped; what was done is kept. Go on."),
        (IsADirectoryError(21, "Is a directory", "a/funnel.md"), True, 1,
         "error: a/funnel.md: Is a directory. Go on."),
        (OSError(28, "No space left on device"), True, 1,
         "error: standard output: No space left on device. Go on."),
    ],
)  # fmt: skip
def test_an_error_is_reported_with_its_exit_code_and_how_to_go_on(
    error, running, code, text, capsys
):
    assert report(error, running=running, go_on="Go on.") == code
    assert capsys.readouterr().err == text + "\n"


def test_a_run_is_not_written_over_and_no_directory_is_not_the_current_one(tmp_path):
    sqlite3.connect(tmp_path / "search.db").execute("CREATE TABLE runs (number)").connection.close()
    with pytest.raises(argparse.ArgumentTypeError, match="is a database, such as a run's"):
        writable(str(tmp_path / "search.db"))
    assert writable(str(tmp_path / "other")) == tmp_path / "other"
    with pytest.raises(argparse.ArgumentTypeError, match="got an empty text"):
        directory("")


@pytest.mark.parametrize("arguments", [[], ["--help"]])
def test_the_list_of_commands_is_quiet_where_its_reader_has_gone(arguments):
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "search", *arguments]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")
