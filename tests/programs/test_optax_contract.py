"""A program is an optax optimizer like any other: every library program and random ones through
optax's wrappers, jit with donation, scan, vmap, flax and its checkpoints, with and without x64."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import orbax.checkpoint
import pytest
from flax import nnx, serialization

from programs import library, load
from programs.export import to_optax
from programs.interpreter import capacity_of, encode, interpreted
from programs.transform import as_optax
from tests.strategies import random_programs, trees

LIBRARY = [pytest.param(load(f"library:{name}"), id=name) for name in library()]
FEW = ("lion", "adamw", "program8", "lamb")
STEPS = 3
# No state, one to three, whole trees, the longest.
OF_EACH_KIND = (*FEW, "sgd", "amsgrad", "adadelta")


def params_of(seed=0, scale=1.0):
    return dict(zip(("a", "b", "c"), map(jnp.asarray, trees(seed, scale))))


GRADS = [params_of(seed + 1, 0.3) for seed in range(STEPS)]


def _interpreted(program):
    capacity = capacity_of(program)
    return interpreted(encode(program, capacity), capacity)


def _exported(program, *arguments):
    module = {"__name__": "rule"}
    exec(to_optax(program), module)
    return module["rule"](*arguments)


ENGINES = {"compiled": as_optax, "interpreted": _interpreted, "exported": _exported}


def _wrapped(make):
    """optax's wrappers of a program, none of which changes what it does to array `a`."""
    tx = make()
    everything, not_c = {"a": True, "b": True, "c": True}, {"a": True, "b": True, "c": False}
    return {
        "bare": tx,
        "chain": optax.chain(optax.identity(), tx),
        "masked": optax.masked(tx, everything),
        "multi_steps": optax.MultiSteps(tx, 1),
        "apply_if_finite": optax.apply_if_finite(tx, 10**6),
        "multi_transform": optax.multi_transform(
            {"rule": tx, "rest": optax.set_to_zero()}, dict.fromkeys(not_c, "rule")
        ),
    }


def trained(optimizer, params):
    """Parameters after STEPS steps, state and parameters donated from the first step on."""

    def step(params, state, grads):
        updates, state = optimizer.update(grads, state, params)
        return optax.apply_updates(params, updates), state

    params = jax.tree.map(jnp.copy, params)
    state, step = optimizer.init(params), jax.jit(step, donate_argnums=(0, 1))
    for grads in GRADS:
        params, state = step(params, state, grads)
    return params


def _scan(optimizer, params):
    def step(carry, grads):
        params, state = carry
        updates, state = optimizer.update(grads, state, params)
        return (optax.apply_updates(params, updates), state), None

    grads = jax.tree.map(lambda *leaves: jnp.stack(leaves), *GRADS)
    return jax.jit(lambda p: jax.lax.scan(step, (p, optimizer.init(p)), grads)[0][0])(params)


def _vmap(optimizer, params):
    pair = jax.tree.map(lambda p: jnp.stack([p, p]), params)
    both = jax.vmap(lambda p: _scan(optimizer, p))(pair)
    return jax.tree.map(lambda p: p[1], both)


def assert_same(got, wanted, name=""):
    for path, leaf in jax.tree_util.tree_leaves_with_path(wanted):
        other = got
        for key in path:
            other = other[key.key]
        assert other.dtype == leaf.dtype and other.shape == leaf.shape
        np.testing.assert_allclose(other, leaf, rtol=1e-5, atol=1e-7, err_msg=f"{name} {path}")


def _check_wrappers(make):
    params = params_of()
    wrapped = _wrapped(make)
    wanted = trained(wrapped.pop("bare"), params)
    if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(wanted)):
        wrapped.pop("apply_if_finite")
    for name, optimizer in wrapped.items():
        assert_same(trained(optimizer, params), wanted, name)
    assert_same(_scan(make(), params), wanted, "scan")
    assert_same(_vmap(make(), params), wanted, "vmap")


@pytest.mark.parametrize("name", OF_EACH_KIND)
def test_wrappers_and_donation(name):
    """One program of each kind of state: a wrapper sees no more of a program. Slow tests try the
    others, and random programs; eight compilations each."""
    _check_wrappers(lambda: as_optax(load(f"library:{name}")))


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in library() if name not in OF_EACH_KIND])
def test_wrappers_and_donation_of_the_rest_of_the_library(name):
    _check_wrappers(lambda: as_optax(load(f"library:{name}")))


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_wrappers_and_donation_of_200_random_programs(engine):
    for program in random_programs(4000, seed=11)[::20]:
        _check_wrappers(lambda program=program: ENGINES[engine](program))


@pytest.mark.parametrize(
    ("engine", "name"),
    [
        pytest.param("interpreted", "program8", marks=pytest.mark.slow),  # a minute of compilation
        *(("exported", name) for name in FEW),
    ],
)
def test_wrappers_and_donation_of_the_other_engines(engine, name):
    _check_wrappers(lambda: ENGINES[engine](load(f"library:{name}")))


