"""The schedule value over the steps of a training."""

from typing import get_args

import jax
import numpy as np
import optax
import pytest

from proxy_tasks import TaskError, make_task
from proxy_tasks.schedules import schedule_value
from proxy_tasks.settings import Shape
from tests.proxy_tasks.tasks import EMBEDDED


def values_of(task):
    return np.asarray(jax.vmap(task.schedule)(np.arange(task.steps)))


@pytest.mark.parametrize("name", EMBEDDED)
def test_it_rises_to_one_and_never_reaches_zero(name):
    task = make_task(name)
    values = values_of(task)
    assert values.max() == pytest.approx(1, abs=1e-6)
    assert values.min() > 0
    peak = values.argmax()
    assert (np.diff(values[: peak + 1]) > 0).all()
    assert (np.diff(values[peak:]) <= 0).all()
    assert values[-1] == pytest.approx(0.01, rel=0.5)


@pytest.mark.parametrize("name", EMBEDDED)
def test_a_cosine_is_optax_s_but_for_rounding(name):
    task = make_task(name)
    rise = round(task.warmup * task.steps)
    theirs = optax.warmup_cosine_decay_schedule(1 / rise, 1.0, rise - 1, task.steps - 1, 0.01)
    steps = np.arange(task.steps)
    np.testing.assert_allclose(values_of(task), jax.vmap(theirs)(steps), rtol=0, atol=2e-7)


def test_a_shape_is_what_its_name_says():
    tasks = {shape: make_task("vision_mlp", schedule=shape, steps=20) for shape in get_args(Shape)}
    at = {shape: [float(task.schedule(step)) for step in (0, 10, 19)]
          for shape, task in tasks.items()}  # fmt: skip
    assert at["constant"] == [1.0, 1.0, 1.0]
    assert at["linear"] == pytest.approx([1.0, 1 - 0.99 * 10 / 19, 0.01], abs=1e-6)
    assert at["cosine"][2] == pytest.approx(0.01, abs=1e-6)
    assert at["cube_root"] == pytest.approx([x ** (1 / 3) for x in at["cosine"]], abs=1e-6)
    assert at["square_root"] == pytest.approx([x ** (1 / 2) for x in at["cosine"]], abs=1e-6)
    assert tasks["cosine"].fingerprint == make_task("vision_mlp", steps=20).fingerprint
    assert len({task.fingerprint for task in tasks.values()}) == len(tasks)


@pytest.mark.parametrize("shape", get_args(Shape))
def test_every_shape_rises_over_the_warm_up(shape):
    values = [float(schedule_value(i, steps=100, warmup=0.1, shape=shape)) for i in range(100)]
    assert (np.diff(values[:10]) > 0).all() and values[9] == pytest.approx(1.0)
    assert (np.diff(values[9:]) <= 0).all() and min(values) > 0


def test_another_name_is_refused():
    with pytest.raises(TaskError, match="schedule: expected one of cosine, linear, constant"):
        make_task("vision_mlp", schedule="step")
