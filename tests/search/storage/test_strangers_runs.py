"""Run directories of strangers: data that are read, never followed, run or believed."""

from __future__ import annotations

import json
import shutil
import sqlite3

import pytest
import small_run
import toys
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from search.evaluation.source import Function
from search.inspect import main as inspect
from search.run import main
from search.storage.errors import StoreError
from search.storage.schema import EventRow
from search.storage.store import Reader, Store
from search.storage.stored_json import MAX_CHARACTERS, stored_array, stored_object

TOY = Function(toys.factory())
CONFIG = """\
evolution: {children: 40, population: 10, repeats: 1, rounds: 1, window: 8}
evaluation: {tasks: toy}
rescore: {programs: 2, seeds: 2}
workers: {address: in_process}
stop: {hours: 1}
funnel: null
"""
DEEP = "[" * 100_000 + "]" * 100_000
HOSTILE = ["", "{", "[]", "null", "7", '"x"', DEEP, "1" * 10_000, "NaN", '{"evaluation": 3}',
           '{"\\u001b[2J": "\\u009b\\ud800"}', '{"evolution": [], "hours": "x"}',
           '{"hours": -1, "individuals": null}', "\x1b[2J"]  # fmt: skip
KEYS = [
    "config", "history", "tasks", "functions", "programs", "versions", "imported_runs", "searched_s",
    "cut",
]  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    (folder / "toy.yaml").write_text(CONFIG)
    assert main(["--config", str(folder / "toy.yaml"), "--run-dir", str(folder / "run")], TOY) == 0
    return folder / "run"


@pytest.mark.parametrize("key", KEYS)
def test_what_a_run_says_of_itself_is_not_believed(finished, tmp_path, key, capsys):
    """With checksums that fit, since whoever made the file could compute them."""
    for number, text in enumerate(HOSTILE):
        run_dir = shutil.copytree(finished, tmp_path / str(number))
        with Store(run_dir) as store:
            store.set_meta(key, text)
            store.commit()
        assert main(["--resume", str(run_dir)], TOY) in (0, 1, 2)
        for verb in ("top", "digest"):
            assert inspect([str(run_dir), verb]) in (0, 1, 2)
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err and "\x1b" not in captured.out + captured.err


def test_a_row_larger_than_any_of_a_search_is_not_read(tmp_path):
    with Store(tmp_path) as store:
        store.commit()
    with sqlite3.connect(tmp_path / "search.db") as connection:
        connection.execute("INSERT INTO events VALUES (1, 0.0, 'x', zeroblob(100000000))")
    with pytest.raises(StoreError, match="string or blob too big"):
        Reader(tmp_path)
    with pytest.raises(StoreError, match="string or blob too big"):
        Store(tmp_path)


def test_a_row_of_the_largest_texts_of_a_search_is_read(tmp_path):
    with Store(tmp_path) as store:
        store.add(EventRow(1, 0.0, "x", "y" * 2**20))
        store.commit()
    with Reader(tmp_path) as store:
        assert len(store.rows("SELECT text FROM events")[0][0]) == 2**20


def test_event_files_are_not_written_through_a_link(finished, tmp_path):
    pytest.importorskip("tensorboardX")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    run_dir = shutil.copytree(finished, tmp_path / "run")
    (run_dir / "tensorboard").symlink_to(elsewhere)
    resume = ["--resume", str(run_dir), "--set", "reports.tensorboard=true"]
    assert main(resume, TOY) in (1, 2)
    assert list(elsewhere.iterdir()) == []


@given(st.text() | st.recursive(st.none() | st.floats(), st.lists).map(json.dumps))
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_json_is_of_its_type_or_refused(text):
    for read, kind in ((stored_array, list), (stored_object, dict)):
        try:
            assert type(read(text, "it")) is kind
        except StoreError as error:
            assert str(error).startswith("it is ")


def test_nothing_of_a_funnel_steers_the_terminal(tmp_path, capsys):
    run_dir = small_run.make(tmp_path / "run", texts="\x1b[31m\x9b")
    for words in (["funnel"], ["funnel", "--json"], ["tables"], ["stats"], ["program", "0"]):
        inspect([str(run_dir), *words])
        captured = capsys.readouterr()
        assert not {"\x1b", "\x9b", "\\"} & set(captured.out + captured.err)


def test_escapes_in_json_are_text():
    assert stored_array(r'["a\u001b[31m\u009b\ud800", "b\n"]', "it") == ["a[31m?", "b\n"]
    assert stored_object(r'{"\u001b": {"a": ["\u0007x"]}}', "it") == {"": {"a": ["x"]}}


def test_long_json_is_not_parsed():
    with pytest.raises(StoreError, match="longer than"):
        stored_array(f"[{' ' * MAX_CHARACTERS}]", "it")
