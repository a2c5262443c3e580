"""The canonical hash: sound normal forms, dead and permuted states."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from programs import Program, analyse, live_across_steps, load, parse
from programs.canonical import canonical_hash
from tests.programs.test_abstract import _outputs
from tests.strategies import programs, renamed, ten_thousand_programs


def _program(body: str, states: str = "") -> Program:
    lines = "".join(f"  {line.strip()}\n" for line in body.split(";"))
    outputs = ", ".join(["update", *states.split()])
    inputs = ", ".join(["w", "g", *states.split(), "lr"])
    return parse(f"def train({inputs}):\n{lines}  return {outputs}\n")


SAME = [
    ("update = g + w", "update = w + g"),
    ("update = g * 1", "a = -g; update = -a"),
    ("update = g - w", "a = -w; update = a + g"),
    ("update = g * g", "update = square(g)"),
    ("a = abs(g); update = square(a)", "a = -g; update = a * a"),
    ("a = square(g); update = g * a", "update = cube(g)"),
    ("update = maximum(g, g)", "update = g * 1"),
    ("update = g * -2", "a = g * 2; update = -a"),
    ("update = g * 0.9", "update = g * 0.8999999761581421"),
    ("a = 1.5 * 2; update = g * a", "update = g * 3"),
    ("a = get_pi(); update = g * a", "update = g * 3.1415927410125732"),
    ("update = g / 1", "update = g * 1"),
    ("a = sqrt(g); update = abs(a)", "a = abs(g); update = sqrt(a)"),
    ("a = -g; update = a / w", "a = g / w; update = -a"),
    ("a = -g; b = tanh(a); update = -b", "update = tanh(g)"),
    ("a = sign(g); update = sign(a)", "update = sign(g)"),
    ("update = g - 0", "update = g * 1"),
    ("update = g + 0", "update = g * 1"),  # but for the sign of a zero
    ("update = g * 0", "update = g - g"),  # gradients are finite
    ("a = -g; b = -w; update = a + b", "a = g + w; update = -a"),
    ("a = g * 0.5; update = sign(a)", "update = sign(g)"),
    ("a = arctan(g); update = sign(a)", "update = sign(g)"),
    ("a = sign(g); update = cube(a)", "update = sign(g)"),
    ("a = norm(lr); update = g * a", "a = global_norm(lr); update = g * a"),
]
OTHER = [
    ("update = g - w", "update = w - g"),
    ("a = g + 0; update = reciprocal(a)", "update = reciprocal(g)"),  # of -0.0
    ("a = exp(g); update = a * 0", "a = exp(g); update = a - a"),  # for infinities neither is 0
    ("a = reciprocal(g); update = sign(a)", "update = sign(g)"),  # of 0, of infinity
    ("a = g * -0.5; update = sign(a)", "update = sign(g)"),
    ("a = g * 1e-30; update = sign(a)", "update = sign(g)"),  # may be 0
    ("a = norm(lr); update = g * a", "a = abs(lr); update = g * a"),  # in numpy, of 1e-30
    ("a = norm(lr); update = g * a", "a = square(lr); a = sqrt(a); update = g * a"),  # in XLA
    ("a = interp(0.1, 0.3, 0.7); update = g * a", "update = g * 0.24"),  # fused or not
    ("update = g / w", "a = reciprocal(w); update = g * a"),  # the guard
    ("update = g / -2", "a = g / 2; update = -a"),  # the guard
    ("a = -g; update = sinh(a)", "a = sinh(g); update = -a"),  # not bit for bit in XLA
    ("update = sqrt(g)", "update = sqrt(w)"),
    ("a = g + w; update = a + lr", "a = w + lr; update = g + a"),  # floats do not associate
    ("a = norm(g); update = g * a", "a = global_norm(g); update = g * a"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_same(one, other):
    one, other = _program(one), _program(other)
    assert canonical_hash(one) == canonical_hash(other)
    assert np.array_equal(_outputs(one)[0], _outputs(other)[0], equal_nan=True)


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_other(one, other):
    assert canonical_hash(_program(one)) != canonical_hash(_program(other))


def test_states():
    one = _program("m = interp(g, m, 0.9); v = interp(g, v, 0.5); update = m - v", "m v")
    permuted = _program("m = interp(g, m, 0.5); v = interp(g, v, 0.9); update = v - m", "m v")
    dead = _program(
        "m = interp(g, m, 0.9); v = interp(g, v, 0.5); d = d + v; update = m - v", "d m v"
    )
    twice = _program(
        "a = interp(g, a, 0.9); m = interp(g, m, 0.9); v = interp(g, v, 0.5);"
        "b = interp(b, g, 0.5); x = a - m; update = m - v",
        "a b m v",
    )
    duplicate = _program(
        "a = interp(g, a, 0.9); m = interp(g, m, 0.9); x = a + m; update = x * 0.5", "a m"
    )
    single = _program("m = interp(g, m, 0.9); x = m + m; update = x * 0.5", "m")
    crossed = _program(
        "t = interp(g, b, 0.9); b = interp(g, a, 0.9); a = t * 1; update = a * 1", "a b"
    )
    straight = _program("a = interp(g, a, 0.9); update = a * 1", "a")
    assert len({canonical_hash(p) for p in (one, permuted, dead, twice)}) == 1
    assert canonical_hash(duplicate) == canonical_hash(single)
    assert canonical_hash(crossed) == canonical_hash(straight)  # a and b stay equal for ever
    assert canonical_hash(one) != canonical_hash(single)


def test_states_that_differ_late_are_distinguished():
    """A delay line of eight states against one of seven: equal for seven steps, then not."""

    def delay(length):
        names = [f"s{i}" for i in range(length)]
        moves = [f"{a} = {b} * 1" for a, b in zip(names[::-1], names[::-1][1:])]
        return _program(
            "; ".join([f"update = {names[-1]} * 1", *moves, "s0 = g * 1"]), " ".join(names)
        )

    assert canonical_hash(delay(8)) != canonical_hash(delay(7))


ZERO = [  # a state that is zero, and the program without it
    ("update = g + m", "update = g * 1"),
    ("m = m * 0.9; update = g + m", "update = g * 1"),
    ("m = interp(m, m, 0.9); update = interp(g, m, 0.75)", "update = g * 0.25"),
    ("m = interp(m, m, 0.9); update = interp(m, g, 0.75)", "update = g * 0.75"),
    ("m = -m; update = w - m", "update = w * 1"),
    ("a = tanh(m); m = sqrt(a); update = w - m", "update = w * 1"),
    ("a = norm(m); m = m * a; update = g + m", "update = g * 1"),
    ("m = dot(m, g); m = m * w; update = g + m", "update = g * 1"),
    ("a = sign(g); m = m * a; update = g + m", "update = g * 1"),
    ("m = m * lr; update = maximum(g, m)", "update = maximum(g, 0)"),
    ("a = m + 1; update = g * a", "update = g * 1"),
    ("a = exp(m); update = g * a", "update = g * 1"),
    ("m = minimum(0.7, m); update = g + m", "update = g * 1"),
    ("m = maximum(m, -0.5); update = g + m", "update = g * 1"),
    ("a = power(1.5, m); update = g * a", "update = g * 1"),
    ("a = power(g, m); update = g * a", "update = g * 1"),
    ("m = clip(m, 0.5); update = g + m", "update = g * 1"),
]
NOT_ZERO = [
    # XLA multiplies by 1 / 41, and fuses the other product of the average.
    ("z = w - w; a = z + 82.0; x = a / 41.0; update = g * x", "update = g * 2.0"),
    ("a = maximum(m, 2.0); update = interp(a, g, 0.9)", "update = interp(2.0, g, 0.9)"),
    ("m = m + 1; update = g + m", "update = g * 1"),
    ("m = maximum(m, 0.5); update = g + m", "update = g * 1"),
    ("a = exp(g); m = m * a; update = g + m", "update = g * 1"),  # infinite times 0
    ("a = -m; a = reciprocal(a); a = arctan(a); update = g * a",
     "a = reciprocal(m); a = arctan(a); update = g * a"),  # -0.0
    ("a = m + 0.5; a = global_norm(a); update = g * a", "update = g * 0.5"),  # elements count
    ("update = g / m", "update = g / 0"),  # XLA multiplies by the reciprocal of a scalar
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), ZERO)
def test_states_that_stay_zero(one, other):
    one, other = _program(one, "m"), _program(other)
    assert canonical_hash(one) == canonical_hash(other)
    assert np.array_equal(_outputs(one)[0], _outputs(other)[0])


@pytest.mark.parametrize(("one", "other"), NOT_ZERO)
def test_states_that_are_not_just_zero(one, other):
    assert canonical_hash(_program(one, "m")) != canonical_hash(_program(other, "m"))


def test_states_that_keep_each_other_zero():
    both = "t = n * 0.5; n = m * 1; m = t * 1; update = g + m"
    assert canonical_hash(_program(both, "m n")) == canonical_hash(_program("update = g * 1"))
    fed = "t = n * 0.5; n = m + 1; m = t * 1; update = g + m"
    assert canonical_hash(_program(fed, "m n")) != canonical_hash(_program("update = g * 1"))


def test_the_sign_of_a_zero_counts_where_it_tells():
    """-x + x is 0.0 and -(x - x) is -0.0; of these the reciprocals differ."""
    one = "a = sign(w); b = sign(g); a = -a; b = -b; c = a + b"
    other = "a = sign(w); b = sign(g); c = a + b; c = -c"
    tail = "; c = reciprocal(c); update = arctan(c)"
    one, other = _program(one + tail), _program(other + tail)
    assert not np.array_equal(_outputs(one)[0], _outputs(other)[0])
    assert canonical_hash(one) != canonical_hash(other)


def test_program_8_is_its_live_part():
    program = load("library:program8")
    assert canonical_hash(program) == canonical_hash(live_across_steps(program))


def test_the_hash_is_stable():
    assert canonical_hash(load("library:adamw")).hex() == "5ac443f4131cf71cea589b373d17c5be"


def test_a_chain_of_any_length_is_seen_through():
    chain = "; ".join(["x = g * 1.5", *["x = tanh(x); x = x * 1.5"] * 450, "update = sign(x)"])
    assert canonical_hash(_program(chain)) == canonical_hash(_program("update = sign(g)"))


def test_equal_canonical_hash_means_equal_outputs():
    groups: dict[bytes, dict[bytes, Program]] = {}
    for program in ten_thousand_programs()[::2]:
        functional = analyse(program).functional_hash
        groups.setdefault(canonical_hash(program), {})[functional] = program
    repeated = [list(group.values()) for group in groups.values() if len(group) > 1]
    assert len(repeated) > 50
    for first, *others in repeated:
        for other in others[:3]:
            a, b = _outputs(first)[0], _outputs(other)[0]
            assert np.array_equal(a, b, equal_nan=True)


@given(programs(), st.integers(0, 2**32))
def test_names_and_dead_states_change_no_hash(program, seed):
    wanted = canonical_hash(program)
    assert canonical_hash(renamed(program, seed)) == wanted
    assert canonical_hash(live_across_steps(program)) == wanted
    if len(program.states) < 8:
        longer = Program(("unused_state", *program.states), program.statements)
        assert canonical_hash(longer) == wanted


@given(programs())
def test_equal_functional_hash_means_equal_canonical_hash(program):
    live = Program(program.states, tuple(program.statements[i] for i in analyse(program).live))
    assert canonical_hash(live) == canonical_hash(program)
