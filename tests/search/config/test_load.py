"""Configs: every mistake at once with its place; nothing but a Config or a ConfigError for any
input."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from search.checks import wrong_files, wrong_warm_starts
from search.config.load import ConfigError, load, loads
from search.config.messages import expected, field_at, key_paths
from search.config.model import SettingsModel
from search.config.settings import Config
from search.storage.kept import NOTHING

MINIMAL = b"evaluation: {tasks: vision_mlp}\n"
CONFIGS = sorted((Path(__file__).parents[3] / "configs").glob("*.yaml"))

MANY_MISTAKES = b"""\
seed: x
evaluation:
  tasks: vision_mlp
  hurdles: {at: [0.1, 2], quantile: .inf}
workers:
  timout: 3
  cpus: no
  memory_gb: 0
window: 3
seed: 4
evolution: {mode: tun}
"""

MANY_LINES = """\
error: c.yaml:1:7: seed: expected a whole number >= 0, got the text 'x'
error: c.yaml:4:23: evaluation.hurdles.at[1]: expected a number > 0 and < 1, got 2
error: c.yaml:4:37: evaluation.hurdles.quantile: expected a finite number, got .inf
error: c.yaml:6:3: workers.timout: unknown key; did you mean 'timeout_s'?
error: c.yaml:7:9: workers.cpus: expected a number >= 0, got the text 'no'
error: c.yaml:8:14: workers.memory_gb: expected a number > 0 or null, got 0
error: c.yaml:9:1: window: unknown key; did you mean 'evolution.window'?
error: c.yaml:10:1: seed: given twice, first at c.yaml:1:1
error: c.yaml:11:19: evolution.mode: expected one of evolution, tune, random, got the text 'tun'
9 errors; nothing was run."""


def test_defaults_are_the_papers_values():
    config = loads(MINIMAL)
    evolution = config.evolution
    assert (evolution.population, evolution.tournament, evolution.warm_start) == (
        1000,
        2,
        ("library:adamw",),
    )
    assert evolution.mutations.insert == evolution.mutations.delete == evolution.mutations.modify
    assert (evolution.children, evolution.repeats) == (300_000, 5)
    assert config.workers.timeout_s == 20 * 60


def test_every_mistake_in_one_go():
    with pytest.raises(ConfigError) as error:
        loads(MANY_MISTAKES, "c.yaml")
    assert str(error.value) == MANY_LINES


@pytest.mark.parametrize(
    "text, message",
    [
        (b"evaluation: &x {tasks: a}\n", "t:1:13: aliases and anchors are not allowed"),
        (
            b"a: !!python/object:os.system {}\n",
            "t:1:4: tags are not allowed, got tag:yaml.org,2002:python/object:os.system",
        ),
        (b"<<: {seed: 1}\nevaluation: {tasks: a}\n", "t:1:1: expected a plain name as key, got <<"),
        (b"1: 2\nevaluation: {tasks: a}\n", "t:1:1: expected a plain name as key, got 1"),
        (b"- 1\n", "t:1:1: expected keys and values, got a list of 1"),
        (b"a: b: c\n", "t:1:5: not YAML: mapping values are not allowed here"),
        (b"a: 1\n---\nb: 2\n", "t:2:1: one document expected"),
        (b"a: " + b"[" * 50 + b"]" * 50, "t:1:23: nested deeper than 20"),
        (b"a: \xff\n", "t:1: not UTF-8 (byte 3)"),
        (b"#" * 70_000, "t: longer than 64 KB"),
        (
            b"",
            "t:1:1: evaluation: missing; expected keys and values: "
            "tasks, settings, weights, seeds, rates, rates_when, match_size, race, engine, "
            "fingerprint, hurdles",
        ),
        (
            b"evaluation:\n  seeds: 2\n",
            "t:2:3: evaluation.tasks: missing; expected a list that is not empty, each a text",
        ),
        (
            MINIMAL + b"evolution: {population: 1}\n",
            "t:2:25: evolution.population: tournament 2 is larger than population 1",
        ),
        (
            b"evaluation: {tasks: [a, b], weights: [1]}",
            "t:1:38: evaluation.weights: expected one number for each task, so 2, got 1",
        ),
        (
            b"evaluation: {tasks: []}",
            "t:1:21: evaluation.tasks: expected a list that is not empty, each a text, got an empty list",
        ),
        (
            b"evaluation: {tasks: [a, b, a]}",
            "t:1:21: evaluation.tasks: expected different tasks, got a, b, a",
        ),
        (
            MINIMAL + b"evolution: {random_length: [8]}",
            "t:2:28: evolution.random_length: expected a list of 2, each a whole number, "
            "got a list of 1",
        ),
        (
            b"evaluation: {tasks: a, settings: 3}",
            "t:1:34: evaluation.settings: expected keys and values, each keys and values, "
            "each a whole number or a number or true or false or a text, got 3",
        ),
        (
            MINIMAL + b"evolution: {mutations: {insert: 0, modify: 0}}",
            "t:2:33: evolution.mutations.insert: with delete alone programs run out of statements: give insert or "
            "modify a weight above 0, too",
        ),
        (
            MINIMAL + b"funnel: {finals: {tunings: 1, seeds: 2}}",
            "t:2:38: funnel.finals.seeds: finals: with 2 seeds nothing can be shown at level 0.05; expected at least 6",
        ),
        (
            MINIMAL + b"funnel: {finals: {tunings: 15, seeds: 1, level: 0.0001}}",
            "t:2:28: funnel.finals.tunings: finals: nothing can be shown at level 0.0001 for 3 "
            "finalists, as no p is below 1 / 20,001 before it is adjusted; expected a level of at "
            "least 0.00015",
        ),
        (
            MINIMAL + b"workers: {address: in-process}",
            "t:2:20: workers.address: expected local, in_process, auto or HOST:PORT, got 'in-process'; did you mean 'in_process'?",
        ),
        (
            MINIMAL + b"funnel: {stages: [{name: A, shorten: true}]}",
            "t:2:18: funnel.stages: a stage that shortens goes on with constants that this funnel has tuned, whose "
            "luck no repetition tells: expected finals.tunings: 1, got 8, or no shorten",
        ),
        (
            MINIMAL + b"funnel: {familis: 3}",
            "t:2:10: funnel.familis: unknown key; did you mean 'families'?",
        ),
        (
            MINIMAL + b"funnel: {families: x}",
            "t:2:20: funnel.families: expected a whole number >= 1, got the text 'x'",
        ),
        (
            MINIMAL + b"funnel:\n  stages:\n    - {name: A b, tasks: [x]}",
            "t:4:14: funnel.stages[0].name: expected a text that matches ^[A-Za-z0-9_-]+$, "
            "got the text 'A b'",
        ),
        (
            MINIMAL + b"funnel:\n  stages:\n    - {name: A, seeds: 2}",
            "t:4:24: funnel.stages[0].seeds: with 2 seeds nothing can be shown at level 0.05; "
            "expected at least 5",
        ),
        (
            MINIMAL + b"evolution: {warm_start: [library:lion, library:adam, library:sgd], "
            b"population: 2}",
            "t:2:25: evolution.warm_start: 3 warm starts do not fit into a population of 2",
        ),
        (
            MINIMAL + b"evolution: {population: 1000000000}",
            "t:2:25: evolution.population: expected a whole number >= 1 and <= 1,000,000, "
            "got 1000000000",
        ),
        (
            MINIMAL + b"evolution: {random_length: [1500, 1500]}",
            "t:2:28: evolution.random_length: expected two rising numbers from 1 to 1,000, "
            "got [1500, 1500]",
        ),
        (
            MINIMAL + b"evolution: {mutations: {max_length: 1001}}",
            "t:2:37: evolution.mutations.max_length: expected a whole number >= 1 and <= 1,000 "
            "or null, got 1001",
        ),
        (
            MINIMAL + b"evolution: {operators: [sign]}",
            "t:2:13: evolution.operators: unknown key; valid keys: mode, warm_start, children, "
            "population, tournament, window, repeats, migration_interval, rounds, max_states, "
            "flat_children, random_length, mutations, functions, tune_start, orientation, niches, price",
        ),
        (
            MINIMAL + b"evolution: {max_evaluations: 3}",
            "t:2:13: evolution.max_evaluations: unknown key; valid keys: mode, warm_start, "
            "children, population, tournament, window, repeats, migration_interval, rounds, "
            "max_states, flat_children, random_length, mutations, functions, tune_start, orientation, niches, price",
        ),
        (
            MINIMAL + b"funnel: {stages: [{name: finals}]}",
            "t:2:26: funnel.stages[0].name: 'finals' is the name of the comparison after the last "
            "stage; expected another name",
        ),
        (
            MINIMAL + b"funnel: {stages: [{name: A, scale: 1e9}]}",
            "t:2:36: funnel.stages[0].scale: expected a number > 0 and <= 10,000, got 1000000000.0",
        ),
        (
            MINIMAL + b"meta_validation: {scale: 1e9}",
            "t:2:26: meta_validation.scale: expected a number > 0 and <= 10,000, got 1000000000.0",
        ),
        (
            MINIMAL + b"workers: {timeout_s: 1e-9}",
            "t:2:22: workers.timeout_s: expected a number >= 0.1, got 1e-09",
        ),
        (
            MINIMAL + b"workers: {count: 1000000}",
            "t:2:18: workers.count: expected a whole number >= 1 and <= 100,000 or null, "
            "got 1000000",
        ),
        (
            MINIMAL + b"evolution: {repeats: 1, migration_interval: 50}",
            "t:2:45: evolution.migration_interval: migration needs at least two repeats, got 1",
        ),
        (
            MINIMAL + b"tuning: {draws: 1000000000}",
            "t:2:17: tuning.draws: expected a whole number >= 1 and <= 1,000,000, got 1000000000",
        ),
        (
            MINIMAL + b"tuning: {spread: 1e9}",
            "t:2:18: tuning.spread: expected a number > 0 and <= 20, got 1000000000.0",
        ),
    ],
)
def test_each_mistake_has_its_position(text, message):
    with pytest.raises(ConfigError) as error:
        loads(text, "t")
    assert error.value.lines == (message,)


PHASES = b"""\
evaluation:
  tasks: [vision_mlp, vision_mpl]
  weights: [1]
  seeds: x
