"""What bounds a search, and is off unless asked for: functions, frozen statements, states."""

from __future__ import annotations

from pathlib import Path

import pytest
import toys
from hypothesis import given, settings
from hypothesis import strategies as st

from programs import live_across_steps, parse
from programs.canonical import canonical_hash
from search import api
from search.checks import doubts, mistakes
from search.config.load import ConfigError, dumps, loads
from search.config.settings import Config
from search.evaluation.source import Function
from search.evolution.rates import at_rate
from search.selection.warm_starts import with_reversed_averages
from search.storage.errors import StoreError
from search.storage.store import Store
from tests.strategies import programs

TASKS = "evaluation: {tasks: vision_mlp}\n"


def _config(evolution: str) -> Config:
    return loads(f"{TASKS}evolution: {{{evolution}}}\n".encode(), "c", check=mistakes)


def test_functions_by_name_or_with_weights():
    for text in ("functions: [add, div]", "functions: {add: 1, div: 1.0}"):
        config = _config(text)
        assert config.evolution.functions == {"add": 1.0, "div": 1.0}
        assert loads(dumps(config).encode()) == config
    assert _config("functions: sign").evolution.functions == {"sign": 1.0}
    assert _config("functions: null") == _config("")
    assert doubts(_config("functions: sign, mode: tune")) == [
        "evolution.functions: the mode tune inserts nothing"
    ]


@pytest.mark.parametrize(
    "text, key, message",
    [
        ("[sgn, add]", ".sgn", "unknown function 'sgn'; did you mean 'sign'?"),
        ("{add: 1, sgn: 2}", ".sgn", "unknown function 'sgn'; did you mean 'sign'?"),
        ("{add: 0}", ".add", "expected a number > 0 and <= 1,000,000, got 0"),
        ("[1]", "", "expected names of functions, or names with weights"),
        ("[]", "", "expected names of functions, or names with weights"),
        ("{}", "", "there is no function to draw"),
        ("[div, divide]", "", "'divide' is given twice, by this name and an alias"),
        (
            "[get_pi, norm], mode: random",
            "",
            "the mode random needs at least one that can give a whole tree, as an update is, got "
            "get_pi, norm",
        ),
    ],
)
def test_functions_that_cannot_be_drawn(text, key, message):
    with pytest.raises(ConfigError) as error:
        _config(f"functions: {text}")
    [line] = error.value.lines
    assert line.startswith("c:2:") and line.endswith(f"evolution.functions{key}: {message}")


KEEPING = """def train(w, g, m, v, lr):
    spare = cos(w)  # keep
    m = interp(g, m, 0.9)
    wd = w * 0.01  # keep
    update = m + wd
    lr = lr * 0.001  # keep
    update = update * lr
    return update, m, v
"""


def _searching(path: Path, children: int = 70, **evolution) -> dict:
    start = path / "start.py"
    if not start.exists():
        start.write_text(KEEPING)
    sizes = {"children": children, "population": 8, "window": 4, "repeats": 2, "rounds": 2}
    return {
        "evolution": sizes | {"warm_start": [str(start)]} | evolution,
        "evaluation": {"tasks": ["toy"], "rates": [1.0, 4.0, 0.25], "rates_when": "always"},
        "rescore": {"programs": 2, "seeds": 2},
        "workers": {"address": "in_process"},
        "funnel": None,
    }


@pytest.mark.parametrize(
    "evolution",
    [
        {},
        {"orientation": "both"},
        {"mode": "tune"},
        {"mutations": {"delete": 5, "modify": 3}},
        {"tune_start": {"draws": 4}},
        {"tune_start": {"draws": 4}, "mode": "tune"},
    ],
    ids=str,
)
def test_frozen_statements_last_through_a_search(evolution, tmp_path):
    frozen = parse(KEEPING).frozen
    config = _searching(tmp_path, **evolution)
    result = api.search(config, tmp_path / "run", source=Function(toys.stepper_factory))
    history = list(result.history())
    assert len(history) > 280 and {row.repeat for row in history} == {0, 1, 2, 3}
    for row in history[:: 9 if evolution else 3]:
        assert result.lineage(row.number)[-1].program.frozen == frozen
    assert result.best.frozen == frozen


