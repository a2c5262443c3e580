"""The table of tasks: every row trains, names and settings are checked, scale costs what it says."""

import dataclasses
import textwrap

import jax
import numpy as np
import optax
import pytest

from proxy_tasks import __main__ as command_line
from proxy_tasks.images import Images
from proxy_tasks.task import (
    TASKS,
    TaskError,
    load_tasks_file,
    make_task,
    parse_setting,
    register,
)
from proxy_tasks.text import load_text
from proxy_tasks.train import Outcome, StopRules, Training, batches, prepared, train

ONE_LINE = r"^[^\n]*$"
EMBEDDED = [
    name if not preset else f"{name}:{preset}"
    for name, row in TASKS.items()
    for preset in ("", *row.presets)
    if preset != "paper"
]


@pytest.mark.parametrize(
    "name",
    # Presets of one row share its model, and a Transformer takes seconds to compile.
    [n if n in TASKS else pytest.param(n, marks=pytest.mark.slow) for n in EMBEDDED],
)
def test_a_task_starts_at_chance_and_learns(name):
    task = make_task(name, steps=40)
    params, order = prepared(task, 0)
    assert {str(leaf.dtype) for leaf in jax.tree.leaves(params)} == {"float32"}
    loss = jax.jit(task.loss)(params, task.data.take(task.data.arrays, order[0]))
    classes = {"digits": 10, "pydoc": 102}[task.settings["data"]]
    assert float(loss) == pytest.approx(np.log(classes), rel=0.2)
    optimizer = optax.adam(lambda step: 1e-2 * task.schedule(step))
    (result,) = train(task, optimizer, stop=StopRules(curve=(0.1,)))
    assert result.outcome is Outcome.COMPLETED
    assert [step for step, _ in result.curve] == [4, 40]
    assert result.fitness > result.curve[0][1]


@pytest.mark.parametrize("name", EMBEDDED)
def test_splits_are_disjoint_and_a_batch_has_its_size(name):
    task = make_task(name)
    splits = [task.data.train, task.data.search_validation, task.data.meta_validation]
    numbers = np.concatenate(splits)
    assert len(set(numbers.tolist())) == len(numbers)
    batch = task.data.take(task.data.arrays, task.data.train[: task.batch_size])
    assert {len(leaf) for leaf in jax.tree.leaves(batch)} == {task.batch_size}


@pytest.mark.parametrize("name", EMBEDDED)
@pytest.mark.parametrize("scale", [10, 100])
def test_scale_multiplies_the_operations(name, scale):
    small, large = make_task(name), make_task(f"{name}@{scale}")
    assert large.flops / small.flops == pytest.approx(scale, rel=0.1)
    # Model and steps both grow, about alike.
    assert large.steps / small.steps == pytest.approx(scale**0.5, rel=0.2)
    assert large.parameters > 1.5 * small.parameters


def test_operations_are_six_per_weight_and_example():
    task = make_task("vision_mlp")
    estimate = 6 * 32 * (64 + 10) * task.batch_size * task.steps
    assert task.flops == pytest.approx(
        estimate, rel=0.35
    )  # the first layer needs no input gradient


@pytest.mark.parametrize("name", EMBEDDED)
def test_schedule_rises_to_one_and_never_reaches_zero(name):
    task = make_task(name)
    values = np.asarray(jax.vmap(task.schedule)(np.arange(task.steps)))
    assert values.max() == pytest.approx(1, abs=1e-6)
    assert values.min() > 0
    peak = values.argmax()
    assert (np.diff(values[: peak + 1]) > 0).all()
    assert (np.diff(values[peak:]) <= 0).all()
    assert values[-1] == pytest.approx(0.01, rel=0.5)


def test_fingerprint_changes_with_whatever_decides_a_fitness():
    def of(**settings):
        return make_task("vision_mlp", **settings).fingerprint

    same = of()
    assert same == of()
    changes = [{"steps": 501}, {"fitness": "accuracy"}, {"hidden": 31}, {"fraction": 0.5}]
    different = {of(**change) for change in changes}
    assert same not in different
    assert len(different) == len(changes)
    assert (
        make_task("vision_mlp", fraction=0.5).data.fingerprint
        != make_task("vision_mlp").data.fingerprint
    )


def test_paper_presets_are_the_paper_s():
    """Chen et al. 2023, section 2.3 and appendix."""
    vit = TASKS["vision_vit"].presets["paper"]
    assert (vit["layers"], vit["width"], vit["heads"]) == (3, 96, 3)
    assert (vit["image_size"], vit["patch"], vit["batch_size"]) == (64, 16, 64)
    assert (vit["steps"], vit["fraction"]) == (30_000, 0.1)
    text = TASKS["language_transformer"].presets["paper"]
    assert (text["layers"], text["width"], text["heads"]) == (2, 128, 2)
    assert (text["context"], text["tokenizer"]) == (32, "bpe:3000")
    assert (text["batch_size"], text["steps"]) == (64, 20_000)


