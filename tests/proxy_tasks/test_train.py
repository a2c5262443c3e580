"""The training loop: against a loop written by hand, its stop rules, and that it compiles once."""

import math

import numpy as np
import optax
import pytest

from proxy_tasks.task import make_task
from proxy_tasks.train import Hurdle, Outcome, StopRules, Training, prepared, train


@pytest.fixture(scope="module")
def task():
    return make_task("vision_mlp", steps=100)


def gelu(x):
    """The tanh form (Hendrycks and Gimpel 2016), which flax uses."""
    return x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def by_hand(task, learning_rate, seed, steps):
    """SGD on the MLP in float64 numpy: no flax, no optax, no autodiff."""
    params, order = prepared(task, seed)
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
    assert result.diverged_at == result.steps_run - 1
