"""The training loop: against a loop written by hand, its stop rules, and that it compiles once."""

import dataclasses
import math
import subprocess
import sys
import time

import jax
import jax.monitoring
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from proxy_tasks import (
    DeviceData,
    Hurdle,
    Outcome,
    StopRules,
    Task,
    TaskError,
    Training,
    make_task,
    split_examples,
    train,
)


@pytest.fixture(scope="module")
def task():
    return make_task("vision_mlp", steps=100)


def gelu(x):
    """The tanh form (Hendrycks and Gimpel 2016), which flax uses."""
    return x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def by_hand(task, learning_rate, seed, steps):
    """SGD on the MLP in float64 numpy: no flax, no optax, no autodiff."""
    params, order, *_ = DeviceData(task).start(seed)
    layers = params["params"]
    w1, b1, w2, b2 = (
        np.asarray(layers[layer][kind], np.float64)
        for layer in ("hidden_0", "output")
        for kind in ("kernel", "bias")
    )
    pixels, labels = task.data.arrays
    x_all = pixels / 255
    for step in range(steps):
        x, y = x_all[order[step]], np.eye(10)[labels[order[step]]]
        before = x @ w1 + b1
        hidden = gelu(before)
        logits = hidden @ w2 + b2
        softmax = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        d_logits = (softmax - y) / len(x)
        d_before = d_logits @ w2.T * (gelu(before + 1e-5) - gelu(before - 1e-5)) / 2e-5
        rate = learning_rate * float(task.schedule(step))
        w1 -= rate * x.T @ d_before
        b1 -= rate * d_before.sum(0)
        w2 -= rate * hidden.T @ d_logits
        b2 -= rate * d_logits.sum(0)
    chosen = task.data.search_validation
    logits = gelu(x_all[chosen] @ w1 + b1) @ w2 + b2
    log_softmax = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    return log_softmax[np.arange(len(chosen)), labels[chosen]].mean()


def test_sgd_equals_a_loop_in_numpy(task):
    (result,) = train(task, optax.sgd(lambda step: 0.1 * task.schedule(step)), seeds=(3,))
    assert result.outcome is Outcome.COMPLETED
    assert result.fitness == pytest.approx(by_hand(task, 0.1, 3, task.steps), rel=1e-4)


def test_one_compilation_for_all_hypers_seeds_and_hurdles(task):
    stop = StopRules(hurdles=(Hurdle(0.3, 0.0),))
    training = Training(task, lambda rate: optax.sgd(rate), stop)
    fitness = {
        training(np.float32(rate), seed, hurdles=(Hurdle(0.3, level),)).fitness
        for rate in (0.01, 0.1)
        for seed in (0, 1)
        for level in (0.0, 0.01)
    }
    assert training.compilations == 1
    assert len(fitness) == 4  # a hurdle that is passed changes nothing


def test_a_diverging_training_stops_at_once(task):
    (result,) = train(task, optax.sgd(1e6))
    assert result.outcome is Outcome.DIVERGED
    assert result.fitness == -math.inf
    assert result.steps_run <= 0.1 * task.steps


def test_a_loss_that_explodes_but_stays_finite_has_diverged(task):
    loose = StopRules(explosion=math.inf, curve=())
    (result,) = train(task, optax.sgd(30.0), stop=loose)
    (strict,) = train(task, optax.sgd(30.0), stop=StopRules(explosion=1.5, curve=()))
    assert result.outcome is Outcome.COMPLETED and math.isfinite(result.fitness)
    assert strict.outcome is Outcome.DIVERGED and strict.steps_run < task.steps


def test_weights_that_become_nan_at_the_last_step_give_no_fitness(task):
    """Accuracy would be finite: the largest of ten NaN is the first."""
    accuracy = make_task("vision_mlp", steps=20, fitness="accuracy")

    def spoil(updates, state, params=None, **_):
        bad = jnp.where(state == accuracy.steps - 1, jnp.nan, 0.0)
        return jax.tree.map(lambda leaf: 0 * leaf + bad, updates), state + 1

    optimizer = optax.GradientTransformation(lambda _: jnp.int32(0), spoil)
    (result,) = train(accuracy, optimizer)
    assert result.outcome is Outcome.DIVERGED
    assert (result.fitness, result.steps_run) == (-math.inf, 20)
    assert result.meta_fitness is None