def test_the_paper_s_vision_task_is_built(monkeypatch):
    """The data are made up: a few images, of the size that the preset asks for."""
    rng = np.random.default_rng(0)

    def images(source, size, fraction):
        assert (source, fraction) == ("hf:ILSVRC/imagenet-1k", 0.1)
        pixels = rng.integers(0, 256, (80, size, size, 3), dtype=np.uint8)
        return Images(pixels, rng.integers(0, 1000, 80, dtype=np.int32), 1000)

    monkeypatch.setattr("proxy_tasks.vision.load_images", images)
    task = make_task("vision_vit:paper")
    assert task.data.arrays[0].shape == (80, 16, 16 * 16 * 3)
    width, block = 96, 12 * 96**2 + 13 * 96  # a block: weights, biases and two norms
    embedding = (768 + 1 + 16) * width  # of patches and of their places
    assert task.parameters == embedding + 3 * block + 2 * width + (width + 1) * 1000
    _check_one_gradient(task)


def test_the_paper_s_language_task_is_built(monkeypatch):
    """The text is the embedded one."""

    def text(source, limit):
        assert source == "hf:billion-word-benchmark/lm1b@refs/convert/parquet"
        assert limit == 200_000_000
        return load_text("pydoc", limit)

    monkeypatch.setattr("proxy_tasks.text.load_text", text)
    task = make_task("language_transformer:paper")
    assert task.shapes()["['params']['embedding']['embedding']"] == (3000, 128)
    _check_one_gradient(task)


def _check_one_gradient(task):
    """Batches, loss, gradient and fitness have the right shapes; nothing is compiled."""
    order = batches(task, 0)
    assert order.shape == (task.steps, 64)
    batch = task.data.take(task.data.arrays, order[0])
    weights = jax.eval_shape(task.init, jax.random.key(0))
    assert jax.eval_shape(jax.grad(task.loss), weights, batch) == weights
    assert jax.eval_shape(task.fitness, weights, batch).shape == ()


WRONG = {
    "vison_mlp": "no task 'vison_mlp'; did you mean 'vision_mlp'?",
    "language_transformer:smal_batch": "no preset 'smal_batch'; did you mean 'small_batch'?",
    "vision_mlp@0": "scale: expected a number above 0, got 0.0",
    "vision_mlp@-1": "expected a number above 0",
    "vision_mlp@nan": "expected a number above 0",
    "vision_mlp@1e9": "at most 10000",
    "vision_mlp@ten": "the scale 'ten' is not a number",
    "": "no task ''",
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_name_says_what_is_right(name):
    with pytest.raises(TaskError) as error:
        make_task(name)
    assert WRONG[name] in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"stesp": 5}, "no setting 'stesp'; did you mean 'steps'?"),
        ({"steps": 0}, "steps: expected a whole number of at least 1, got 0"),
        ({"steps": 1.5}, "whole number"),
        ({"steps": True}, "whole number"),
        ({"steps": "many"}, "got 'many'"),
        ({"warmup": float("inf")}, "a number above 0"),
        ({"fitness": "loss"}, "one of accuracy, negative_log_perplexity, negative_loss"),
        ({"data": 3}, "expected a text"),
        ({"data": "digts"}, "did you mean 'digits'?"),
        ({"held_out": 0.5}, "leave no images"),
        ({"fraction": 2.0}, "at most 1"),
        ({"scale": 0}, "scale: expected a number above 0"),
    ],
)
def test_a_wrong_setting_says_what_is_right(settings, message):
    with pytest.raises(TaskError, match=ONE_LINE) as error:
        make_task("vision_mlp", **settings)
    assert message in str(error.value)


def test_impossible_combinations():
    with pytest.raises(TaskError, match="3 does not divide the image size 8"):
        make_task("vision_vit", patch=3)
    with pytest.raises(TaskError, match="not a multiple of the 5 heads"):
        make_task("vision_vit", heads=5)
    with pytest.raises(TaskError, match="in the name and as a setting"):
        make_task("vision_mlp@10", scale=10.0)


def test_settings_from_text():
    assert parse_setting("vision_mlp@10", "steps=200") == ("steps", 200)
    assert parse_setting("vision_mlp", "warmup = 0.1") == ("warmup", 0.1)
    assert parse_setting("vision_mlp", "shifts=0") == ("shifts", 0)
    assert parse_setting("vision_mlp", "data=idx:/a=b") == ("data", "idx:/a=b")
    for text in ("steps", "steps=two", "steps=2.5", "shifts=3", "shifts=true", "=3", "stps=1"):
        with pytest.raises(TaskError, match=ONE_LINE):
            parse_setting("vision_mlp", text)


