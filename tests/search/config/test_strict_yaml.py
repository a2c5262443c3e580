"""The reader: YAML 1.2's core schema, and the position of every part."""

import math

import pytest

from search.config.strict_yaml import StrictLoader

SCALARS = {
    "": None, "~": None, "null": None, "NULL": None, "nUll": "nUll",
    "true": True, "False": False, "yes": "yes", "no": "no", "on": "on", "y": "y",
    "7": 7, "-7": -7, "+7": 7, "010": 10, "0o17": 15, "0x1F": 31, "0b11": "0b11", "1_000": "1_000",
    "1.": 1.0, ".5": 0.5, "1e-3": 1e-3, "1e3": 1e3, "-2.5E+2": -250.0, "1:30": "1:30",
    ".inf": math.inf, "-.INF": -math.inf, "+.inf": math.inf, "inf": "inf", "1" * 400: math.inf,
    "2001-01-01": "2001-01-01", "=": "=", "'1'": "1", '"null"': "null", "'~'": "~",
}  # fmt: skip


@pytest.mark.parametrize("text", SCALARS)
def test_scalars_are_those_of_the_core_schema(text):
    [value] = StrictLoader(f"- {text}", "t").read()
    assert value == SCALARS[text] and type(value) is type(SCALARS[text])


def test_every_part_has_its_position():
    loader = StrictLoader("a:\n  - 1\n  - {b: 2}\nc: x\n", "t")
    assert loader.read() == {"a": [1, {"b": 2}], "c": "x"}
    assert {path: position.text for path, position in loader.keys.items()} == {
        ("a",): "t:1:1",
        ("a", 1, "b"): "t:3:6",
        ("c",): "t:4:1",
    }
    assert {path: position.text for path, position in loader.values.items()} == {
        (): "t:1:1",
        ("a",): "t:2:3",
        ("a", 0): "t:2:5",
        ("a", 1): "t:3:5",
        ("a", 1, "b"): "t:3:9",
        ("c",): "t:4:4",
    }


def test_a_document_that_is_empty_differs_from_one_that_is_null():
    assert StrictLoader("# only this\n", "t").read(empty={}) == {}
    assert StrictLoader("~", "t").read(empty={}) is None
