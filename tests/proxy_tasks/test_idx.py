"""IDX files: round trips of every type, and nothing but TaskError from damaged ones."""

import gzip
import struct

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy_tasks.errors import TaskError
from proxy_tasks.idx import TYPES, read_idx, write_idx

ANY = st.sampled_from(sorted(TYPES.values())).flatmap(
    lambda dtype: arrays.arrays(
        np.dtype(dtype).newbyteorder("="), arrays.array_shapes(max_dims=4, max_side=5, min_side=0)
    )
)
same_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@same_folder
@given(array=ANY, name=st.sampled_from(["a", "a.gz"]))
def test_round_trip(tmp_path, array, name):
    write_idx(tmp_path / name, array)
    read = read_idx(tmp_path / name)
    assert read.dtype == array.dtype
    np.testing.assert_array_equal(read, array)


@same_folder
@given(data=st.data())
def test_damage_raises_task_error_or_reads_as_valid(tmp_path, data):
    """Cut, extend or change bytes of a good file, gzipped or not: TaskError and nothing else."""
    path = tmp_path / data.draw(st.sampled_from(["a", "a.gz"]))
    write_idx(path, np.arange(24, dtype=np.uint8).reshape(2, 3, 4))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(0, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    path.write_bytes(bytes(content[:cut]) + data.draw(st.binary(max_size=9)))
    try:
        assert isinstance(read_idx(path), np.ndarray)
    except TaskError as error:
        assert "\n" not in str(error)


@same_folder
@given(content=st.binary(max_size=64))
def test_any_bytes(tmp_path, content):
    path = tmp_path / "a"
    path.write_bytes(content)
    try:
        assert isinstance(read_idx(path), np.ndarray)
    except TaskError as error:
        assert str(path) in str(error)


def test_a_header_that_claims_too_much_costs_no_memory(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"\0\0\x08\x02" + struct.pack(">II", 2**17, 2**16) + b"few")
    with pytest.raises(TaskError, match="cut off: 3 of 8,589,934,592 bytes"):
        read_idx(path)
    path.write_bytes(b"\0\0\x08\x02" + struct.pack(">II", 2**32 - 1, 2**32 - 1))
    with pytest.raises(TaskError, match="would need"):
        read_idx(path)


def test_a_gzip_bomb_is_read_no_further_than_announced(tmp_path):
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b"\0\0\x08\x01" + struct.pack(">I", 10) + bytes(50_000_000)))
    with pytest.raises(TaskError, match="left over"):
        read_idx(path)
