"""The two engines on real tasks: weights after 20 steps, and final fitness."""

import functools
import math

import jax
import numpy as np
import pytest

from programs.behaviour import Conduct, behaviour
from programs.interpreter import capacity_of, encode, interpreted
from programs.transform import as_optax
from proxy_tasks.task import make_task
from proxy_tasks.train import device_arrays, prepared
from search.evaluate import Evaluator
from search.scores import Outcome
from tests.strategies import random_programs

STEPS = 20


def _fine(count, seed):
    """Programs that are worth training."""
    found = (p for p in random_programs(20 * count, seed) if behaviour(p).conduct is Conduct.FINE)
    return [program for program, _ in zip(found, range(count))]


def _weights(task, update, states, nudged=False):
    """Weights [P] after 20 steps; `update` is (w, state, gradient, lr) -> (w, state).

    nudged: whether the initial weights are changed in their last bit.
    """
    w, order = prepared(task, 0)
    if nudged:
        rng = np.random.default_rng(0)
        signs = jax.tree.map(lambda a: rng.choice(np.float32([-1, 1]), a.shape), w)
        w = jax.tree.map(lambda a, sign: a * (1 + np.float32(1.2e-7) * sign), w, signs)
    gradient = _gradient(task)
    for step in range(STEPS):
        w, states = update(w, states, gradient(w, order[step]), task.schedule(step))
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(w)])


@functools.lru_cache(maxsize=1)
def _gradient(task):
    arrays = device_arrays(task)
    return jax.jit(lambda w, indices: jax.grad(task.loss)(w, task.data.take(arrays, indices)))


def _step(optimizer, w, state, gradient, lr):
    updates, state = optimizer.update(gradient, state, w, lr=lr)
    return jax.tree.map(lambda a, b: a + b, w, updates), state


@functools.partial(jax.jit, static_argnums=1)
def _interpreted_step(code, capacity, w, state, gradient, lr):
    return _step(interpreted(code, capacity), w, state, gradient, lr)


def _check_weights(name, count, least):
    """The programs that stay finite agree to 1e-4, but for those that are chaotic.

    A program is when the compiled engine's own weights change by more than that once the initial
    weights change in their last bit: dividing by gradients that are nearly 0 does it.
    """
    task = make_task(name)
    start = prepared(task, 0)[0]
    differences = []
    for program in _fine(count, seed=5):
        optimizer = as_optax(program)
        compiled = jax.jit(functools.partial(_step, optimizer))
        expected = _weights(task, compiled, optimizer.init(start))
        capacity = capacity_of(program)
        code = encode(program, capacity)
        machine = functools.partial(_interpreted_step, code, capacity)
        state = interpreted(code, capacity).init(start)
        got = _weights(task, machine, state)
        if np.isfinite(expected).all() and np.isfinite(got).all():
            scale = np.abs(expected).max()
            differences.append(np.abs(got - expected).max() / scale)
            if differences[-1] > 1e-4:
                other = _weights(task, compiled, optimizer.init(start), nudged=True)
                assert not np.abs(other - expected).max() / scale < 1e-4, str(program)
    agree = np.mean(np.array(differences) <= 1e-4)
    quantiles = np.quantile(differences, [0.5, 0.9, 0.95, 0.99, 1])
    print(
        f"\n{name}: weights after {STEPS} steps, {len(differences)} of {count} programs finite, "
        f"{agree:.1%} within 1e-4; median, 90 %, 95 %, 99 %, largest: {quantiles}"
    )
    assert agree >= least


def _check_fitness(name, count, least=0.95):
    """Final fitness of programs that complete with both engines; the outcome of all."""
    task = make_task(name)
    compiled, machine = Evaluator([task], "compiled"), Evaluator([task], "interpreted")
    differences, same = [], 0
    for program in _fine(count, seed=6):
        (expected,), (got,) = compiled.evaluate(program), machine.evaluate(program)
        same += expected.outcome is got.outcome
        if expected.outcome is Outcome.COMPLETED and got.outcome is Outcome.COMPLETED:
            scale = max(1.0, abs(expected.fitness)) if math.isfinite(expected.fitness) else 1.0
            differences.append(abs(got.fitness - expected.fitness) / scale)
    agree = np.mean(np.array(differences) <= 1e-2)
    quantiles = np.quantile(differences, [0.5, 0.9, 0.95, 0.99, 1])
    print(
        f"\n{name}: final fitness, {len(differences)} of {count} programs complete, {agree:.1%} "
        f"within 1e-2; median, 90 %, 95 %, 99 %, largest: {quantiles}; same outcome: {same}"
    )
    assert agree >= least
    assert same >= 0.95 * count


def test_weights_after_20_steps():
    _check_weights("vision_mlp", 6, least=0.8)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "count"),
    [("vision_mlp", 200), ("language_mlp", 200), ("vision_vit", 25), ("language_transformer", 25)],
)
def test_weights_after_20_steps_of_many(name, count):
    _check_weights(name, count, least=0.9)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "count"),
    [("vision_mlp", 200), ("language_mlp", 60), ("vision_vit", 6), ("language_transformer", 6)],
)
def test_final_fitness(name, count):
    _check_fitness(name, count)
