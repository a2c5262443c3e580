"""Any bytes and any values give a config or a ConfigError."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from search.config.load import ConfigError, dumps, loads
from search.config.messages import key_paths

MINIMAL = b"evaluation: {tasks: vision_mlp}\n"
CONFIGS = sorted((Path(__file__).parents[3] / "configs").glob("*.yaml"))

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(list(key_paths())), VALUES, max_size=5), st.data())
def test_any_values_give_a_config_or_only_config_errors(changes, data):
    sets = [f"{key}={json.dumps(value)}" for key, value in changes.items()]
    try:
        config = loads(MINIMAL, overrides=sets)
    except ConfigError as error:
        assert all(
            line.count("\n") == 0 and line.startswith(("--set ", "<text>:")) for line in error.lines
        )
    else:
        assert loads(dumps(config).encode()) == config


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_bytes_give_a_config_or_a_config_error(raw):
    try:
        assert isinstance(loads(raw), BaseModel)
    except ConfigError as error:
        assert error.lines