@pytest.mark.parametrize("engine", ENGINES)
def test_a_state_made_by_jit_can_be_donated(engine):
    optimizer, params = ENGINES[engine](load("library:adamw")), params_of()
    state = jax.jit(optimizer.init)(params)
    step = jax.jit(lambda s, g: optimizer.update(g, s, params)[1], donate_argnums=0)
    step(state, GRADS[0])


@pytest.mark.parametrize("program", LIBRARY)
def test_nnx_optimizer(program):
    model = nnx.Linear(3, 2, rngs=nnx.Rngs(0))
    optimizer = nnx.Optimizer(model, as_optax(program), wrt=nnx.Param)

    @nnx.jit(donate_argnums=(0, 1))
    def step(model, optimizer):
        grads = nnx.grad(lambda model: jnp.mean(model(jnp.ones((4, 3))) ** 2))(model)
        optimizer.update(model, grads, lr=0.5)

    before = np.array(model.kernel[...])
    for _ in range(2):
        step(model, optimizer)
    assert not np.array_equal(before, model.kernel[...])


def test_multi_steps_averages():
    params, tx = params_of(), as_optax("library:adamw")
    every = optax.MultiSteps(tx, 2)
    state = every.init(params)
    first, state = every.update(GRADS[0], state, params)
    second, state = every.update(GRADS[1], state, params)
    assert not any(leaf.any() for leaf in jax.tree.leaves(first))
    mean = jax.tree.map(lambda a, b: (a + b) / 2, *GRADS[:2])
    assert_same(second, tx.update(mean, tx.init(params), params)[0])


def test_masked_arrays_are_left_alone():
    params, tx = params_of(), as_optax("library:lamb")
    masked = optax.masked(tx, {"a": True, "b": False, "c": False})
    updates, _ = masked.update(GRADS[0], masked.init(params), params)
    alone = {"a": params["a"]}
    wanted, _ = tx.update({"a": GRADS[0]["a"]}, tx.init(alone), alone)
    np.testing.assert_array_equal(updates["a"], wanted["a"])
    np.testing.assert_array_equal(updates["b"], GRADS[0]["b"])


def test_injected_hyperparameters():
    params = params_of()
    inject = optax.inject_hyperparams(as_optax)
    optimizer = inject("library:lion", schedule=optax.linear_schedule(1.0, 0.0, 2), scale=0.5)
    state = optimizer.init(params)
    plain = as_optax("library:lion")
    for step in range(2):
        updates, after = optimizer.update(GRADS[0], state, params)
        wanted, _ = plain.update(GRADS[0], plain.init(params), params, lr=1 - step / 2)
        if step == 0:
            np.testing.assert_allclose(updates["a"], 0.5 * wanted["a"], rtol=1e-6)
            changed = state._replace(hyperparams={**state.hyperparams, "scale": jnp.float32(2)})
            again, _ = optimizer.update(GRADS[0], changed, params)
            np.testing.assert_allclose(again["a"], 2 * wanted["a"], rtol=1e-6)
        state = after

    rule = optax.inject_hyperparams(
        lambda rate, beta1: as_optax("library:lion", constants={"rate": rate, "beta1": beta1})
    )(rate=lambda count: 1e-4 * (count + 1), beta1=0.9)
    state = rule.init(params)
    sizes = []
    for _ in range(2):
        updates, state = rule.update(GRADS[0], state, params)
        sizes.append(float(jnp.abs(updates["a"]).max()))
    assert 1.5 < sizes[1] / sizes[0] < 2.5


# --- kinds of parameters ---------------------------------------------------------------------------


def _first(optimizer, params):
    return jax.jit(lambda p: optimizer.update(GRADS[0], optimizer.init(p), p))(params)


@pytest.mark.parametrize(
    ("engine", "name"),
    [
        *(("compiled", name) for name in library()),
        *(("exported", name) for name in FEW),
        ("interpreted", "program8"),  # which alone is compiled anew for every program here
    ],
)
def test_x64_changes_nothing(engine, name):
    program, params = load(f"library:{name}"), params_of()
    wanted, _ = _first(ENGINES[engine](program), params)
    with jax.enable_x64(True):
        updates, state = _first(ENGINES[engine](program), params)
    assert_same(updates, wanted)
    assert not any(leaf.dtype == jnp.float64 for leaf in jax.tree.leaves(state))


@pytest.mark.parametrize("engine", ENGINES)
def test_x64_with_jit_and_a_double_schedule(engine):
    program, params = load("library:program8"), params_of()
    with jax.enable_x64(True):
        double = lambda count: jnp.float64(0.5) * count
        optimizers = {"compiled": as_optax(program, double), "exported": _exported(program, double)}
        optimizer = optimizers.get(engine) or _interpreted(program)
        _, state = jax.jit(lambda s: optimizer.update(GRADS[0], s, params))(optimizer.init(params))
        updates, state = jax.jit(lambda s: optimizer.update(GRADS[0], s, params))(state)
    assert updates["a"].dtype == jnp.float32
    assert not any(leaf.dtype == jnp.float64 for leaf in jax.tree.leaves(state))


