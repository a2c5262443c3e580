"""A run's tables for other programs, and its figures for TensorBoard."""

import csv
import json
import sys

import pandas
import pytest
import small_run

from programs import parse
from search.config.settings import ReportSettings
from search.inspect import main as inspect
from search.reports.tables import columns, markdown_table
from search.reports.tensorboard import FOLDER, EventFiles
from search.result import TABLES, SearchResult


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    return small_run.make(tmp_path_factory.mktemp("run") / "run", texts="a,\"b\"\n'c'")


def test_csv_holds_what_the_store_holds(run_dir, tmp_path, capsys):
    assert inspect([str(run_dir), "tables", "--out", str(tmp_path / "new" / "folder")]) == 0
    files = capsys.readouterr().out.splitlines()
    assert [file.rpartition("/")[2] for file in files] == [f"{name}.csv" for name in TABLES]
    for name, file in zip(TABLES, files):
        with open(file, newline="") as text:
            head, *rows = csv.reader(text)
        frame = SearchResult.of(run_dir).frame(name)
        assert head == list(frame.columns) and len(rows) == len(frame)
    with open(tmp_path / "new" / "folder" / "individuals.csv", newline="") as text:
        first = next(csv.DictReader(text))
    assert first["parent"] == "" and first["mutation"] == "a,\"b\"\n'c'"


def test_json_says_which_file_holds_which_table(run_dir, tmp_path, capsys):
    assert inspect([str(run_dir), "tables", "--json"]) == 0
    tables = json.loads(capsys.readouterr().out)
    assert inspect([str(run_dir), "tables", "--out", str(tmp_path), "--json"]) == 0
    written = json.loads(capsys.readouterr().out)
    assert [one.pop("file") for one in written] == [str(tmp_path / f"{t}.csv") for t in TABLES]
    assert written == tables
    assert sorted(tmp_path.iterdir()) == sorted(tmp_path / f"{name}.csv" for name in TABLES)


def test_parquet_is_the_frame(run_dir, tmp_path):
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    asked = [str(run_dir), "tables", "--out", str(tmp_path), "--format", "parquet"]
    assert inspect(asked) == 0
    for name in TABLES:
        frame = SearchResult.of(run_dir).frame(name)
        read = pandas.read_parquet(tmp_path / f"{name}.parquet")
        pandas.testing.assert_frame_equal(read, frame, check_dtype=False)


def test_mistakes_are_one_line(run_dir, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    for words, said in (
        (["tables", "--out", str(tmp_path), "--format", "parquet"], "needs pyarrow: pip install"),
        (["top", "--out", str(tmp_path)], "is where `tables` are written"),
        (["tables", "--format", "xls"], "invalid choice: 'xls'"),
        (["tables", "--format", "csv"], "--format is of the files that `tables --out DIR` writes"),
        (["tables", "--out", str(tmp_path), "--watch"], "not with --json or --out"),
    ):
        with pytest.raises(SystemExit) as stopped:
            inspect([str(run_dir), *words])
        assert stopped.value.code == 2
        assert said in capsys.readouterr().err.splitlines()[-1]
    assert inspect([str(run_dir), "tables", "--out", "/proc/none"]) == 1
    assert capsys.readouterr().err.startswith("error: /proc/none: ")


def test_nothing_changes_in_the_run(run_dir, tmp_path):
    before = sorted((path.name, path.read_bytes()) for path in run_dir.iterdir())
    assert inspect([str(run_dir), "tables", "--out", str(tmp_path)]) == 0
    assert sorted((path.name, path.read_bytes()) for path in run_dir.iterdir()) == before


def test_a_shown_program_says_where_it_is_from(tmp_path, capsys):
    run = small_run.make(tmp_path / "a\nrun")
    assert inspect([str(run), "show", "3"]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head == "# Individual 3 of the run a run, fitness -1.25."
    parse("\n".join([head, *lines]))


def test_event_files(tmp_path):
    pytest.importorskip("tensorboardX", reason="tensorboardX is not installed")
    figures = {"individuals": 3, "best_fitness": -1.5, "left_s": None, "best_program": "x"}
    with EventFiles(tmp_path, ReportSettings(tensorboard=True), lambda: figures) as events:
        events.show()
        events.show()  # not due
        figures |= {"individuals": 5, "best_fitness": float("-inf")}
    assert list(_points(tmp_path / FOLDER)) == [
        ("search/individuals", 3, 3.0), ("search/best_fitness", 3, -1.5),
        ("search/individuals", 5, 5.0),
    ]  # fmt: skip


def test_no_event_files_unless_asked_for(tmp_path):
    with EventFiles(tmp_path, ReportSettings(), lambda: {}) as events:
        events.show()
    assert not list(tmp_path.iterdir())


def _points(folder):
    from tensorboardX.proto.event_pb2 import Event

    [path] = folder.iterdir()
    data = path.read_bytes()
    while data:  # length, its checksum, the event, its checksum
        length = int.from_bytes(data[:8], "little")
        for value in Event.FromString(data[12 : 12 + length]).summary.value:
            yield value.tag, Event.FromString(data[12 : 12 + length]).step, value.simple_value
        data = data[16 + length :]


def test_tensorboard_without_its_package_is_said_before_anything_starts(tmp_path, monkeypatch):
    from search.checks import mistakes
    from search.config.load import loads

    config = loads(b"evaluation: {tasks: [vision_mlp]}\nreports: {tensorboard: true}", "c")
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    assert (("reports", "tensorboard"), "needs tensorboardX: pip install tensorboardX") in [
        *mistakes(config)
    ]
    assert "reports" not in json.dumps(config.history_settings())


def test_a_name_neither_steers_the_terminal_nor_ends_a_cell():
    rows = [("program", "fitness"), ("\x1b[31m\u202ex|\n.py", "1")]
    assert columns(rows).splitlines()[2] == " [31m x| .py  1"
    assert markdown_table(rows)[2] == r"|  [31m x\| .py | 1 |"