evolution: {tournament: 9, population: 5, window: 0, warm_start: library:adamv}
seed: 1
seed: 2
funnel:
  stages: [{name: A, seeds: 2, kep: 1}]
  baselines: [library:lion, library:loin]
cache: {runs: nowhere}
"""

PHASES_LINES = """\
error: c.yaml:2:23: evaluation.tasks[1]: no task 'vision_mpl'
error: c.yaml:3:12: evaluation.weights: expected one number for each task, so 2, got 1
error: c.yaml:4:10: evaluation.seeds: expected a whole number >= 1, got the text 'x'
error: c.yaml:5:25: evolution.tournament: tournament 9 is larger than population 5
error: c.yaml:5:51: evolution.window: expected a whole number >= 1, got 0
error: c.yaml:5:66: evolution.warm_start[0]: no library program 'adamv'; did you mean 'adam'?
error: c.yaml:7:1: seed: given twice, first at c.yaml:6:1
error: c.yaml:9:29: funnel.stages[0].seeds: with 2 seeds nothing can be shown at level 0.05; expected at least 5
error: c.yaml:9:32: funnel.stages[0].kep: unknown key; did you mean 'keep'?
error: c.yaml:10:29: funnel.baselines[1]: no library program 'loin'; did you mean 'lion'?
error: c.yaml:11:15: cache.runs[0]: nowhere: no search here (there is no search.db)
11 errors; nothing was run."""


def test_mistakes_of_all_kinds_are_reported_together():
    """Types, rules over several keys, programs, tasks and runs; none hides another."""

    def check(config):
        yield from wrong_files(config, NOTHING)
        for place, name in enumerate(config.evaluation.tasks):
            if name != "vision_mlp":
                yield ("evaluation", "tasks", place), f"no task {name!r}"

    with pytest.raises(ConfigError) as error:
        loads(PHASES, "c.yaml", check=check)
    assert re.sub("; there are: .*", "", str(error.value)) == PHASES_LINES


def test_ray_client_is_refused_with_what_to_give():
    with pytest.raises(ConfigError) as error:
        loads(MINIMAL, "c", overrides=["workers.address=ray://head:10001"])
    assert "workers.address: expected local, in_process, auto or HOST:PORT" in str(error.value)


def test_what_only_defaults_would_break_is_not_reported():
    """The tournament is right; the population that it would have to be compared with is wrong."""
    check = lambda config: [(("evaluation", "tasks", 0), "no such task")]
    with pytest.raises(ConfigError) as error:
        loads(
            b"evaluation: {tasks: 3}\nevolution: {tournament: 2000, population: x}",
            "t",
            overrides=(),
            check=check,
        )
    assert [line.split(" expected")[0] for line in error.value.lines] == [
        "t:1:21: evaluation.tasks:",
        "t:2:43: evolution.population:",
    ]


def test_a_stage_of_the_funnel_is_overridden_by_name():
    config = loads(MINIMAL, overrides=["funnel.stages.B.keep=3", "funnel.finals.seeds=30"])
    assert [stage.keep for stage in config.funnel.stages] == [10, 3, 3]
    text = MINIMAL + b"funnel: {stages: [{name: X, keep: 7}, {name: Y, keep: 8}]}"
    config = loads(text, overrides=["funnel.stages.Y.tuning.draws=2", "funnel.stages.0.keep=9"])
    assert [stage.keep for stage in config.funnel.stages] == [9, 8]
    assert config.funnel.stages[1].tuning.draws == 2
    with pytest.raises(ConfigError) as error:
        loads(text, overrides=["funnel.stages.Z.keep=3", "funnel.stages.Y.kep=3"])
    assert set(error.value.lines) == {
        "--set funnel.stages.Z.keep=3: funnel.stages: has no item 'Z'",
        "--set funnel.stages.Y.kep=3: funnel.stages[1].kep: unknown key; did you mean 'keep'?",
    }


def test_a_part_keeps_its_other_defaults_when_one_of_its_keys_is_given():
    """The tunings' defaults differ; one key given must not bring back those of the class."""
    config = loads(MINIMAL + b"funnel: {head_start: {seeds: 4}}", overrides=["tuning.keep=9"])
    default = loads(MINIMAL)
    assert config.funnel.head_start == default.funnel.head_start.model_copy(update={"seeds": 4})
    assert config.tuning == default.tuning.model_copy(update={"keep": 9})
    config = loads(MINIMAL, overrides=["ablation.retuning.draws=7"])
    assert config.ablation.retuning.spread == default.ablation.retuning.spread == 0.5


