"""What kind of update a program makes, whatever its statements."""

import pytest

from programs import library, load, parse
from search.selection.update_form import UpdateForm, update_form

FORMS = {
    UpdateForm.SIGN: {"lion", "program4", "program8", "sign_sgd", "signum"},
    UpdateForm.ONE_FACTOR: {"sgd", "momentum", "nesterov", "normalized_sgd"},
    UpdateForm.ARRAY_FACTOR: {"lars"},
}


@pytest.mark.parametrize("name", library())
def test_the_library(name):
    wanted = next((form for form, names in FORMS.items() if name in names), UpdateForm.OTHER)
    assert update_form(load(f"library:{name}")) is wanted


@pytest.mark.parametrize(
    ("body", "form"),
    [
        ("m = interp(g, m, 0.7); lr = lr * 1.8; m = clip(m, lr); update = m / 0.2", "ONE_FACTOR"),
        ("m = interp(g, m, 0.9); x = dot(m, m); x = sqrt(x); update = m / x", "ONE_FACTOR"),
        ("m = interp(g, m, 0.9); x = m + g; d = w * 0.5; update = x + d", "ONE_FACTOR"),
        ("m = interp(g, m, 0.9); x = norm(m); update = m / x", "ARRAY_FACTOR"),
        ("m = interp(g, m, 0.9); x = m * m; x = sqrt(x); update = m / x", "SIGN"),
        ("m = interp(g, m, 0.9); x = sign(m); d = w * 0.5; update = x + d", "SIGN"),
        ("m = interp(g, m, 0.9); update = tanh(m)", "OTHER"),
        (
            "m = interp(g, m, 0.9); x = exp(m); x = x * 1e30; x = x * 1e30; update = x * g",
            "UNCLEAR",
        ),
        ("m = interp(g, m, 0.9); update = w * 0.0", "UNCLEAR"),
        # By the state as it was before this step: the first update is 0.
        ("x = sign(m); m = interp(g, m, 0.9); update = x * lr", "SIGN"),
        ("x = m * lr; m = interp(g, m, 0.9); update = x * 2.0", "ONE_FACTOR"),
        ("x = tanh(m); m = interp(g, m, 0.9); update = x * lr", "OTHER"),
    ],
)
def test_it_is_seen_by_behaviour(body, form):
    """Also what decays the weights, and what is clipped: by the norm, so it is no sign."""
    lines = "".join(f"    {statement}\n" for statement in body.split("; "))
    program = parse(f"def train(w, g, m, lr):\n{lines}    return update, m\n")
    assert update_form(program) is UpdateForm[form]
