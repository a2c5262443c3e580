"""The record of trainings: what was written is read back, what was cut off is trained again."""

import contextlib
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.comparing.records import Records, line_of, read_line
from search.comparing.trial import Measured
from search.evaluation.fitness import Outcome
from search.storage.errors import StoreError

FLOATS = st.floats(allow_nan=False, width=32)
RESULTS = st.builds(
    Measured,
    task=st.text(max_size=10),
    seed=st.integers(0, 2**31),
    fitness=FLOATS.map(lambda x: x if math.isfinite(x) else -math.inf),
    outcome=st.sampled_from(Outcome),
    steps=st.integers(0, 10**6),
    curve=st.lists(st.tuples(st.integers(0, 99), st.floats(-9, 9)), max_size=3).map(tuple),
    measures=st.dictionaries(st.text(max_size=5), st.floats(-9, 9), max_size=3),
)


@settings(deadline=None)
@given(st.text(max_size=8), RESULTS)
def test_a_line_is_read_back(key, result):
    line = line_of(key, result)
    assert line.count("\n") == 1 and read_line(line.encode()) == (key, result)


@settings(deadline=None)
@given(RESULTS, st.data())
def test_a_damaged_line_is_noticed(result, data):
    raw = bytearray(line_of("key", result).encode())
    at = data.draw(st.integers(0, len(raw) - 2))
    raw[at] ^= data.draw(st.sampled_from([1, 2, 4, 8, 16]))
    with contextlib.suppress(ValueError, KeyError, TypeError):
        assert read_line(bytes(raw)) == ("key", result)  # such as E for e in a number


def _result(fitness, outcome=Outcome.COMPLETED):
    return Measured("t", 0, fitness, outcome, 1)


def test_what_was_cut_off_is_left_out_and_the_rest_kept(tmp_path):
    path = tmp_path / "run" / "trainings.jsonl"
    with Records(path) as records:
        records.add({"a": _result(1.0), "b": _result(2.0)})
    whole = path.read_bytes()
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        with Records(path) as records:
            known = dict(records.known)
            records.add({"c": _result(3.0)})
        with Records(path) as records:
            assert records.known == known | {"c": _result(3.0)}
            assert set(known) <= {"a", "b"}
        if length == len(whole):
            assert set(known) == {"a", "b"}


def test_a_failed_training_is_tried_again(tmp_path):
    path = tmp_path / "trainings.jsonl"
    with Records(path) as records:
        records.add({"a": _result(-math.inf, Outcome.FAILED)})
        assert "a" in records.known
    with Records(path) as records:
        assert not records.known and records.failed == {"a"}
        records.add({"a": _result(-math.inf, Outcome.FAILED), "b": _result(1.0)})
    with Records(path) as records:
        assert records.failed == {"a"}
        records.add({"a": _result(2.0)})
    with Records(path) as records:
        assert not records.failed and set(records.known) == {"a", "b"}


def test_one_process_at_a_time_and_no_links(tmp_path):
    with (
        Records(tmp_path / "trainings.jsonl"),
        pytest.raises(StoreError, match="in use"),
        Records(tmp_path / "trainings.jsonl"),
    ):
        pass
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "trainings.jsonl").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="link"), Records(tmp_path / "other" / "trainings.jsonl"):
        pass
