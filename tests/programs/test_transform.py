"""The compiled engine against optax and numpy."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from programs import Program, Statement, live_across_steps, load
from programs.execute import run_step
from programs.transform import as_optax
from tests.strategies import random_programs, trees


def _tree(seed: int, scale: float = 1.0):
    a, b, c = (jnp.asarray(leaf) for leaf in trees(seed, scale))
    return {"layer": [a, b], "scale": c}


def _run(optimizer, steps=50, schedule=lambda step: 1.0, params=None):
    """Weights after each step on fixed random gradients."""
    params = _tree(0) if params is None else params
    state = optimizer.init(params)
    optimizer = optax.with_extra_args_support(optimizer)

    @jax.jit
    def step(params, state, grads, lr):
        updates, state = optimizer.update(grads, state, params, lr=lr)
        return optax.apply_updates(params, updates), state

    path = []
    for i in range(steps):
        params, state = step(params, state, _tree(1000 + i, 0.3), schedule(i))
        path.append(np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(params)]))
    return np.array(path)


def _signum(lr, beta, decay):
    return optax.chain(
        optax.ema(beta, debias=False),
        optax.stateless(lambda u, p: jax.tree.map(lambda m, w: jnp.sign(m) + decay * w, u, p)),
        optax.scale(-lr),
    )


def _adam_without_correction(lr, decay=0.0, b1=0.9, b2=0.999, eps=1e-8):
    def moments(order, beta):
        return optax.chain(
            optax.stateless(lambda u, p: jax.tree.map(lambda g: g**order, u)),
            optax.ema(beta, debias=False),
        )

    first, second = moments(1, b1), moments(2, b2)

    def update(grads, state, params):
        m, one = first.update(grads, state[0])
        v, two = second.update(grads, state[1])
        u = jax.tree.map(lambda m, v, w: -lr * (m / (jnp.sqrt(v) + eps) + decay * w), m, v, params)
        return u, (one, two)

    return optax.GradientTransformation(lambda p: (first.init(p), second.init(p)), update)


TWINS = {
    "lion": optax.lion(1e-4, b1=0.9, b2=0.99, weight_decay=0.1),
    "sgd": optax.sgd(0.1),
    "momentum": optax.sgd(0.1, momentum=0.9),
    "nesterov": optax.sgd(0.1, momentum=0.9, nesterov=True),
    "sign_sgd": optax.sign_sgd(0.001),
    "rmsprop": optax.rmsprop(0.001, decay=0.9, eps=1e-8, eps_in_sqrt=False),
    "adagrad": optax.adagrad(0.01, initial_accumulator_value=0.0, eps=1e-16),
    "adadelta": optax.chain(optax.scale_by_adadelta(rho=0.9, eps=1e-6), optax.scale(-1.0)),
    "signum": _signum(3e-4, 0.95, 0.1),
    "adam": _adam_without_correction(0.001),
    "adamw": _adam_without_correction(0.001, decay=0.01),
    "adamw_corrected": optax.adamw(0.001, weight_decay=0.01),
    "normalized_sgd": optax.chain(
        optax.ema(0.9, debias=False),
        optax.stateless(lambda u, p: jax.tree.map(lambda m: m / optax.tree.norm(u), u)),
        optax.scale(-0.1),
    ),
    "lars": optax.lars(
        1.0, weight_decay=1e-4, weight_decay_mask=True, trust_coefficient=0.001, eps=0.0
    ),
}


@pytest.mark.parametrize("name", TWINS)
def test_equals_its_optax_twin(name):
    ours = _run(as_optax(load(f"library:{name}")))
    twin = _run(TWINS[name])
    moved = np.abs(twin - np.concatenate([np.ravel(x) for x in jax.tree.leaves(_tree(0))])).max()
    assert moved > 1e-4
    np.testing.assert_allclose(ours, twin, rtol=1e-6, atol=1e-6 * max(1.0, moved))


def test_program_8_is_lion_on_a_transformed_gradient():
    """To 1e-3 of the update's scale; what remains is the 1e-8 guard of m / |m|."""
    schedule = lambda step: 0.5 + 0.5 * np.cos(step / 64)
    lr, decay, b1, b2 = 2.171762e-4, 0.4601978, 0.9, 0.9982197

    def clipped(grads, lr):
        size = optax.tree.norm(grads)
        return jax.tree.map(lambda g: jnp.arcsin(g * jnp.minimum(1.0, lr / size)), grads)

    def update(grads, m, params, *, lr=None, **_):
        g = clipped(grads, lr)
        c = jax.tree.map(lambda g, m: jnp.sign((1 - b1) * g + b1 * m), g, m)
        m = jax.tree.map(lambda g, m: (1 - b2) * g + b2 * m, g, m)
        u = jax.tree.map(lambda c, w: -peak * lr * (c + decay * w), c, params)
        return u, m

    peak = lr
    lion = optax.GradientTransformationExtraArgs(lambda p: jax.tree.map(jnp.zeros_like, p), update)
    for program in (load("library:program8"), live_across_steps(load("library:program8"))):
        ours, twin = (_run(optimizer, 200, schedule) for optimizer in (as_optax(program), lion))
        steps = np.diff(ours, axis=0) - np.diff(twin, axis=0)
        scale = np.abs(np.diff(twin, axis=0)).max()
        assert np.abs(steps).max() <= 1e-3 * scale


