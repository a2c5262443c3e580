"""Optimizers made by hand, from `optax:NAME(...)`."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given
from hypothesis import strategies as st

from programs import ProgramError, load
from programs.behaviour import Screening, behaviour
from proxy_tasks import train
from search.evaluation.optimizers import OPTIMIZERS, parse_hand_designed, read_program

LION = load("library:lion")
DIVERGES = "def train(w, g, lr):\n  update = g * 1e30\n  return update\n"


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_takes_a_schedule(name):
    optimizer = parse_hand_designed(f"optax:{name}(learning_rate=0.01)").optimizer(lambda step: 0.5)
    params = {"a": jnp.ones((2, 3)), "b": jnp.float32(1)}
    state = optimizer.init(params)
    with jax.disable_jit():
        updates, _ = optimizer.update(jax.tree.map(jnp.sin, params), state, params)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(updates))


def test_a_hand_designed_optimizer_is_optax_on_the_schedule(task, evaluator):
    (got,) = evaluator.evaluate("optax:adam(learning_rate=2e-2, b1=0.8)")
    optimizer = optax.adam(lambda step: 2e-2 * task.schedule(step), b1=0.8)
    (expected,) = train(task, optimizer)
    assert got.fitness == pytest.approx(expected.fitness, rel=1e-6)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("optax:adamv(learning_rate=1)", "did you mean 'adam"),
        ("optax:adam(rate=1)", "no setting 'rate'"),
        ("optax:adam(learning_rat=1)", "did you mean 'learning_rate'"),
        ("optax:adam", "learning_rate is missing"),
        ("optax:adam(1e-3)", "given by name"),
        ("optax:adam(learning_rate=1, learning_rate=2)", "given twice"),
        ("optax:adam(learning_rate=1/0)", "finite number"),
        ("optax:adam(learning_rate=1e999)", "finite number"),
        ("optax:adam(learning_rate=__import__('os'))", "finite number"),
        ("optax:adam(**{})", "no setting"),
        ("optax:adam.__class__()", "expected optax:NAME"),
        ("optax:(lambda: 0)()", "expected optax:NAME"),
        ("optax:", "expected optax:NAME"),
        ("optax:" + "(" * 5000, "expected optax:NAME"),
    ],
)
def test_bad_optimizers(text, message):
    with pytest.raises(ProgramError) as caught:
        parse_hand_designed(text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.text(max_size=60) | st.from_regex(r"(adam|lion|sgd)\([a-z_0-9=,. -]*\)?", fullmatch=True))
def test_any_text_is_an_optimizer_or_a_clear_error(text):
    try:
        hand_designed = parse_hand_designed("optax:" + text)
    except ProgramError as error:
        assert "\n" not in str(error)
    else:
        assert hand_designed.name in OPTIMIZERS


def test_programs_are_read_from_text_library_and_path(tmp_path):
    assert read_program("library:lion") == LION
    (tmp_path / "rule.py").write_text(str(LION))
    assert read_program(tmp_path / "rule.py") == LION
    with pytest.raises(ProgramError, match=r"expected a Program, its text, a file .*, got None"):
        read_program(None)
    assert behaviour(read_program(DIVERGES)).screening in Screening
    with pytest.raises(ProgramError):
        read_program("def train(w, g, lr):\n  return update\n")