@pytest.mark.parametrize("engine", ["compiled", "interpreted"])
def test_float64_parameters_are_warned_that_states_are_float32(engine):
    with jax.enable_x64(True):
        params = {"w": jnp.ones(3, jnp.float64)}
        tx = ENGINES[engine](load("library:adamw"))
        with pytest.warns(UserWarning, match=r"\['w'\] is float64, .* computes in float32"):
            state = tx.init(params)
        updates, _ = tx.update(params, state, params)
        assert updates["w"].dtype == jnp.float64


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("dtype", [jnp.complex64, jnp.int32, jnp.bool_])
def test_other_parameters_are_refused_at_init(engine, dtype):
    with pytest.raises(ValueError, match=rf"\['w'\] is {jnp.dtype(dtype)}, but an update rule is"):
        ENGINES[engine](load("library:lion")).init({"w": jnp.ones(3, dtype)})


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("params", [(), {}, {"a": None}, [jnp.ones(2), None, ()], jnp.ones(())])
def test_empty_trees_and_none_leaves(engine, params):
    for name in ("program8",) if engine == "interpreted" else FEW:
        optimizer = ENGINES[engine](load(f"library:{name}"))
        state = optimizer.init(params)
        for _ in range(2):
            updates, state = optimizer.update(params, state, params)
        assert jax.tree.structure(updates) == jax.tree.structure(params)


@pytest.mark.parametrize("engine", ENGINES)
def test_other_trees_are_refused(engine):
    optimizer = ENGINES[engine](load("library:adamw"))
    params = {"a": jnp.ones(2), "b": jnp.ones(3)}
    state = optimizer.init(params)
    exported = engine == "exported"
    renamed = "PyTreeDef.*'c'.*, not .*'b'" if exported else r"it has \['c'\] where \['b'\] is exp"
    with pytest.raises(ValueError, match=f"gradients: not a tree like the parameters: {renamed}"):
        optimizer.update({"a": params["a"], "c": params["b"]}, state, params)
    missing = "PyTreeDef.*'b'" if exported else r"it has no \['b'\]"
    with pytest.raises(ValueError, match=f"gradients: not a tree like the parameters: {missing}"):
        optimizer.update({"a": params["a"]}, state, params)
    with pytest.raises(ValueError, match=r"the shape at \['b'\] is \(2,\), not \(3,\)"):
        optimizer.update({"a": params["a"], "b": params["a"]}, state, params)


@pytest.mark.parametrize("engine", ENGINES)
def test_complex_gradients_are_refused(engine):
    optimizer, params = ENGINES[engine](load("library:lion")), {"a": jnp.ones(2)}
    state = optimizer.init(params)
    with pytest.raises(ValueError, match=r"gradients: .*\['a'\].*, but an update rule is for real"):
        optimizer.update({"a": jnp.ones(2, jnp.complex64)}, state, params)


@pytest.mark.parametrize("engine", ["compiled", "exported"])
def test_a_state_of_renamed_parameters_is_refused(engine):
    optimizer = ENGINES[engine](load("library:adamw"))
    state = optimizer.init({"a": jnp.ones(2), "old": jnp.ones(3)})
    params = {"a": jnp.ones(2), "new": jnp.ones(3)}
    with pytest.raises(ValueError, match=r"state 'm': not a tree like .*'old'.*'new'"):
        optimizer.update(params, state, params)


# --- checkpoints -----------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
def test_flax_serialization(engine):
    optimizer, params = ENGINES[engine](load("library:adamw")), params_of()
    _, state = optimizer.update(GRADS[0], optimizer.init(params), params)
    stored = serialization.to_bytes(state)
    restored = serialization.from_bytes(optimizer.init(params), stored)
    jax.tree.map(np.testing.assert_array_equal, restored, state)
    wanted, _ = optimizer.update(GRADS[1], state, params)
    got, _ = optimizer.update(GRADS[1], restored, params)
    assert_same(got, wanted)


@pytest.mark.parametrize("engine", ENGINES)
def test_orbax(engine, tmp_path):
    optimizer, params = ENGINES[engine](load("library:adamw")), params_of()
    _, state = optimizer.update(GRADS[0], optimizer.init(params), params)
    with orbax.checkpoint.StandardCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "state", state)
        checkpointer.wait_until_finished()
        restored = checkpointer.restore(tmp_path / "state", jax.eval_shape(optimizer.init, params))
    assert jax.tree.structure(restored) == jax.tree.structure(state)
    jax.tree.map(np.testing.assert_array_equal, restored, state)


# --- derivatives -----------------------------------------------------------------------------------


def test_updates_can_be_differentiated():
    """Through a step, as for meta-learning; by a difference quotient."""
    optimizer, params = as_optax("library:adam"), params_of()

    def loss(x):
        grads = jax.tree.map(lambda g: g * x, GRADS[0])
        updates, state = optimizer.update(grads, optimizer.init(params), params)
        updates, _ = optimizer.update(updates, state, params)
        return 1e3 * sum(jnp.sum(u) for u in jax.tree.leaves(updates))

    slope = jax.jit(jax.grad(loss))(1.0)
    h = 1e-2
    assert slope != 0
    np.testing.assert_allclose(slope, (loss(1 + h) - loss(1 - h)) / (2 * h), rtol=0.05)
