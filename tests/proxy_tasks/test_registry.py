"""The table of tasks: every row trains, names and settings are checked."""

import re

import numpy as np
import optax
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy_tasks import (
    TASKS,
    Outcome,
    StopRules,
    TaskError,
    Training,
    final_params,
    make_task,
    parse_settings,
    train,
)
from proxy_tasks.registry import resolved_settings
from tests.proxy_tasks.tasks import EMBEDDED, loss_and_gradient_error, quick_or_slow

ONE_LINE = r"^[^\n]*$"
CHANCE = {  # first loss, by data or by task
    "digits": np.log(10), "pydoc": np.log(102), "generated": np.log(2),
    "contrastive": np.log(64), "diffusion": 1.0, "fine_tuning": np.log(8),
}  # fmt: skip


@pytest.mark.parametrize("name", quick_or_slow(EMBEDDED))
def test_a_task_starts_at_chance_and_learns(name):
    task = make_task(name, steps=40)
    loss, error = loss_and_gradient_error(task)
    assert loss == pytest.approx(CHANCE.get(name) or CHANCE[task.settings.data], rel=0.2)
    assert error < 0.01
    optimizer = optax.adam(lambda step: 1e-2 * task.schedule(step))
    result, again = train(task, optimizer, seeds=(0, 0), stop=StopRules(curve=(0.1,)))
    assert result.outcome is Outcome.COMPLETED
    assert [step for step, _ in result.curve] == [4, 40]
    assert result.fitness > result.curve[0][1]
    assert (result.fitness, result.curve) == (again.fitness, again.curve)


RATES = {"contrastive": 0.003, "fine_tuning": 0.003}  # of others 0.01


@pytest.mark.slow
@pytest.mark.parametrize("name", TASKS)
def test_adamw_ends_well_below_predictions_that_ignore_the_inputs(name):
    task, rate = make_task(name), RATES.get(name, 0.01)
    optimizer = optax.adamw(lambda step: rate * task.schedule(step), weight_decay=0.01)
    measures = task.metrics(final_params(task, optimizer), "search_validation")
    assert measures["loss"] < 0.8 * task.trivial_loss
    assert {"loss", *task.reports} == {*measures} and np.isfinite([*measures.values()]).all()


def test_fitness_is_a_choice():
    results = {}
    for fitness in ("accuracy", "negative_loss", "negative_log_perplexity"):
        made = make_task("vision_mlp", steps=30, fitness=fitness)
        results[fitness] = Training(made, lambda rate: optax.adam(rate))(np.float32(0.01)).fitness
    assert 0 < results["accuracy"] < 1
    assert results["negative_loss"] == results["negative_log_perplexity"] < 0


WRONG = {
    "vison_mlp": "no task 'vison_mlp'; did you mean 'vision_mlp'?",
    "language_transformer:smal_batch": "no preset 'smal_batch'; did you mean 'small_batch'?",
    "vision_mlp@0": "scale: expected a number > 0 and <= 10000, got '0'",
    "vision_mlp@1e9": "scale: expected a number > 0 and <= 10000, got '1e9'",
    "": "no task ''",
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_name_says_what_is_right(name):
    with pytest.raises(TaskError, match=ONE_LINE) as error:
        make_task(name)
    assert WRONG[name] in str(error.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"stesp": 5}, "no setting 'stesp'; did you mean 'steps'?"),
        ({"steps": 0}, "steps: expected a whole number >= 1 and <= 1,000,000,000, got 0"),
        ({"steps": 1.5}, "got 1.5"),
        ({"steps": True}, "got True"),
        ({"steps": "many"}, "got 'many'"),
        ({"warmup": float("inf")}, "warmup: expected a number > 0 and <= 1, got inf"),
        ({"fitness": "loss"}, "one of accuracy, negative_log_perplexity, negative_loss"),
        ({"data": 3}, "expected a text"),
        ({"data": "digts"}, "did you mean 'digits'?"),
        ({"held_out": 0.5}, "held_out: expected a number > 0 and < 0.5, got 0.5"),
        ({"fraction": 2.0}, "fraction: expected a number > 0 and <= 1, got 2.0"),
        ({"shifts": 3}, "shifts: expected a whole number >= 0 and <= 2, got 3"),
        ({"scale": 0}, "scale: expected a number > 0 and <= 10000, got 0"),
    ],
)
def test_a_wrong_setting_says_what_is_right(settings, message):
    with pytest.raises(TaskError, match=ONE_LINE) as error:
        make_task("vision_mlp", **settings)
    assert message in str(error.value)


