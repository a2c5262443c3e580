"""Values that look like others, keys with dots, numbers that are too large to be added."""

from __future__ import annotations

import json

import pytest

from search.config.load import ConfigError, dumps, loads


@pytest.mark.parametrize("text", ["1e2", "08", "0o7", "0x1f", "1.5", "no", "null", "1_000", ".5"])
def test_a_text_that_looks_like_another_value_is_read_back_as_a_text(text):
    data = {
        "evaluation": {"tasks": ["vision_mlp"], "settings": {"vision_mlp": {"data": text}}},
        "store": {"run_dir": text},
        "cache": {"runs": [text]},
    }
    config = loads(json.dumps(data).encode())
    assert loads(dumps(config).encode()) == config


def test_an_override_reaches_a_key_with_a_dot_in_quotes():
    raw = b"evaluation: {tasks: ['vision_mlp@0.5']}"
    config = loads(raw, overrides=['evaluation.settings."vision_mlp@0.5".steps=7'])
    assert config.evaluation.settings == {"vision_mlp@0.5": {"steps": 7}}
    with pytest.raises(ConfigError, match="expected KEY=VALUE"):
        loads(raw, overrides=['evaluation."settings.steps=7'])


def test_a_mistake_names_the_keys_alone_not_the_types_that_are_possible():
    raw = b"evaluation: {tasks: [vision_mlp], settings: {vision_mlp: {steps: {a: 1}}}}"
    with pytest.raises(ConfigError) as error:
        loads(raw)
    [line] = error.value.lines
    assert "evaluation.settings.vision_mlp.steps: expected" in line


@pytest.mark.parametrize(
    "key", ["evolution.niches.shares=[1, 1e308]", "evaluation.weights=[1e308]",
            "evolution.mutations.insert=1e308"],
)  # fmt: skip
def test_weights_are_of_a_size_that_can_be_added(key):
    with pytest.raises(ConfigError, match="<= 1,000,000"):
        loads(b"evaluation: {tasks: [vision_mlp]}", overrides=[key])
