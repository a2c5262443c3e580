"""Which states a program has to remember: by its statements, and by what a sign leaves of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from programs import analyse, library, live_across_steps, load, parse
from programs.execute import run_step
from programs.memory import needed_states
from programs.simplify import simplify
from tests.strategies import random_programs

ADAM = """m = interp(g, m, 0.9); g2 = square(g); v = interp(g2, v, 0.99); s = sqrt(v)
update = m / s"""

CASES = {
    "sign of a quotient": (f"{ADAM}; update = sign(update)", "m"),
    "of a quotient's multiple": (f"{ADAM}; update = update * -3.0; update = sign(update)", "m"),
    "of its tanh": (f"{ADAM}; update = tanh(update); update = sign(update)", "m"),
    "of a product": (f"{ADAM}; update = m * s; update = sign(update)", "m"),
    "of a product with the schedule": (f"{ADAM}; update = update * lr; update = sign(update)", "m"),
    "of the divisor's sum": (f"{ADAM}; s = s + v; update = m / s; update = sign(update)", "mv"),
    "of both": (f"{ADAM}; update = m - s; update = sign(update)", "mv"),
    "of a divisor of any sign": (f"{ADAM}; s = v - g; update = m / s; update = sign(update)", "mv"),
    "a sign and a size": (f"{ADAM}; x = sign(update); update = x + update", "mv"),
    "a sign and the divisor": (f"{ADAM}; x = sign(update); update = x * s", "mv"),
    "a quotient": (ADAM, "mv"),
    "a sign that the next value of a state is": (
        "x = m / v; m = sign(x); g2 = square(g); v = interp(g2, v, 0.9); s = sqrt(v); x = g / s; "
        "update = m + x", "mv"),
    "decay beside it": (f"{ADAM}; update = sign(update); d = w * 0.1; update = update + d", "m"),
    "a sign that nothing reads": (f"{ADAM}; x = sign(m)", "mv"),
}  # fmt: skip


def program(body: str):
    lines = "".join(f"    {line.strip()}\n" for line in body.replace("\n", ";").split(";"))
    return parse(f"def train(w, g, m, v, lr):\n{lines}    return update, m, v\n")


@pytest.mark.parametrize(("body", "states"), CASES.values(), ids=CASES)
def test_what_a_sign_leaves(body, states):
    tried = program(body)
    assert "".join(tried.states[i] for i in needed_states(analyse(tried))) == states


@pytest.mark.parametrize("name", library())
def test_the_library_needs_what_its_simplified_form_has(name):
    rule = load(f"library:{name}")
    assert len(needed_states(analyse(rule))) == len(simplify(rule).program.states)


def updates(rule, unneeded, scale):
    """Updates of a few steps whose unneeded states are multiplied by something positive."""
    rng = np.random.default_rng(0)
    w = [np.float32(rng.normal(size=7))]
    states = [[np.float32(rng.normal(size=7) ** 2 + 0.5)] for _ in rule.states]
    done = []
    with np.errstate(all="ignore"):
        for _ in range(4):
            g = [np.float32(rng.normal(size=7))]
            for i in unneeded:
                states[i] = [leaf * np.float32(scale) for leaf in states[i]]
            update, states = run_step(rule, np, w=w, g=g, states=states, lr=np.float32(0.5))
            done.append(update[0])
    return np.array(done)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=200, deadline=None)
def test_it_never_needs_more_than_is_read_and_what_is_not_needed_makes_no_difference(seed):
    """A sign is put before the update of random programs."""
    [drawn] = random_programs(1, seed=seed)
    text = str(drawn).replace("    return", "    update = sign(update)\n    return")
    rule = parse(text)
    needed = needed_states(analyse(rule))
    read = live_across_steps(rule).states
    assert {rule.states[i] for i in needed} <= set(read)
    unneeded = [i for i, name in enumerate(rule.states) if name in read and i not in needed]
    if unneeded:
        plain, other = (updates(rule, unneeded, scale) for scale in (1.0, 1.5))
        same = (plain == other) | ~np.isfinite(plain) | ~np.isfinite(other)
        assert same.all()
