"""Settings of a search that are off unless asked for: functions."""

from __future__ import annotations

import pytest

from search.checks import doubts, mistakes
from search.config.load import ConfigError, dumps, loads
from search.config.settings import Config

TASKS = "evaluation: {tasks: vision_mlp}\n"


def _config(evolution: str) -> Config:
    return loads(f"{TASKS}evolution: {{{evolution}}}\n".encode(), "c", (), mistakes)


def test_functions_by_name_or_with_weights():
    for given in ("functions: [add, div]", "functions: {add: 1, div: 1.0}"):
        config = _config(given)
        assert config.evolution.functions == {"add": 1.0, "div": 1.0}
        assert loads(dumps(config).encode()) == config
    assert _config("functions: sign").evolution.functions == {"sign": 1.0}
    assert _config("functions: null") == _config("")
    assert doubts(_config("functions: sign, mode: tune")) == [
        "evolution.functions: the mode tune inserts nothing"
    ]


@pytest.mark.parametrize(
    "given, key, message",
    [
        ("[sgn, add]", ".sgn", "unknown function 'sgn'; did you mean 'sign'?"),
        ("{add: 1, sgn: 2}", ".sgn", "unknown function 'sgn'; did you mean 'sign'?"),
        ("{add: 0}", ".add", "expected a number > 0 and <= 1,000,000, got 0"),
        ("[1]", "", "expected names of functions, or names with weights"),
        ("[]", "", "expected names of functions, or names with weights"),
        ("{}", "", "there is no function to draw"),
        ("[div, divide]", "", "'divide' is there twice, by this name and an alias"),
        (
            "[get_pi, norm], mode: random",
            "",
            "the mode random needs at least one that can give a whole tree, as an update is, got "
            "get_pi, norm",
        ),
    ],
)
def test_functions_that_cannot_be_drawn(given, key, message):
    with pytest.raises(ConfigError) as error:
        _config(f"functions: {given}")
    [line] = error.value.lines
    assert line.startswith("c:2:") and line.endswith(f"evolution.functions{key}: {message}")
