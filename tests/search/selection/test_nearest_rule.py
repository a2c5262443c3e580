"""Which rule a program is, whatever its schedule, rate, decay and way of writing."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from programs import load, parse
from search.selection.nearest_rule import Decay, nearest_rule

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
    "adagrad": "AdaGrad",
    "yogi": "AdaGrad with momentum",  # adds to its second state
    "adam": "Adam",
    "adamw": "Adam",
    "discovered/sign_of_momentum": "the sign of momentum",
    "discovered/sign_of_momentum_cube_decay": "the sign of momentum",
    "discovered/signum_with_decay": "the sign of momentum",
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
    assert found.decays[1].low <= decay <= found.decays[1].high


@pytest.mark.parametrize("body", ["update = w * 0.1", "update = w / 0.0", "update = m / g"])
def test_decay_alone_and_what_is_not_finite_are_none(body):
    found = nearest_rule(rule(body))
    assert found is None or not found.is_same


@pytest.mark.parametrize(
    "body, name",
    [
        ("update = g * -1.0", "minus the gradient"),
        ("m = interp(g, m, 0.9); s = sign(m); update = s * -1.0", "minus the sign of momentum"),
        ("g2 = square(g); v = v + g2; s = sqrt(v); update = g / s", "AdaGrad"),
        ("g2 = square(g); v = interp(g2, v, 0.99); s = sqrt(v); update = g / s", "RMSProp"),
    ],
)
def test_ascent_and_sums_have_names_of_their_own(body, name):
    found = nearest_rule(rule(body))
    assert (found.name, found.is_same) == (name, True)


@pytest.mark.parametrize(
    "low, high, text",
    [
        (0.94831, 0.95102, "0.95"),  # signs
        (0.899999, 0.900001, "0.9"),
        (0.57188, 0.57193, "0.5719"),
        (0.62, 0.81, "0.62 to 0.81"),
        (0.995, 1.0, "0.995 to 1"),
        (0.991, 0.9994, "0.991 to 0.9994"),
        (0.0, 0.3, "0 to 0.3"),
    ],
)
def test_a_decay_has_the_digits_that_are_known(low, high, text):
    assert str(Decay(low, high)) == text


def test_signs_tell_fewer_digits_of_a_decay_than_updates_do():
    signs = nearest_rule(rule("m = interp(g, m, 0.9437); update = sign(m)")).decays[1]
    updates = nearest_rule(rule("m = interp(g, m, 0.9437); update = m * 0.1")).decays[1]
    assert str(updates) == "0.9437" and str(signs) in ("0.94", "0.95")