def test_a_hurdle_ends_a_training_that_is_clearly_behind(task):
    stop = StopRules(hurdles=(Hurdle(0.2, -2.0),), curve=(0.5,))
    good, bad = (train(task, optax.adam(rate), stop=stop)[0] for rate in (0.05, 1e-5))
    assert good.outcome is Outcome.COMPLETED
    assert [step for step, _ in good.curve] == [20, 50, 100]
    assert bad.outcome is Outcome.HURDLE
    assert (bad.steps_run, bad.curve) == (20, ((20, bad.fitness),))
    assert bad.fitness < -2.0


@pytest.mark.parametrize("fraction", [0, 1, -0.5, math.nan])
def test_wrong_stop_rules(fraction):
    with pytest.raises(TaskError, match="stop rules"):
        StopRules(curve=(fraction,))
    with pytest.raises(TaskError, match="explosion"):
        StopRules(explosion=1.0)


def test_a_hurdle_where_there_is_no_checkpoint(task):
    with pytest.raises(TaskError, match=r"hurdle at 0.25: checkpoints are at 0.1, 0.3, 0.6"):
        Training(task, lambda _: optax.sgd(0.1))((), hurdles=(Hurdle(0.25, 0.0),))


@pytest.fixture(scope="module")
def plane():
    """Fit a plane, quick to compile: weights of one and of two axes."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 3)).astype(np.float32)
    y = x @ np.float32([[1, -2], [0.5, 1], [0, 3]]) + 1
    return Task(
        init=lambda _: {"slope": 0.1 * jnp.ones((3, 2)), "offset": jnp.zeros(2)},
        loss=lambda w, batch: jnp.mean((batch[0] @ w["slope"] + w["offset"] - batch[1]) ** 2),
        data=split_examples((x, y)),
        steps=30,
        batch_size=8,
    )


PLATEAU = optax.chain(optax.sgd(0.02), optax.contrib.reduce_on_plateau(patience=2))
NEED_MORE = {  # than gradient and weights: the loss, its gradient, the loss as a function
    "polyak_sgd": optax.polyak_sgd(),
    "reduce_on_plateau": PLATEAU,
    "momo": optax.contrib.momo(0.1),
    "momo_adam": optax.contrib.momo_adam(0.1),
    "lbfgs": optax.lbfgs(),
    "backtracking": optax.chain(optax.sgd(1.0), optax.scale_by_backtracking_linesearch(15)),
    "sophia": optax.contrib.sophia(0.05),
}
OPTAX = NEED_MORE | {
    name: getattr(optax, name)(0.02)
    for name in (
        "adabelief", "adadelta", "adafactor", "adagrad", "adam", "adamax", "adamaxw", "adamw",
        "adan", "amsgrad", "fromage", "lamb", "lars", "lion", "nadam", "nadamw", "novograd",
        "optimistic_adam_v2", "optimistic_gradient_descent", "radam", "rmsprop", "rprop", "sgd",
        "sign_sgd", "signum", "sm3", "yogi",
    )
} | {
    name: getattr(optax.contrib, name)(0.02)
    for name in (
        "acprop", "ademamix", "adopt", "cocob", "dog", "dowg", "madgrad", "muon", "prodigy",
        "schedule_free_adamw", "schedule_free_sgd", "simplified_ademamix",
    )
} | {
    "apply_if_finite": optax.apply_if_finite(optax.adam(0.1), 2),
    "multi_steps": optax.MultiSteps(optax.adam(0.1), 2).gradient_transformation(),
    "injected": optax.inject_hyperparams(optax.adam)(0.1),
    "partitioned": optax.partition(
        {"a": optax.adam(0.1), "b": optax.sgd(0.1)}, {"slope": "a", "offset": "b"}
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OPTAX)
def test_any_optimizer_of_optax_trains(plane, name):
    (result,) = train(plane, OPTAX[name], stop=StopRules(curve=(0.1,)))
    assert result.outcome is Outcome.COMPLETED
    assert result.fitness > result.curve[0][1]


def test_the_schedule_value_reaches_the_optimizer(task):
    """An optimizer that takes `lr` equals the same rule with optax's own schedule."""

    def update(updates, state, params=None, *, lr, **_):
        return jax.tree.map(lambda leaf: -0.1 * lr * leaf, updates), state

    by_value = optax.GradientTransformationExtraArgs(lambda _: optax.EmptyState(), update)
    (ours,) = train(task, by_value)
    (theirs,) = train(task, optax.sgd(lambda step: 0.1 * task.schedule(step)))
    assert ours.fitness == pytest.approx(theirs.fitness, rel=1e-5)


