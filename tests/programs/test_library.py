"""The library: the paper's programs as printed, and what the comments say of namesakes."""

import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from programs import library, load
from programs.describe import comment, differences
from programs.load import library_text
from programs.transform import as_optax
from tests.strategies import trees

PAPER = {  # Chen et al. 2023, Programs 5 to 7
    "program5": """
        m = interp(m, g, 0.16)
        g2 = square(g)
        v = interp(v, g2, 0.001)
        v753 = dot(g, w)
        sqrt_v = sqrt(v)
        update = m / sqrt_v
        wd = v753 * w
        update = sin(update)
        update = update + wd
        lr = lr * 0.0216
        update = update * lr
        v = sin(v)""",
    "program6": """
        m = interp(m, g, 0.1)
        g2 = square(g)
        g2 = v + g2
        v = interp(v, g2, 0.0015)
        sqrt_v = sqrt(v)
        update = m / sqrt_v
        v70 = get_pi()
        v = minimum(v, v70)
        update = sinh(update)
        lr = lr * 0.0606
        update = update * lr""",
    "program7": """
        m = interp(m, g, 0.1)
        g = g - m
        g2 = square(g)
        v = interp(v, g2, 0.001)
        sqrt_v = sqrt(v)
        update = m / sqrt_v
        wd = w * 0.0238
        update = update + wd
        lr = lr * 0.03721
        update = update * lr""",
}

NAMESAKES = {
    "adam": optax.adam(1e-3),
    "adamw": optax.adamw(1e-3, weight_decay=0.01),
    "adabelief": optax.adabelief(1e-3),
    "adamax": optax.adamax(2e-3),
    "amsgrad": optax.amsgrad(1e-3),
    "nadam": optax.nadam(1e-3),
    "ademamix": optax.contrib.ademamix(1e-3, weight_decay=0.01),
}
TIMES = {"a tenth": 0.1, "3.2 times": 3.2, "4.1 times": 4.1}


def _first_update(optimizer):
    params = {"w": jnp.asarray(trees(0)[0])}
    grads = {"w": jnp.asarray(trees(1)[0])}
    updates, _ = optimizer.update(grads, optimizer.init(params), params)
    return np.linalg.norm(updates["w"])


@pytest.mark.parametrize("name", PAPER)
def test_programs_of_the_paper(name):
    wanted = [line.strip() for line in PAPER[name].strip().splitlines()]
    assert [str(statement) for statement in load(f"library:{name}")] == wanted


@pytest.mark.parametrize("name", NAMESAKES)
def test_a_first_step_is_as_many_times_as_long_as_the_comment_says(name):
    said = re.search(
        r"first step is (a tenth|[\d.]+ times) as long", differences(library_text(name))
    )
    ratio = _first_update(as_optax(f"library:{name}")) / _first_update(NAMESAKES[name])
    assert ratio == pytest.approx(TIMES[said[1]], rel=0.02)


@pytest.mark.parametrize("name", library())
def test_a_rule_without_bias_correction_says_how_it_differs(name):
    text = library_text(name)
    assert "Source: " in comment(text)
    if "without bias correction" in comment(text):
        assert "no bias correction" in differences(text)


def _correction(count):
    """What turns a step of Adam into one with bias correction."""
    return jnp.sqrt(1 - 0.999 ** (count + 1)) / (1 - 0.9 ** (count + 1))


CORRECTED = {
    "adam": (as_optax("library:adam", scale=_correction), optax.adam(1e-3)),
    "adamw": (
        as_optax(
            "library:adamw",
            constants={
                "rate": lambda count: 1e-3 * _correction(count),
                "decay": lambda count: 0.01 / _correction(count),
            },
        ),
        optax.adamw(1e-3, weight_decay=0.01),
    ),
}


@pytest.mark.parametrize("name", CORRECTED)
def test_bias_correction_is_a_factor_of_the_update(name):
    """So it needs no step count in the language."""
    ours, twin = CORRECTED[name]
    params = {"w": jnp.asarray(trees(0)[0])}
    states = ours.init(params), twin.init(params)
    for step in range(20):
        grads = {"w": jnp.asarray(trees(step + 1, 0.3)[0])}
        updates, first = ours.update(grads, states[0], params)
        wanted, second = twin.update(grads, states[1], params)
        np.testing.assert_allclose(updates["w"], wanted["w"], rtol=1e-4)
        states = first, second


def test_adamw_corrected_is_adamw_of_optax_for_50_steps():
    """The step count is a state of the program."""
    ours, twin = as_optax("library:adamw_corrected"), optax.adamw(1e-3, weight_decay=0.01)
    weights = [{"w": jnp.asarray(trees(0)[0])}] * 2
    states = [ours.init(weights[0]), twin.init(weights[1])]
    steps = [jax.jit(ours.update), jax.jit(twin.update)]
    for step in range(50):
        grads = {"w": jnp.asarray(trees(step + 1, 0.3)[0])}
        updates = []
        for i in (0, 1):
            update, states[i] = steps[i](grads, states[i], weights[i])
            weights[i] = optax.apply_updates(weights[i], update)
            updates.append(update["w"])
        np.testing.assert_allclose(*updates, rtol=1e-4, atol=1e-9)
    np.testing.assert_allclose(weights[0]["w"], weights[1]["w"], rtol=1e-6)


def test_the_readme_names_the_rules_that_differ_from_their_namesakes():
    text = (Path(__file__).parents[2] / "README.md").read_text()
    [passage] = re.findall(r"Some rules of the library.*?\n\n", text, re.DOTALL)
    named = set(re.findall(r"library:(\w+)", passage)) - {"adamw_corrected"}
    assert named == {name for name in library() if differences(library_text(name))}


def _signs(name, steps=5):
    """Updates of a rule over random gradients, beside the gradients and their averages."""
    optimizer = as_optax(f"library:{name}")
    params = {"w": jnp.zeros((50,))}
    state, m, rows = optimizer.init(params), jnp.zeros((50,)), []
    for step in range(steps):
        g = jax.random.normal(jax.random.key(step), (50,))
        m = 0.9 * m + 0.1 * g
        updates, state = optimizer.update({"w": g}, state, params)
        rows.append((np.asarray(updates["w"]), np.asarray(g), np.sign(g) == np.sign(m)))
    return rows


@pytest.mark.parametrize(
    ("name", "agreeing", "other"), [("powersign", np.e, 1 / np.e), ("addsign", 2, 0)]
)
def test_powersign_and_addsign(name, agreeing, other):
    for update, g, agree in _signs(name):
        np.testing.assert_allclose(update, -0.1 * g * np.where(agree, agreeing, other), rtol=1e-5)


def test_cautious_lion_moves_where_lion_agrees_with_the_gradient():
    for (update, g, _), (lion, _, _) in zip(_signs("cautious_lion"), _signs("lion")):
        np.testing.assert_array_equal(update, np.where(lion * g < 0, lion, 0))
