"""Settings models: what they take, and what a mistake is answered with."""

from typing import Annotated, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, field_validator, model_validator

from proxy_tasks.errors import TaskError
from proxy_tasks.settings import (
    Count,
    Fraction,
    TaskSettings,
    from_function,
    validated,
    value_from_text,
)


class Example(TaskSettings):
    count: Count = 5
    number: int = -3
    part: Fraction = 0.5
    flag: bool = True
    text: str = "a"
    choice: Literal["x", 2] = "x"

    @field_validator("text")
    @classmethod
    def _short(cls, text: str) -> str:
        if len(text) > 9:
            raise ValueError("expected at most 9 characters")
        return text

    @model_validator(mode="after")
    def _flagged(self):
        if self.number > 100 and not self.flag:
            raise ValueError("number: above 100 needs the flag")
        return self


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"count": 0}, "count: expected a whole number >= 1 and <= 1,000,000,000, got 0"),
        ({"count": True}, "count: expected a whole number >= 1 and <= 1,000,000,000, got True"),
        ({"number": "1"}, "number: expected a whole number, got '1'"),
        ({"part": float("nan")}, "part: expected a number > 0 and <= 1, got nan"),
        ({"flag": 1}, "flag: expected true or false, got 1"),
        ({"text": b"a"}, "text: expected a text, got b'a'"),
        ({"choice": 3}, "choice: expected one of x, 2, got 3"),
        ({"text": "longer than that"}, "text: expected at most 9 characters"),
        ({"number": 101, "flag": False}, "number: above 100 needs the flag"),
        ({"cuont": 1}, "no setting 'cuont'; did you mean 'count'?"),
        (
            {"qqq": 1},
            "no setting 'qqq'; valid are: choice, count, flag, gradient_scale_by_array, "
            "gradient_scale_by_seed, number, part, random_signs, schedule, shuffled_labels, text",
        ),
    ],
)
def test_a_mistake_says_what_is_right(values, message):
    with pytest.raises(TaskError) as error:
        validated("task t", Example, values)
    assert str(error.value) == f"task t: {message}"


def test_numbers_of_numpy_are_numbers():
    values = {"count": np.int64(3), "part": np.float32(0.5), "flag": np.bool_(True)}
    assert validated("task t", Example, values) == Example(count=3, part=0.5, flag=True)
    with pytest.raises(TaskError, match="expected a whole number"):
        validated("task t", Example, {"count": np.float64(3)})


def test_settings_are_frozen():
    settings = validated("task t", Example, {"part": 1})
    assert settings == Example(part=1.0) and type(settings.part) is float
    with pytest.raises(ValueError, match="frozen"):
        settings.part = 0.5


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("count", "2e4", 20_000),
        ("number", "-7", -7),
        ("part", "1", 1.0),
        ("flag", "False", False),
        ("text", "2", "2"),
        ("choice", "2", 2),
        ("choice", "x", "x"),
    ],
)
def test_values_from_text(key, text, value):
    read = value_from_text("task t", Example, key=key, text=text)
    assert (read, type(read)) == (value, type(value))


@given(
    st.sampled_from([*Example.model_fields]) | st.text(), st.text() | st.from_regex(r"[-+.e0-9]*")
)
def test_any_text_is_a_value_or_one_clear_line(key, text):
    try:
        value = value_from_text("task t", Example, key=key, text=text)
    except TaskError as error:
        assert str(error).startswith("task t: ") and str(error).isprintable()
    else:
        assert getattr(Example(**{key: value}), key) == value


def test_a_function_s_keyword_parameters_are_settings():
    def build(
        a: int = 0,
        *,
        b: float = 1.0,
        c: Literal["x", "y"] = "x",
        d: Annotated[int, Field(ge=2)] = 2,
    ): ...

    model = from_function("task t", build)
    assert validated("task t", model, {"a": -1}).facts() == {
        "a": -1,
        "b": 1.0,
        "c": "x",
        "d": 2,
    }
    with pytest.raises(TaskError, match="d: expected a whole number >= 2, got 1"):
        validated("task t", model, {"d": 1})


def no_default(steps: int): ...
def no_type(steps=1): ...
def no_such_type(steps: list = ()): ...
def unknown_type(steps: "Nowhere" = 1): ...  # noqa: F821
def rest(**settings: int): ...
def by_position(steps: int = 1, /): ...
def reserved(model_fields: int = 1): ...
def common(gradient_scale_by_seed: float = 1.0): ...


def hidden(_steps: int = 1): ...
def wrong_default(steps: int = "x"): ...


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (no_default, "setting 'steps' needs a default and a type of int, float, bool, str"),
        (no_type, "setting 'steps' needs a default and a type"),
        (no_such_type, "setting 'steps' needs a default and a type"),
        (unknown_type, "its type hints cannot be read: name 'Nowhere' is not defined"),
        (rest, "setting 'settings' needs a default and a type"),
        (by_position, "setting 'steps' needs a default and a type"),
        (reserved, "no setting can be named 'model_fields'; choose another name"),
        (common, "no setting can be named 'gradient_scale_by_seed'"),
        (hidden, "no setting can be named '_steps'"),
        (wrong_default, "task t, defaults: steps: expected a whole number, got 'x'"),
    ],
)
def test_functions_that_are_no_task(build, message):
    with pytest.raises(TaskError) as error:
        from_function("task t", build)
    assert message in str(error.value)
