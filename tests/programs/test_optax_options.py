"""Options of `as_optax`: schedule, decay mask, named constants, dtype of the states."""

import warnings

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from programs import library, load
from programs.transform import as_optax
from tests.programs.test_optax_contract import (
    assert_same,
    params_of,
    trained,
)


def test_a_schedule_may_be_a_number():
    params = {"w": jnp.ones(3)}
    for schedule in (0.5, np.float32(0.5), jnp.float32(0.5), lambda count: 0.5):
        optimizer = as_optax("library:sgd", schedule)
        updates, _ = optimizer.update(params, optimizer.init(params), params)
        np.testing.assert_allclose(updates["w"], -0.05, rtol=1e-6)
    for wrong in ("0.5", jnp.ones(3), [1.0]):
        with pytest.raises(ValueError, match="schedule: expected a number or a function of the"):
            as_optax("library:sgd", wrong)


def test_a_program_that_never_reads_the_schedule_value():
    program = load("library:sgd")
    program = type(program)(
        (), (program.statements[1].__class__("update", "multiply", ("g", 0.1)),)
    )
    with pytest.warns(UserWarning, match="never reads the schedule value"):
        as_optax(program, schedule=optax.constant_schedule(1.0))
    params = {"w": jnp.ones(3)}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        optimizer = as_optax(program, scale=optax.linear_schedule(1.0, 0.0, 4))
    state = optimizer.init(params)
    for step in range(2):
        updates, state = optimizer.update(params, state, params)
        np.testing.assert_allclose(updates["w"], -0.1 * (1 - step / 4), rtol=1e-6)


def test_the_decay_mask_of_lion_is_that_of_optax():
    params, mask = params_of(), {"a": True, "b": False, "c": True}
    twin = optax.lion(1e-4, b1=0.9, b2=0.99, weight_decay=0.1, mask=mask)
    for given in (mask, lambda params: {name: name != "b" for name in params}):
        assert_same(
            trained(as_optax("library:lion", decay_mask=given), params), trained(twin, params)
        )
    with pytest.raises(ValueError, match="no term of the update is the weights"):
        as_optax("library:sgd", decay_mask=mask)
    with pytest.raises(ValueError, match="decay_mask: not a tree of bools like the parameters"):
        trained(as_optax("library:lion", decay_mask={"a": True}), params)


@pytest.mark.parametrize("name", library())
def test_every_constant_has_a_name_and_can_be_given(name):
    from programs import live_across_steps
    from programs.hyperparameters import hyperparameters

    program = live_across_steps(load(f"library:{name}"))
    found = hyperparameters(program)
    assert len({h.name for h in found}) == len(found)
    given = {h.name: jnp.float32(h.value) for h in found}
    params = params_of()
    assert_same(
        trained(as_optax(program, constants=given), params), trained(as_optax(program), params)
    )


def test_constants_are_optax_lions():
    params = params_of()
    constants = {"rate": optax.linear_schedule(3e-4, 0.0, 5), "beta1": 0.8, "decay": 0.5}
    twin = optax.lion(constants["rate"], b1=0.8, b2=0.99, weight_decay=0.5)
    assert_same(
        trained(as_optax("library:lion", constants=constants), params), trained(twin, params)
    )
    with pytest.raises(ValueError, match="the program has no 'beta3'; did you mean"):
        as_optax("library:lion", constants={"beta3": 0.9})


@pytest.mark.parametrize(
    "statements, names",
    [
        ("lr = cbrt(lr); lr = lr * 0.01; update = g * lr", ["rate"]),
        ("s = sqrt(lr); s = sin(s); s = 0.5 * s; update = g * s", ["rate"]),
        ("lr = lr * 0.1; lr = lr * 0.2; update = g * lr", ["rate", "c2"]),
        ("s = g * lr; s = sqrt(s); update = s * 0.5", ["c1"]),  # not of the schedule alone
        ("lr = cbrt(g); update = lr * 0.5", ["c1"]),
    ],
)
def test_a_factor_of_what_a_program_makes_of_the_schedule_is_its_rate(statements, names):
    from programs import parse
    from programs.hyperparameters import hyperparameters

    lines = "".join(f"    {line.strip()}\n" for line in statements.split(";"))
    program = parse(f"def train(w, g, lr):\n{lines}    return update\n")
    assert [h.name for h in hyperparameters(program)] == names


def test_state_dtype():
    with pytest.raises(ValueError, match="state_dtype: expected a floating-point dtype, got int32"):
        as_optax("library:lion", state_dtype=jnp.int32)
    with pytest.raises(ValueError, match="state_dtype: expected a floating-point dtype, got 'foo'"):
        as_optax("library:lion", state_dtype="foo")


VECTOR = jnp.array([1.0, 2.0, 3.0])


@pytest.mark.parametrize(
    "options, name",
    [
        ({"schedule": lambda t: VECTOR}, "schedule"),
        ({"scale": lambda t: VECTOR}, "scale"),
        ({"constants": {"rate": lambda t: VECTOR}}, "constant rate"),
        ({"constants": {"rate": lambda t: None}}, "constant rate"),
        ({"decay_mask": {"a": jnp.ones((4, 2, 3)), "b": True}}, "decay_mask"),
        ({"decay_mask": {"a": "yes", "b": True}}, "decay_mask"),
    ],
)
def test_what_is_no_single_number_is_refused_in_a_step(options, name):
    params = {"a": jnp.ones((2, 3)), "b": jnp.ones(3)}
    optimizer = as_optax("library:lion", **options)
    with pytest.raises(ValueError, match=f"^{name}: expected a "):
        optimizer.update(params, optimizer.init(params), params)


def test_a_learning_rate_is_one_number_and_a_constant_is_not_none():
    optimizer, params = as_optax("library:lion"), {"a": jnp.ones(3)}
    with pytest.raises(ValueError, match=r"lr: expected a number, got float32 of shape \(3,\)"):
        optimizer.update(params, optimizer.init(params), params, lr=VECTOR)
    with pytest.raises(ValueError, match=r"beta1: expected a number or a function .*, got None"):
        as_optax("library:lion", constants={"beta1": None})


def test_a_state_of_another_program_is_refused():
    optimizer, params = as_optax("library:lion"), {"a": jnp.ones(3)}
    with pytest.raises(ValueError, match="state: it has 2 trees, but this program has 1 state"):
        optimizer.update(params, as_optax("library:adam").init(params), params)


def test_a_path_may_be_one(tmp_path):
    path = tmp_path / "rule.py"
    path.write_text("def train(w, g, lr):\n  update = g * lr\n  return update\n")
    params = {"a": jnp.ones(3)}
    as_optax(path).init(params)
