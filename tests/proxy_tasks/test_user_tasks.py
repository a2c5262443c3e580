"""Tasks of a user's own: one function, or a file of them."""

from pathlib import Path

import optax
import pytest

from proxy_tasks import TASKS, TaskError, TaskSettings, load_tasks_file, make_task, register, train
from proxy_tasks.user_tasks import _loaded

TUTORIAL = Path(__file__).parents[2] / "docs/tutorial.md"
(BLOCK,) = (
    block.removeprefix("python\n")
    for block in TUTORIAL.read_text().split("```")
    if "@register" in block
)
EXAMPLE = f"import jax.numpy as jnp\n{BLOCK}"  # which an earlier block imports
SMALL = """
import jax.numpy as jnp
import numpy as np
from proxy_tasks import Task, register, split_examples

@register
def small(steps: int = 3) -> Task:
    loss = lambda weights, batch: jnp.mean((batch - weights) ** 2) + {extra}
    return Task(lambda _: jnp.zeros(2), loss, split_examples(np.ones((9, 2))), steps, 2)
"""


@pytest.fixture(autouse=True)
def same_table():
    """Begins without what other files' tests have registered; leaves the table as it was."""
    before = dict(TASKS)
    TASKS.pop("plane", None)
    yield
    TASKS.clear()
    TASKS.update(before)
    _loaded.clear()


def test_the_example_of_the_tutorial(tmp_path):
    """Word for word: under 30 lines, trained by name."""
    assert len([line for line in EXAMPLE.splitlines() if line.strip()]) < 30
    file = tmp_path / "mine.py"
    file.write_text(EXAMPLE)
    load_tasks_file(file)
    task = make_task("plane", steps=100)
    (result,) = train(task, optax.adam(0.1))
    assert -0.02 < result.fitness < 0
    assert task.source and make_task("vision_mlp").source == ""
    with pytest.raises(TaskError, match=r"'scale'; add `scale: float = 1.0`.* settings of plane"):
        make_task("plane@10")


def test_an_unchanged_file_is_run_once_and_an_edited_one_again(tmp_path):
    file = tmp_path / "mine.py"
    fingerprints, builds = [], []
    for extra in (0, 0, 1, 0):
        file.write_text(SMALL.format(extra=extra))
        load_tasks_file(str(file))
        builds.append(TASKS["small"].build)
        fingerprints.append(make_task("small").fingerprint)
    assert builds[0] is builds[1] and builds[1] is not builds[2]
    assert fingerprints[0] == fingerprints[1] == fingerprints[3] != fingerprints[2]


BUILT_IN = "from proxy_tasks import register\n@register\ndef vision_mlp(steps: int = 1): ..."


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import nothing_of_this_name", "mine.py:1: ModuleNotFoundError"),
        ("x = 1\nx = (", "mine.py:2: SyntaxError"),
        ("x = 1\n\n1 / 0", "mine.py:3: ZeroDivisionError"),
        ("raise SystemExit(1)", "mine.py:1: SystemExit: 1"),
        ("raise ValueError('two\\nlines')", "mine.py:1: ValueError: two lines"),
        ("from proxy_tasks import register\n@register\ndef t(steps): ...", "needs a default"),
        ("x = 1", "mine.py registers no task"),
        (BUILT_IN, "mine.py:2: TaskError: task vision_mlp: there is a task of that name already"),
    ],
)
def test_a_broken_file_of_tasks_names_the_line_and_registers_nothing(tmp_path, text, message):
    before = dict(TASKS)
    file = tmp_path / "mine.py"
    file.write_text(text)
    with pytest.raises(TaskError, match=r"^[^\n]*$") as error:
        load_tasks_file(file)
    assert message in str(error.value)
    file.write_text(f"{SMALL.format(extra=0)}\n1 / 0")
    with pytest.raises(TaskError, match="ZeroDivisionError"):
        load_tasks_file(file)
    assert before == TASKS


