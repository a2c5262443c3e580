"""What a config asks for and cannot be had."""

import os
from pathlib import Path

import pytest

from search.checks import doubts, mistakes, too_many_seeds
from search.config import selection, settings
from search.config.load import ConfigError, load, loads

MINIMAL = b"evaluation: {tasks: [vision_mlp]}\n"


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("evaluation.seeds=1001", "search: 1001 seeds are more than the 1000 there are (0 to 999)"),
        ("rescore.seeds=1000000000", "re-scoring: 1000000000 seeds"),
        ("meta_validation.seeds=1001", "meta-validation: 1001 seeds"),
        ("ablation.seeds=1001", "ablation: 1001 seeds"),
        ("ablation.confirm_seeds=334", "confirmation: 1002 seeds"),
        ("ablation.retuning.seeds=1001", "tuning for the ablation: 1001 seeds"),
        ("tuning.seeds=1001", "tuning for the ablation: 1001 seeds"),
        ("funnel.head_start.seeds=1001", "head start: 1001 seeds"),
        ("funnel.stages.B.seeds=5001", "stage: 5001 seeds"),
        ("funnel.stages.B.tuning.seeds=5001", "tuning in a stage: 5001 seeds"),
        ("funnel.finals.seeds=50001", "finals: 400008 seeds"),
    ],
)
def test_more_seeds_than_a_purpose_has_are_refused_in_one_line(setting, said):
    assert loads(MINIMAL, check=too_many_seeds)
    with pytest.raises(ConfigError) as error:
        loads(MINIMAL, overrides=[setting], check=too_many_seeds)
    [line] = error.value.lines
    assert said in line and setting.split("=")[0].split(".")[-1] in line


def test_more_stages_than_there_are_seeds_for_are_refused():
    stages = ", ".join(f"{{name: s{i}}}" for i in range(90))
    text = MINIMAL + f"funnel: {{stages: [{stages}]}}".encode()
    with pytest.raises(ConfigError, match=r"stages\[89\].*seeds for 89 of them only"):
        loads(text, check=too_many_seeds)


CORES = os.cpu_count() or 1


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "evolution.mutations.max_length=8",
            "evolution.mutations.max_length: library:adamw has 9 statements already; expected at "
            "least 9",
        ),
        (
            "workers.memory_gb=0.001",
            "workers.memory_gb: a worker needs at least 1 to start, got 0.001",
        ),
        (
            f"workers.count={16 * CORES + 1}",
            f"workers.count: more than 16 workers for each of this machine's {CORES} cores; "
            f"expected at most {16 * CORES}",
        ),
    ],
)
def test_what_cannot_work_is_refused_before_anything_starts(override, message):
    assert loads(MINIMAL, check=mistakes)
    with pytest.raises(ConfigError) as error:
        loads(MINIMAL, overrides=[override], check=mistakes)
    assert error.value.lines == (f"--set {override}: {message}",)


def test_a_cluster_may_have_more_workers_than_this_machine_has_room_for():
    overrides = ["workers.count=5000", "workers.address=10.0.0.1:6379"]
    assert loads(MINIMAL, overrides=overrides, check=mistakes)


@pytest.mark.parametrize(
    ("override", "doubt"),
    [
        (
            "funnel.families=6",
            "funnel.stages[0].keep: 10 is more than the 6 candidates: all of them are promoted",
        ),
        (
            "funnel.stages.C.keep=7",
            "funnel.stages[2].keep: 7 is more than the 5 candidates: all of them are promoted",
        ),
        (
            "funnel.stages.B.tuning.draws=3",
            "funnel.stages[1].tuning.keep: 4 is more than the 3 draws: all of them are kept",
        ),
        ("tuning.keep=200", "tuning.keep: 200 is more than the 192 draws: all of them are kept"),
        (
            "funnel.head_start.draws=6",
            "funnel.head_start.keep: 8 is more than the 6 draws: all of them are kept",
        ),
        (
            "ablation.retuning.keep=50",
            "ablation.retuning.keep: 50 is more than the 48 draws: all of them are kept",
        ),
        (
            "evolution={mode: tune, mutations: {insert: 5}}",
            "evolution.mutations: the mode tune changes constants alone",
        ),
        (
            "evolution={mode: random, mutations: {insert: 5}}",
            "evolution.mutations: the mode random draws whole programs",
        ),
        (
            "evolution.random_length=[4, 9]",
            "evolution.random_length: the mode evolution draws no whole program",
        ),
        (
            "evolution={mode: random, tournament: 3}",
            "evolution.tournament: a random program has no parent",
        ),
        (
            "evolution={mode: random, migration_interval: 50}",
            "evolution.migration_interval: a random program has no parent that could migrate",
        ),
        (
            "funnel.finals={tunings: 6, looks: 4}",
            "funnel.finals.looks: with 6 tunings the first of 4 looks can show nothing at level "
            "0.05; it takes 7",
        ),
        (
            "funnel.finals={tunings: 1, seeds: 6, looks: 8}",
            "funnel.finals.looks: with 6 seeds the first of 8 looks can show nothing at level "
            "0.05; it takes 8",
        ),
        (
            "funnel.stages=[{name: A, seeds: 4, looks: 3, keep: 5}]",
            "funnel.stages[0].looks: with 4 seeds the first of 3 looks can show nothing at level "
            "0.05; it takes 6",
        ),
    ],
)
def test_what_has_no_effect_is_reported(override, doubt):
    assert doubts(loads(MINIMAL)) == []
    assert doubts(loads(MINIMAL, overrides=[override])) == [doubt]


@pytest.mark.parametrize(
    "path", sorted((Path(__file__).parents[2] / "configs").glob("*.yaml")), ids=lambda p: p.stem
)
def test_every_setting_of_the_shipped_configs_has_an_effect(path):
    assert doubts(load(path)) == []


def test_limits_that_are_stated_twice_are_the_same():
    """The config knows neither programs nor tasks."""
    from programs.parse import MAX_STATEMENTS
    from proxy_tasks.names import MAX_SCALE

    assert settings.MAX_STATEMENTS == MAX_STATEMENTS
    assert selection.MAX_SCALE == MAX_SCALE