def test_a_start_without_constants_cannot_be_tuned(tmp_path):
    path = tmp_path / "plain.py"
    path.write_text("def train(w, g, lr):\n    update = g * lr\n    return update\n")
    sets = ["evolution.mode=tune", f"evolution.warm_start={path}"]
    with pytest.raises(ConfigError, match="has no constant that the mode tune could change"):
        loads(MINIMAL, overrides=sets, check=wrong_warm_starts)
    assert loads(MINIMAL, overrides=sets[1:], check=wrong_warm_starts)


def test_numbers_are_read_as_yaml_1_2():
    config = loads(
        b"evaluation: {tasks: a, hurdles: {slack: 1e-3}}\n"
        b"workers: {timeout_s: 10, address: 'auto', memory_gb: null}"
    )
    assert config.evaluation.hurdles.slack == 1e-3
    assert (
        config.workers.timeout_s == 10.0
        and config.workers.address == "auto"
        and config.workers.memory_gb is None
    )


def test_overrides_replace_keys_and_name_themselves_in_errors():
    sets = [
        "evaluation.tasks=[a, b]",
        "evolution.mutations.insert=0.5",
        "workers.address=10.0.0.1:6379",
    ]
    config = loads(MINIMAL, overrides=sets)
    assert config.evaluation.tasks == ("a", "b")
    assert config.evolution.mutations.insert == 0.5 and config.workers.address == "10.0.0.1:6379"
    with pytest.raises(ConfigError) as error:
        loads(MINIMAL, overrides=["evolution.childen=3", "seed=-1", "seed"])
    assert set(error.value.lines) == {
        "--set evolution.childen=3: evolution.childen: unknown key; did you mean 'children'?",
        "--set seed=-1: seed: expected a whole number >= 0, got -1",
        "--set seed: expected KEY=VALUE with a dotted key, such as evolution.population=100",
    }


