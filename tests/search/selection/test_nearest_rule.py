"""Which rule a program is, whatever its schedule, rate, decay and way of writing."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from programs import load, parse
from search.selection.nearest_rule import nearest_rule

SAME = {
    "sgd": "the gradient",
    "sign_sgd": "the sign of the gradient",
    "momentum": "momentum",
    "nesterov": "momentum",
    "normalized_sgd": "momentum",
    "signum": "the sign of momentum",
    "lion": "the sign of momentum",
    "program4": "the sign of momentum",
    "program8": "the sign of momentum",
    "rmsprop": "RMSProp",
    "adam": "Adam",
    "adamw": "Adam",
    "discovered/sign_of_momentum": "the sign of momentum",
    "discovered/sign_of_momentum_cube_decay": "the sign of momentum",
    "discovered/damped_sign": "a damped sign of momentum",
    "discovered/adamw_on_a_root_schedule": "Adam",
}


@pytest.mark.parametrize("name", SAME)
def test_library_rules_are_named(name):
    found = nearest_rule(load(f"library:{name}"))
    assert (found.name, found.is_same) == (SAME[name], True)


@pytest.mark.parametrize("name", ["addsign", "powersign", "cautious_lion", "program5", "program6"])
def test_what_is_another_rule_is_not_taken_for_one(name):
    found = nearest_rule(load(f"library:{name}"))
    assert not found.is_same


def rule(body: str):
    lines = "".join(f"    {line.strip()}\n" for line in body.split(";"))
    return parse(f"def train(w, g, m, v, lr):\n{lines}    return update, m, v\n")


SIGNS = {
    "as it is": "update = sign(m)",
    "of a quotient": "g2 = square(g); v = interp(g2, v, 0.9); s = sqrt(v); u = m / s; update = sign(u)",
    "a quotient": "u = abs(m); update = m / u",
    "a constant of a sign": "u = sign(m); update = tanh(u)",
}  # fmt: skip
RATES = {
    "none": "",
    "another schedule": "; lr = cbrt(lr); update = update * lr",
    "read off the weights": "; a = dot(lr, w); update = update * a",
    "decay": "; d = w * 0.3; update = update + d; lr = lr * 0.01; update = update * lr",
}


@given(st.sampled_from(sorted(SIGNS)), st.sampled_from(sorted(RATES)), st.floats(0.1, 0.99))
@settings(max_examples=30, deadline=None)
def test_a_sign_of_momentum_in_other_words(sign, rate, decay):
    found = nearest_rule(rule(f"m = interp(g, m, {decay}); {SIGNS[sign]}{RATES[rate]}"))
    assert (found.name, found.is_same) == ("the sign of momentum", True)
    assert decay < 0.5 or found.decays[1] == pytest.approx(decay, abs=0.06)


@pytest.mark.parametrize("body", ["update = w * 0.1", "update = w / 0.0", "update = m / g"])
def test_decay_alone_and_what_is_not_finite_are_none(body):
    found = nearest_rule(rule(body))
    assert found is None or not found.is_same