USER_TASK = load_tasks_file.__doc__.split("Such a file, whole:")[1].split("The file is")[0]


def test_a_user_s_task(tmp_path, monkeypatch):
    """The example of the documentation, word for word: under 30 lines, trained by name."""
    assert len([line for line in USER_TASK.splitlines() if line.strip()]) < 30
    monkeypatch.setattr("proxy_tasks.task.TASKS", TASKS)
    file = tmp_path / "mine.py"
    file.write_text(textwrap.dedent(USER_TASK))
    try:
        load_tasks_file(file)
        load_tasks_file(str(file))  # again, as every worker does
        task = make_task("plane", steps=100)
        (result,) = train(task, optax.adam(0.1))
        assert -0.02 < result.fitness < 0
        assert task.source and task.source not in ("", make_task("vision_mlp").source)
        with pytest.raises(TaskError, match=r"'scale'; add `scale: float = 1.0`.* of plane\(\)"):
            make_task("plane@10")
    finally:
        TASKS.pop("plane", None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import nothing_of_this_name", "mine.py:1: ModuleNotFoundError"),
        ("x = 1\nx = (", "mine.py:2: SyntaxError"),
        ("x = 1\n\n1 / 0", "mine.py:3: ZeroDivisionError"),
        ("from proxy_tasks.task import register\n@register\ndef t(steps): ...", "needs a default"),
        (
            "from proxy_tasks.task import register\n@register\ndef vision_mlp(steps: int = 1): ...",
            "there is a task of that name already",
        ),
    ],
)
def test_a_broken_file_of_tasks_names_the_line(tmp_path, text, message):
    file = tmp_path / "mine.py"
    file.write_text(text)
    with pytest.raises(TaskError) as error:
        load_tasks_file(file)
    assert message in str(error.value)


def test_a_missing_file_of_tasks():
    with pytest.raises(TaskError, match=r"no file .*/nothing.py"):
        load_tasks_file("nothing.py")


def test_a_task_that_is_none():
    def nothing(steps: int = 1):
        return None

    register(nothing)
    try:
        with pytest.raises(TaskError, match="expected a Task"):
            make_task("nothing")
    finally:
        del TASKS["nothing"]


def test_fitness_is_a_choice():
    results = {}
    for fitness in ("accuracy", "negative_loss", "negative_log_perplexity"):
        made = make_task("vision_mlp", steps=30, fitness=fitness)
        results[fitness] = Training(made, lambda rate: optax.adam(rate))(np.float32(0.01)).fitness
    assert 0 < results["accuracy"] < 1
    assert results["negative_loss"] == results["negative_log_perplexity"] < 0


def test_batches_are_epochs_of_the_training_split():
    task = make_task("vision_mlp", shifts=0, batch_size=64, steps=30)
    count, order = len(task.data.train), batches(task, 0).reshape(-1)
    assert sorted(order[:count]) == sorted(task.data.train)
    assert not np.array_equal(order[:count], batches(task, 1).reshape(-1)[:count])
    few = dataclasses.replace(task, steps=2)
    assert len(set(batches(few, 0).reshape(-1).tolist())) == 2 * task.batch_size


def test_command_line(capsys, tmp_path):
    assert command_line.main(["list", "vision_mlp", "--set", "steps=5"]) == 0
    assert "vision_mlp" in capsys.readouterr().out
    file = tmp_path / "file"
    file.touch()
    wrong = [
        ["list", "vision_mpl"],
        ["list", "vision_mlp@0"],
        ["list", "vision_mlp", "--set", "steps=0"],
        ["list", "vision_mlp", "--set", "data=idx:/nowhere"],
        ["list", "language_mlp", "--set", "data=text:/nowhere"],
        ["list", "--tasks", str(tmp_path / "none.py")],
        ["convert", "images:/nowhere", str(tmp_path)],
        ["convert", "digits", str(file)],
        ["convert", "digits", str(file / "below")],
        ["convert", "digits", "/proc/nothing"],
        ["convert", "digits", str(tmp_path / "new"), "--image-size", "0"],
        ["convert", "digits", str(tmp_path / "new"), "--image-size", "-8"],
        ["convert", "digits", str(tmp_path / "new"), "--fraction", "0"],
    ]
    for arguments in wrong:
        assert command_line.main(arguments) == 2
        message = capsys.readouterr().err
        assert message.startswith("error: ")
        assert message.count("\n") == 1
    assert list(tmp_path.iterdir()) == [file]