def test_further_checks_are_reported_with_their_position():
    text = b"evaluation:\n  tasks: [vision_mpl]\n"
    with pytest.raises(ConfigError) as error:
        loads(
            text,
            "c.yaml",
            check=lambda config: [(("evaluation", "tasks", 0), "no task 'vision_mpl'")],
        )
    assert error.value.lines == ("c.yaml:2:11: evaluation.tasks[0]: no task 'vision_mpl'",)


def test_a_missing_file_is_one_line_with_the_nearest_name(tmp_path):
    (tmp_path / "quickstart.yaml").write_bytes(MINIMAL)
    with pytest.raises(
        ConfigError, match=r"cannot be read: No such file.*did you mean '.*/quickstart.yaml'"
    ):
        load(tmp_path / "quikstart.yaml")


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_shipped_configs_are_valid_and_headed(path):
    assert load(path)
    header = path.read_text().split("\n\n")[0].lower()
    for word in ("python -m search.run --config configs/" + path.name, "time:", "result:"):
        assert word in header


def test_every_key_says_what_it_expects_and_every_part_is_closed():
    assert {"funnel", "funnel.stages", "funnel.finals.seeds"} <= set(key_paths())
    for dotted in key_paths():
        words = expected(field_at(tuple(dotted.split("."))))
        assert words and "typing." not in words and "<class" not in words
    parts = [Config, *SettingsModel.__subclasses__()]
    assert all(
        part.model_config["extra"] == "forbid" and part.model_config["frozen"] for part in parts
    )
