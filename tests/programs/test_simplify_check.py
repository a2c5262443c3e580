"""The numerical check accepts rounding and nothing else."""

import pytest

from programs import parse
from programs.simplify.check import SETTINGS, check
from programs.simplify.rules import Claim


def program(*statements: str, states: str = ""):
    head = "".join(f", {s}" for s in states.split())
    body = "".join(f"  {s}\n" for s in statements)
    return parse(f"def train(w, g{head}, lr):\n{body}  return update{head}\n")


EQUAL = [
    (["t = w + g", "update = t - w"], ["update = g * 1"], Claim.EXACT),
    (["t = w * 0.3", "update = t * 7"], ["update = w * 2.1"], Claim.EXACT),
    (["t = square(g)", "update = sqrt(t)"], ["update = abs(g)"], Claim.EXACT),
    (["t = abs(g)", "update = g / t"], ["update = sign(g)"], Claim.UP_TO_GUARDS),
    (["t = g * lr", "update = t / lr"], ["update = g * 1"], Claim.UP_TO_GUARDS),
    (["update = g / 3"], ["update = g * 0.3333333333333333"], Claim.EXACT),
    (["t = log(g)", "update = exp(t)"], ["update = abs(g)"], Claim.EXACT),
    (["t = cube(g)", "update = sign(t)"], ["update = sign(g)"], Claim.UP_TO_GUARDS),
]
DIFFERENT = [
    (["update = g * 1"], ["update = g * 1.000001"], Claim.EXACT),
    (["update = abs(g)"], ["update = g * 1"], Claim.EXACT),
    (["t = abs(g)", "update = g / t"], ["update = sign(g)"], Claim.EXACT),
    (["update = g / w"], ["t = reciprocal(w)", "update = g * t"], Claim.EXACT),
    (["update = sign(g)"], ["t = g + 1e-12", "update = sign(t)"], Claim.UP_TO_GUARDS),
    (["update = g * 1"], ["t = g + w", "update = t - w"], Claim.EXACT),
    (["update = abs(g)"], ["t = square(g)", "t = log(t)", "update = exp(t)"], Claim.EXACT),
]


@pytest.mark.parametrize(("before", "after", "claim"), EQUAL)
def test_equal_up_to_rounding(before, after, claim):
    result = check(program(*before), program(*after), claim=claim)
    assert result.passed, result.note
    assert result.compared > 1000


@pytest.mark.parametrize(("before", "after", "claim"), DIFFERENT)
def test_different(before, after, claim):
    result = check(program(*before), program(*after), claim=claim)
    assert not result.passed
    assert "differs at step" in result.note


@pytest.mark.parametrize(
    ("before", "after", "claim", "where"),
    [
        (["t = cube(g)", "update = sign(t)"], ["update = sign(g)"], Claim.EXACT, "small"),
        (["t = cube(g)", "update = cbrt(t)"], ["update = g * 1"], Claim.EXACT, "small"),
        (["t = g * 1e-30", "update = sign(t)"], ["update = sign(g)"], Claim.EXACT, "small"),
        (
            ["t = square(w)", "t = clip(t, 0.1)", "t = sign(t)", "update = g * t"],
            ["t = square(w)", "t = sign(t)", "update = g * t"],
            Claim.EXACT,
            "large",
        ),
        (
            ["a = g * 1e-9", "b = abs(a)", "update = a / b"],
            ["update = sign(g)"],
            Claim.UP_TO_GUARDS,
            "ordinary",
        ),
        (
            ["a = g * 1e-5", "b = abs(a)", "update = a / b"],
            ["update = sign(g)"],
            Claim.UP_TO_GUARDS,
            "training",
        ),
    ],
)
def test_float32_shows_what_float64_does_not(before, after, claim, where):
    """Underflow, overflow, and guards that matter because the program makes small numbers."""
    result = check(program(*before), program(*after), claim=claim)
    assert not result.passed
    assert f"{where} are needed" in result.note or f"{where} and" in result.note


def test_float32_holds_for_each_output():
    """States that agree do not make up for an update that does not."""
    states = [f"{name} = interp(g, {name}, 0.9)" for name in "abcd"]
    before = program(*states, "x = a * 1e-9", "y = abs(x)", "update = x / y", states="a b c d")
    after = program(*states, "update = sign(a)", states="a b c d")
    result = check(before, after, claim=Claim.UP_TO_GUARDS, states=[(s, s) for s in "abcd"])
    assert not result.passed and result.float32 == 0


def test_the_sign_of_a_mean_of_gradients_passes():
    """m / sqrt(m * m) = sign(m), the step from Program 8 to Lion, also where gradients are 1e-3."""
    mean = "m = interp(g, m, 0.9)"
    before = program(mean, "a = m * m", "a = sqrt(a)", "update = m / a", states="m")
    after = program(mean, "update = sign(m)", states="m")
    assert check(before, after, claim=Claim.UP_TO_GUARDS, states=[("m", "m")]).passed
    assert not check(before, after, claim=Claim.EXACT, states=[("m", "m")]).passed


def test_rounding_does_not_explain_everything():
    """0 / 0 is 0 with the guard, whatever noise in n would make of it."""
    before = program("n = dot(w, w)", "z = n / n", "z = z - 1", "a = z / z", "update = g + a")
    assert not check(before, program("update = g + 1"), claim=Claim.UP_TO_GUARDS).passed


def test_a_difference_that_shows_late_is_seen():
    """A state that decays a little faster."""
    before = program("m = interp(g, m, 0.9)", "update = m * lr", states="m")
    after = program("m = interp(g, m, 0.9000001)", "update = m * lr", states="m")
    assert not check(before, after, claim=Claim.EXACT, states=[("m", "m")]).passed


def test_states_are_compared_on_request():
    before = program("m = interp(g, m, 0.9)", "update = g * lr", states="m")
    after = program("m = interp(g, m, 0.8)", "update = g * lr", states="m")
    assert check(before, after, claim=Claim.EXACT).passed
    assert not check(before, after, claim=Claim.EXACT, states=[("m", "m")]).passed


def test_nan_after_is_a_failure_and_nan_before_is_not():
    safe, unsafe = (
        program("update = g * 2"),
        program("t = arcsin(g)", "t = t * 0", "update = g + t"),
    )
    assert not check(program("update = g * 1"), unsafe, claim=Claim.EXACT).passed
    diverging = program("t = sqrt(g)", "t = log(0.0)", "update = g * t")
    assert check(diverging, safe, claim=Claim.EXACT).passed


def test_same_arithmetic_means_the_same_bits():
    before, after = program("t = w * 0.3", "update = t * 7"), program("update = w * 2.1")
    assert check(before, after, claim=Claim.EXACT).passed
    assert not check(before, after, claim=Claim.EXACT, same_arithmetic=True).passed
    assert check(before, before, claim=Claim.EXACT, same_arithmetic=True).passed


def test_settings_are_several_shapes_and_magnitudes():
    shapes = {shape for setting in SETTINGS for shape in setting.shapes}
    assert {len(shape) for shape in shapes} >= {0, 1, 2}
    assert len({setting.name for setting in SETTINGS}) == len(SETTINGS) >= 4