def test_a_search_goes_on_with_the_frozen_statements_that_it_began_with(tmp_path, caplog):
    source, config = Function(toys.stepper_factory), _searching(tmp_path, children=5)
    api.search(config, tmp_path / "run", source=source)
    (tmp_path / "start.py").write_text(KEEPING.replace("0.01  # keep", "0.01"))
    caplog.set_level("WARNING", "search")
    result = api.search(config, tmp_path / "run", source=source, resume=True)
    assert "start.py: differs from what the run began with" in caplog.text
    assert all(
        result.lineage(row.number)[-1].program.frozen == parse(KEEPING).frozen
        for row in result.history()
    )
    with Store(tmp_path / "run") as store:  # of a version that kept no programs
        store.set_meta("programs", "{}")
        store.commit()
    with pytest.raises(StoreError, match="its frozen statements have changed"):
        api.search(config, tmp_path / "run", source=source, resume=True)


@settings(max_examples=60, deadline=None)
@given(programs(), st.sampled_from([0.25, 4.0]))
def test_rates_and_orientation_leave_frozen_statements(program, rate):
    lines = str(program).splitlines()
    lines[1:-1] = [f"{line}  # keep" for line in lines[1:-1]]
    program = parse("\n".join(lines))
    assert at_rate(program, rate).frozen == program.frozen
    assert at_rate(program, rate).unfrozen().statements[:-1] == program.unfrozen().statements
    assert with_reversed_averages(program) == program


@pytest.mark.parametrize(
    "evolution, message",
    [
        ({"mutations": {"insert": 0}}, "without insertions no statement may end in '# keep'"),
    ],
)
def test_searches_that_could_not_keep_them(evolution, message, tmp_path):
    config = _searching(tmp_path, **evolution)
    with pytest.raises(ConfigError) as error:
        api.search(config, tmp_path / "run", source=Function(toys.stepper_factory))
    assert message in str(error.value)


def test_a_program_of_frozen_statements_alone(tmp_path):
    (tmp_path / "start.py").write_text(
        "def train(w, g, lr):\n  update = g * 0.1  # keep\n  return update\n"
    )
    for evolution, message in (
        ({"mode": "tune"}, "has no constant that the mode tune could change"),
        ({"mutations": {"max_length": 1}}, "each of its 1 statements ends in '# keep'"),
    ):
        config = _searching(tmp_path, **evolution)
        with pytest.raises(ConfigError) as error:
            api.search(config, tmp_path / "run", source=Function(toys.stepper_factory))
        assert message in str(error.value)
    api.search(_searching(tmp_path), tmp_path / "run", source=Function(toys.stepper_factory))


@pytest.mark.parametrize("mode", ["evolution", "random"])
def test_programs_grow_into_further_states(mode, tmp_path):
    (tmp_path / "start.py").write_text(
        "def train(w, g, s, lr):\n  s = interp(g, s, 0.9)\n  v = s * 1e-4\n"
        "  update = v * lr\n  return update, s\n"
    )
    config = _searching(tmp_path, children=300, rounds=1, max_states=4, mode=mode)
    source = Function(toys.stepper_factory)
    result = api.search(config, tmp_path / "run", source=source)
    programs = [result.lineage(row.number)[-1].program for row in list(result.history())[2::9]]
    expected = ("m", "v", "s3", "s4") if mode == "random" else ("s", "m", "s3", "s4")
    assert {program.states for program in programs} == {expected}
    used = [len(live_across_steps(program).states) for program in programs]
    assert max(used) > 1
    again = api.search(config, tmp_path / "run", source=source, resume=True)
    assert [row.fitness for row in again.history()] == [row.fitness for row in result.history()]


@settings(max_examples=60, deadline=None)
@given(programs(), st.integers(0, 8))
def test_further_states_change_nothing(program, count):
    more = program.with_states(count)
    assert len(more.states) == max(count, len(program.states))
    assert more.states[: len(program.states)] == program.states
    assert parse(str(more)) == more
    assert live_across_steps(more) == live_across_steps(program)
    assert canonical_hash(more) == canonical_hash(program)


def test_states_that_cannot_be_bounded():
    with pytest.raises(ConfigError) as error:
        _config("max_states: 1")
    [line] = error.value.lines
    assert line.endswith(
        "evolution.max_states: library:adamw has 2 states already; expected at least 2"
    )
    with pytest.raises(ConfigError, match="expected a whole number >= 0 and <= 8 or null, got 9"):
        _config("max_states: 9")
    assert doubts(_config("max_states: 3, mode: tune")) == [
        "evolution.max_states: the mode tune assigns no further state"
    ]