def test_files_that_are_none(tmp_path):
    with pytest.raises(TaskError, match=r"no file .*/nothing.py"):
        load_tasks_file("nothing.py")
    file = tmp_path / "tasks.txt"
    file.touch()
    with pytest.raises(TaskError, match=r"its name must end in .py"):
        load_tasks_file(file)


def test_a_task_that_is_none():
    @register
    def nothing(steps: int = 1):
        return None

    with pytest.raises(TaskError, match="expected a Task"):
        make_task("nothing")


MODEL = """
from proxy_tasks import Task, register, split_examples
import jax
import jax.numpy as jnp
import numpy as np

@register
def model(steps: int = 1, divisor: int = 1):
    1 / divisor
    return Task({init}, {loss}, split_examples(np.ones((9, 2))), steps, 2)
"""
ZEROS, MEAN = "lambda key: {'w': jnp.zeros(2)}", "lambda w, batch: jnp.mean(batch - w['w'])"
LOOP = "lambda w, batch: jax.lax.while_loop(lambda c: c < 3, lambda c: c + 1, w['w'][0])"


@pytest.mark.parametrize(
    ("init", "loss", "settings", "message"),
    [
        (ZEROS, MEAN, {"divisor": 0}, "mine.py:9: ZeroDivisionError: "),
        (ZEROS, MEAN, {"steps": 0}, "task model: steps: expected a whole number of at"),
        ("lambda: 0", MEAN, {}, "TypeError: "),
        ("lambda key: jnp.zeros(2, int)", MEAN, {}, "expected weights of float32, got int32"),
        ("lambda key: {'w': 0}", MEAN, {}, "expected weights of float32, got int32 at ['w']"),
        (
            ZEROS,
            "lambda w, batch: batch - w['w']",
            {},
            "loss: expected one number, got float32[2, 2]",
        ),
        (ZEROS, "lambda w, batch: batch @ w['v']", {}, "mine.py:10: KeyError: 'v'"),
        (ZEROS, "lambda w, batch: (0.0, 1.0)", {}, "loss: expected one number, got"),
        (ZEROS, LOOP, {}, "mine.py: ValueError: Reverse-mode differentiation does not work"),
    ],
)
def test_a_mistake_in_a_task_is_one_line_before_any_training(
    tmp_path, init, loss, settings, message
):
    file = tmp_path / "mine.py"
    file.write_text(MODEL.replace("{init}", init).replace("{loss}", loss))
    load_tasks_file(file)
    with pytest.raises(TaskError, match=r"^task model: [^\n]*$") as error:
        make_task("model", **settings)
    assert message in str(error.value)


def test_a_task_with_a_settings_model_and_presets():
    class ModelSettings(TaskSettings):
        steps: int = 7

    def with_model(settings: ModelSettings):
        return make_task("vision_mlp", steps=settings.steps)

    register(with_model, presets={"short": {"steps": 2}})
    assert (make_task("with_model").steps, make_task("with_model:short").steps) == (7, 2)
    with pytest.raises(TaskError, match=r"with_model, preset long: no setting 'stpes'"):
        register(with_model, presets={"long": {"stpes": 2}})


def test_a_function_may_be_registered_anew_in_its_module_only():
    """As a cell of a notebook does; its fingerprint shows that it is another task."""
    sources = []
    for steps in (1, 2):
        code = f"def again(steps: int = {steps}): ..."
        exec(code, module := {"__name__": "notebook"})
        register(module["again"])
        sources.append(TASKS["again"].source)
    assert len({*sources, ""}) == 3
    exec(compile(code, "another.py", "exec"), other := {"__name__": "another"})
    with pytest.raises(TaskError, match="there is a task of that name already"):
        register(other["again"])


def test_only_functions_can_be_registered():
    with pytest.raises(TaskError, match=r"register: expected a function, got 3"):
        register(3)
