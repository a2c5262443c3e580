"""Models whose steps change more than weights and draw random numbers: the task's contract."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from proxy_tasks import (
    TASKS,
    DeviceData,
    Task,
    TaskError,
    Training,
    final_params,
    make_task,
    register,
    split_examples,
)
from proxy_tasks.batch_training import BatchTraining

MOMENTUM = 0.9


def noisy_mean(steps=12):
    """Find the mean of numbers, seen through noise; the state is their running average."""
    x = np.random.default_rng(0).normal(2, 1, 50).astype(np.float32)

    def training_loss(params, batch, key):
        noise = jax.random.normal(key, ())
        average = MOMENTUM * params["stats"]["average"] + (1 - MOMENTUM) * jnp.mean(batch)
        stats = {"average": average, "noise": noise, "count": params["stats"]["count"] + 1}
        return jnp.mean((params["weights"]["w"] + noise - batch) ** 2), {"stats": stats}

    return Task(
        init=lambda key: {
            "weights": {"w": jnp.zeros(())},
            "stats": {"average": jnp.zeros(()), "noise": jnp.zeros(()), "count": jnp.int32(0)},
        },
        loss=lambda params, x: (
            jnp.mean((params["weights"]["w"] - x) ** 2) + params["stats"]["average"]
        ),
        data=split_examples(x),
        steps=steps,
        batch_size=8,
        training_loss=training_loss,
        state=("stats",),
    )


@pytest.fixture(scope="module")
def task():
    return noisy_mean()


def test_the_state_follows_the_steps_and_the_optimizer_does_not_see_it(task):
    seen = []

    def update(updates, state, params=None, **_):
        seen.append((jax.tree.structure(updates), jax.tree.structure(params)))
        return jax.tree.map(lambda g: -0.1 * g, updates), state

    optimizer = optax.GradientTransformation(lambda params: (), update)
    end = final_params(task, optimizer, 3)
    start = DeviceData(task).start(3)
    average = w = 0.0
    for step, indices in enumerate(np.asarray(start.batches)):
        batch = task.data.arrays[indices]
        key = jax.random.fold_in(jax.random.wrap_key_data(start.key), step)
        noise = float(jax.random.normal(key, ()))
        average = MOMENTUM * average + (1 - MOMENTUM) * batch.mean()
        w -= 0.1 * 2 * (w + noise - batch.mean())
    assert end["weights"]["w"] == pytest.approx(w, rel=1e-4)
    assert end["stats"]["average"] == pytest.approx(average, rel=1e-5)
    assert end["stats"]["noise"] == pytest.approx(noise) and end["stats"]["count"] == task.steps
    only = jax.tree.structure({"weights": {"w": 0}})
    assert set(seen) == {(only, only)}


def test_validation_sees_the_state_and_the_weights_alone_are_counted(task):
    (whole,) = (Training(task, lambda _: optax.sgd(0.1))((), 3),)
    measured = task.metrics(final_params(task, optax.sgd(0.1), 3), "search_validation")
    assert measured == {"loss": pytest.approx(-whole.fitness, rel=1e-5)}
    assert task.parameters == 1 and len(task.shapes()) == 4 and task.flops > 0


def test_seeds_differ_and_optimizers_draw_the_same(task):
    noise = [
        final_params(task, optax.sgd(rate), seed)["stats"]["noise"]
        for rate, seed in ((0.1, 0), (0.01, 0), (0.1, 1))
    ]
    assert noise[0] == noise[1] != noise[2]


def test_side_by_side_as_one_by_one(task):
    training = Training(task, lambda rate: optax.adam(rate))
    asked = [(np.float32(rate), seed) for rate in (0.01, 0.1) for seed in (0, 1)]
    batch = BatchTraining(training, 3)
    for index, (rate, seed) in enumerate(asked):
        batch.submit(index, rate, seed=seed, meta=True)
    results = {}
    while batch.outstanding:
        results.update(batch.advance())
    for index, (rate, seed) in enumerate(asked):
        alone = training(rate, seed, meta=True)
        assert results[index].fitness == pytest.approx(alone.fitness, rel=1e-6)
        assert results[index].meta_fitness == pytest.approx(alone.meta_fitness, rel=1e-6)


def test_a_line_search_takes_the_step_s_own_noise(task):
    """The loss that an optimizer is given as a function is the one whose gradient it gets."""

    def update(updates, state, params=None, *, value, value_fn, **_):
        return jax.tree.map(lambda g: 0 * g + jnp.abs(value_fn(params) - value), updates), state

    optimizer = optax.GradientTransformationExtraArgs(lambda _: (), update)
    assert final_params(task, optimizer)["weights"]["w"] == 0  # the sum of the differences


def test_tasks_without_state_draw_nothing():
    start = DeviceData(make_task("vision_mlp")).start(0)
    assert start.key is None


def test_metrics_of_another_split(task):
    with pytest.raises(TaskError, match="no split 'serach_validation'; did you mean 'search_val"):
        task.metrics({}, "serach_validation")


def test_a_user_s_task_with_state_is_taken():
    @register
    def noisy(steps: int = 3) -> Task:
        return noisy_mean(steps)

    assert make_task("noisy", steps=7).steps == 7
    del TASKS["noisy"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"state": ("stat",)}, "state: init returns no entry 'stat'"),
        ({"training_loss": None}, "state: needs a training_loss"),
        ({"training_loss": lambda params, batch, key: (jnp.float32(0), {})}, "training_loss: expected a state"),
    ],
)  # fmt: skip
def test_a_wrong_state_is_one_clear_line(change, message):
    def odd(steps: int = 3) -> Task:
        return dataclasses.replace(noisy_mean(steps), **change)

    register(odd)
    with pytest.raises(TaskError, match=r"^[^\n]*$") as error:
        make_task("odd")
    assert message in str(error.value)
    del TASKS["odd"]