def test_compiled_equals_numpy():
    for seed, program in enumerate(random_programs(60, seed=3)):
        params = _tree(seed)
        optimizer = as_optax(program)
        state = optimizer.init(params)
        assert len(state.states) == len(live_across_steps(program).states)
        lasting = live_across_steps(program)
        w = trees(seed)
        states = [[np.zeros_like(leaf) for leaf in w] for _ in lasting.states]
        with np.errstate(all="ignore"):
            change, states = run_step(
                lasting, np, w=w, g=trees(seed + 1), states=states, lr=np.float32(0.7)
            )
        updates, state = optimizer.update(_tree(seed + 1), state, params, lr=0.7)
        assert int(state.count) == 1
        for ours, theirs in zip(jax.tree.leaves(updates), change):
            both = np.isfinite(ours) & np.isfinite(theirs)
            if both.all():
                np.testing.assert_allclose(ours, -theirs, rtol=1e-3, atol=1e-5)


def test_no_recompilation_on_the_second_step():
    optimizer = as_optax(load("library:adamw"))
    traces = 0

    @jax.jit
    def step(params, state, grads, lr):
        nonlocal traces
        traces += 1
        updates, state = optimizer.update(grads, state, params, lr=lr)
        return optax.apply_updates(params, updates), state

    params, state = _tree(0), optimizer.init(_tree(0))
    for i in range(4):
        params, state = step(params, state, _tree(i), 0.1 * i)
    assert traces == 1


def test_schedules():
    program = load("library:sgd")
    params = {"w": jnp.ones(3)}
    grads = {"w": jnp.ones(3)}
    given = as_optax(program, schedule=optax.linear_schedule(1.0, 0.0, 4))
    state = given.init(params)
    seen = []
    for _ in range(4):
        updates, state = given.update(grads, state, params)
        seen.append(float(-updates["w"][0]))
    np.testing.assert_allclose(seen, [0.1, 0.075, 0.05, 0.025], rtol=1e-6)
    updates, _ = given.update(grads, state, params, lr=0.5)  # an argument wins
    np.testing.assert_allclose(updates["w"], -0.05, rtol=1e-6)
    plain = as_optax(program)
    updates, _ = plain.update(grads, plain.init(params), params)
    np.testing.assert_allclose(updates["w"], -0.1, rtol=1e-6)


def test_weights_are_needed():
    optimizer = as_optax(load("library:sgd"))
    with pytest.raises(ValueError, match="reads the weights"):
        optimizer.update({"w": jnp.ones(3)}, optimizer.init({"w": jnp.ones(3)}))


@pytest.mark.parametrize("params", [(), {}, jnp.ones(()), [jnp.ones((0, 3)), None, jnp.ones(2)]])
def test_any_pytree(params):
    for name in ("adamw", "lamb", "program8", "normalized_sgd"):
        optimizer = as_optax(load(f"library:{name}"))
        updates, state = optimizer.update(params, optimizer.init(params), params, lr=1.0)
        assert jax.tree.structure(updates) == jax.tree.structure(params)
        for _ in range(2):
            updates, state = optimizer.update(updates, state, params, lr=1.0)
        assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(updates))


def test_bfloat16():
    params = {"w": jnp.ones((4, 3), jnp.bfloat16), "b": jnp.zeros(3)}
    grads = {"w": jnp.full((4, 3), 0.1, jnp.bfloat16), "b": jnp.full(3, 0.2)}
    optimizer = as_optax(load("library:adamw"), state_dtype=jnp.bfloat16)
    state = optimizer.init(params)
    for _ in range(3):
        updates, state = optimizer.update(grads, state, params, lr=1.0)
    assert updates["w"].dtype == jnp.bfloat16
    assert updates["b"].dtype == jnp.float32
    assert {leaf.dtype for leaf in jax.tree.leaves(state.states)} == {jnp.dtype(jnp.bfloat16)}
    exact = as_optax(load("library:adamw"))
    params, grads = (jax.tree.map(lambda x: x.astype(jnp.float32), t) for t in (params, grads))
    wanted, _ = exact.update(grads, exact.init(params), params, lr=1.0)
    got, _ = optimizer.update(grads, optimizer.init(params), params, lr=1.0)
    np.testing.assert_allclose(got["b"], wanted["b"], rtol=1e-5)


def test_zero_and_eight_states():
    names = tuple(f"s{i}" for i in range(8))
    statements = [Statement("s0", "interp", ("g", "s0", 0.9))]
    statements += [Statement(b, "interp", (a, b, 0.9)) for a, b in itertools.pairwise(names)]
    statements += [Statement("update", "sign", ("s7",))]
    program = Program(names, tuple(statements))
    assert len(as_optax(program).init(_tree(0)).states) == 8
    assert _run(as_optax(program), 5).shape == (5, 11)
    assert len(as_optax(load("library:sgd")).init(_tree(0)).states) == 0
