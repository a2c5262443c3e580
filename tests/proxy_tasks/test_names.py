"""Names of tasks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy_tasks.errors import TaskError
from proxy_tasks.names import MAX_SCALE, TaskName

WORDS = st.text("abc_", min_size=1)


@given(WORDS, WORDS, st.none() | st.floats(1e-3, MAX_SCALE).map(lambda x: float(f"{x:g}")))
def test_a_name_is_read_as_it_is_written(base, preset, scale):
    name = TaskName(base, preset, scale)
    assert TaskName.parse(str(name)) == TaskName(base, preset, None if scale == 1 else scale)


def test_the_shortest_text():
    assert str(TaskName.parse("a:laptop@1")) == "a"
    assert str(TaskName.parse("a:b@10.0")) == "a:b@10"


@pytest.mark.parametrize("text", ["a@", "a@x", "a@0", "a@-1", "a@nan", "a@inf", "a@10001", "a@1@2"])
def test_scales_that_are_none(text):
    with pytest.raises(TaskError, match=r"scale: expected a number > 0 and <= 10000, got '"):
        TaskName.parse(text)


@pytest.mark.parametrize("name", [None, 3, ["a"]])
def test_names_that_are_no_text(name):
    with pytest.raises(TaskError, match="expected a name such as 'vision_mlp@10'"):
        TaskName.parse(name)