def test_impossible_combinations():
    with pytest.raises(
        TaskError, match=r"^task vision_vit: patch: 3 does not divide the image size 8$"
    ):
        make_task("vision_vit", patch=3)
    for name in ("vision_vit", "language_transformer"):
        with pytest.raises(TaskError, match="not a multiple of the 5 heads"):
            make_task(name, heads=5)
    with pytest.raises(TaskError, match="in the name and as a setting"):
        make_task("vision_mlp@10", scale=10.0)


@pytest.mark.parametrize("name", TASKS)
def test_presets_are_valid_settings(name):
    for preset in TASKS[name].presets:
        assert resolved_settings(f"{name}:{preset}") != resolved_settings(name)


def test_settings_are_defaults_then_preset_then_scale_then_one_s_own():
    settings = resolved_settings("vision_mlp:long@10", steps=7)
    assert (settings.image_size, settings.shifts, settings.scale, settings.steps) == (8, 1, 10.0, 7)
    assert make_task("vision_mlp:laptop@1").name == make_task("vision_mlp", scale=1).name


def test_settings_from_texts():
    tasks = ["vision_mlp@10", "language_mlp:long", "vision_mlp"]
    assert parse_settings([], tasks) == {"vision_mlp": {}, "language_mlp": {}}
    assert parse_settings(
        ["steps=100", " steps = 2e2 ", "vision_mlp.warmup= 0.1", "language_mlp.data=text:/a.b=c"],
        tasks,
    ) == {
        "vision_mlp": {"steps": 200, "warmup": 0.1},
        "language_mlp": {"steps": 200, "data": "text:/a.b=c"},
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("steps", "setting 'steps': expected KEY=VALUE, as in steps=200"),
        ("=3", "expected KEY=VALUE"),
        (".steps=3", "expected KEY=VALUE"),
        ("vision_mlp.=3", "expected KEY=VALUE"),
        ("steps=two", "task vision_mlp: steps: expected a whole number"),
        ("steps=2.5", "got 2.5"),
        ("shifts=true", "got 'true'"),
        ("stps=1", "did you mean 'steps'?"),
        ("vison_mlp.steps=1", "no task 'vison_mlp' here; did you mean 'vision_mlp'?"),
        ("language_mlp.steps=1", "no task 'language_mlp' here"),
    ],
)
def test_a_wrong_text_says_what_is_right(text, message):
    with pytest.raises(TaskError, match=ONE_LINE) as error:
        parse_settings([text], ["vision_mlp"])
    assert message in str(error.value)


KEYS = sorted({key for spec in TASKS.values() for key in spec.settings.model_fields})
SETTING_TEXTS = st.one_of(
    st.text(),
    st.builds("{}={}".format, st.sampled_from(KEYS) | st.text(), st.text() | st.floats()),
    st.builds("{}.{}={}".format, st.sampled_from([*TASKS]), st.sampled_from(KEYS), st.integers()),
)


@given(st.sampled_from([*TASKS]), SETTING_TEXTS)
def test_any_text_is_a_setting_or_one_clear_line(name, text):
    try:
        (settings,) = parse_settings([text], [name]).values()
    except TaskError as error:
        assert re.fullmatch(r"(task|setting) [^\n]+", str(error)) and str(error).isprintable()
    else:
        assert len(settings) == 1 and resolved_settings(name, **settings)


@given(st.text() | st.builds("{}:{}@{}".format, st.sampled_from([*TASKS]), st.text(), st.text()))
def test_any_text_is_a_task_or_one_clear_line(name):
    try:
        assert resolved_settings(name).scale > 0
    except TaskError as error:
        assert re.fullmatch(r"task [^\n]+", str(error)) and str(error).isprintable()