def test_a_seed_gives_every_optimizer_the_same_start(task):
    """An optimizer that never moves shows the initial weights; seeds differ, optimizers do not."""
    frozen = [optax.set_to_zero(), optax.chain(optax.scale_by_adam(), optax.set_to_zero())]
    (a0, a1), (b0, b1) = (train(task, optimizer, seeds=(0, 1)) for optimizer in frozen)
    assert (a0.fitness, a1.fitness) == (b0.fitness, b1.fitness)
    assert a0.fitness != a1.fitness


def test_meta_validation_is_another_split_of_the_same_training(task):
    training = Training(task, lambda rate: optax.adam(rate))
    with_meta, without = (training(np.float32(0.02), 0, meta=meta) for meta in (True, False))
    assert training.compilations == 1
    assert with_meta.fitness == without.fitness and with_meta.curve == without.curve
    assert without.meta_fitness is None
    swapped = dataclasses.replace(
        task.data,
        search_validation=task.data.meta_validation,
        meta_validation=task.data.search_validation,
    )
    (other,) = train(dataclasses.replace(task, data=swapped), optax.adam(0.02))
    assert with_meta.meta_fitness == pytest.approx(other.fitness, rel=1e-5)


def test_nothing_compiles_after_the_first_training(task):
    """By JAX's own count, over constants, seeds, hurdles and meta-validation."""
    training = Training(task, lambda hyper: optax.adamw(hyper["rate"], weight_decay=hyper["decay"]))
    training({"rate": np.float32(0.01), "decay": np.float32(0)})
    compiled = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda name, *_, **__: compiled.append(name) if "backend_compile" in name else None
    )
    rng = np.random.default_rng(0)
    for seed in range(20):
        rate, decay = rng.uniform(0, 0.1, 2)
        training({"rate": rate, "decay": decay}, seed % 3, meta=seed % 2 == 0)
    assert compiled == []
    jax.jit(lambda x: x * 3.21)(1.0)
    assert compiled  # the count counts


SCORE = """
import optax
from proxy_tasks import make_task, train
for name in ("vision_mlp", "language_mlp"):
    task = make_task(name, steps=60)
    for _ in range({repeats}):
        for result in train(task, optax.adam(0.02), seeds=(0, 5)):
            print(name, result.seed, result.fitness.hex(), [f.hex() for _, f in result.curve])
    print(task.fingerprint)
"""


def scored(repeats):
    code = SCORE.format(repeats=repeats)
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, text=True
    ).stdout.splitlines()


def test_the_same_bits_in_another_process():
    first, second = scored(2), scored(1)
    assert set(first) == set(second)


@pytest.mark.slow
def test_the_same_bits_in_a_hundred_trainings_of_three_processes():
    assert len({line for _ in range(3) for line in scored(34)}) == 6


def test_checkpoints_see_the_first_validation_batch_and_the_end_the_whole_split(task):
    (result,) = train(task, optax.set_to_zero(), stop=StopRules(curve=(0.2, 0.5)))
    data = DeviceData(task)
    weights = data.start(0).weights
    fitness = [
        float(task.fitness(weights, task.data.take(data.arrays, indices)))
        for indices in data.validation[0]
    ]
    assert len(fitness) == 4 and len(set(fitness)) == 4
    reached = [value for _, value in result.curve]
    np.testing.assert_allclose(reached, [fitness[0], fitness[0], np.mean(fitness)], rtol=1e-5)
    assert result.fitness == reached[-1]


def processor_seconds(training, rate, repeats):
    """The least of a few repeats: what else runs on the machine only adds to it."""
    training(np.float32(rate))
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        training(np.float32(rate))
        seconds.append(time.process_time() - start)
    return min(seconds)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vision_mlp", "language_mlp"])
def test_a_cheap_task_scores_within_fifty_milliseconds_of_processor_time(name):
    task = make_task(name)
    training = Training(task, lambda rate: optax.adam(rate))
    assert processor_seconds(training, 0.01, 20) < 0.05


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vision_mlp", "vision_vit", "language_mlp"])
def test_a_diverging_training_costs_less_than_a_tenth(name):
    task = make_task(name)
    training = Training(task, lambda rate: optax.sgd(rate))
    for rate in (1e6, math.inf, math.nan):
        assert training(np.float32(rate)).outcome is Outcome.DIVERGED
        assert processor_seconds(training, rate, 5) < 0.1 * processor_seconds(training, 1e-3, 5)
