"""Which states a program has to remember: by its statements, and by what a sign leaves of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from programs import Program, Statement, analyse, library, live_across_steps, load, parse
from programs.execute import Tree, Value, interpret
from programs.kinds import Kind
from programs.memory import needed_states
from programs.normal_forms import states_that_may_be_zero
from tests.strategies import programs, random_programs

ADAM = """m = interp(g, m, 0.9); g2 = square(g); v = interp(g2, v, 0.99); s = sqrt(v)
update = m / s"""

CASES = {
    "sign of a quotient": (f"{ADAM}; update = sign(update)", "m"),
    "of a quotient's multiple": (f"{ADAM}; update = update * -3.0; update = sign(update)", "m"),
    "of its tanh": (f"{ADAM}; update = tanh(update); update = sign(update)", "m"),
    "of a product": (f"{ADAM}; update = m * s; update = sign(update)", "mv"),
    "of a product with what is positive": (
        f"{ADAM}; s = s + 0.1; update = m * s; update = sign(update)", "m"),
    "of a product with a mask": (
        f"{ADAM}; x = m * g; x = sign(x); x = maximum(x, 0.0); update = g * x; "
        "update = sign(update)", "m"),
    "of a product of signs": (
        f"{ADAM}; x = v * 2.0; x = tanh(x); update = g * x; update = sign(update)", "v"),
    "of a quotient of averages": (f"{ADAM}; update = m / v; update = sign(update)", "m"),
    "of a divisor that may be negative": (
        "m = interp(g, m, 0.9); g2 = g * 1.0; v = interp(g2, v, 0.99); update = m / v; "
        "update = sign(update)", "mv"),
    "of a product with the schedule": (f"{ADAM}; update = update * lr; update = sign(update)", "m"),
    "of the divisor's sum": (f"{ADAM}; s = s + v; update = m / s; update = sign(update)", "m"),
    "of both": (f"{ADAM}; update = m - s; update = sign(update)", "mv"),
    "of a divisor of any sign": (f"{ADAM}; s = v - g; update = m / s; update = sign(update)", "mv"),
    "a sign and a size": (f"{ADAM}; x = sign(update); update = x + update", "mv"),
    "a sign and the divisor": (f"{ADAM}; x = sign(update); update = x * s", "mv"),
    "a quotient": (ADAM, "mv"),
    "a sign that the next value of a state is": (
        "x = m + g; x = x / v; m = sign(x); g2 = square(g); v = interp(g2, v, 0.9); s = sqrt(v); x = g / s; "
        "update = m + x", "mv"),
    "decay beside it": (f"{ADAM}; update = sign(update); d = w * 0.1; update = update + d", "m"),
    "a state that a step assigns before it is read": (
        "v = square(m); m = interp(g, m, 0.9); g2 = square(g); v = interp(g2, v, 0.1); "
        "s = sqrt(v); update = m / s", "m"),
    "a state that depends on another alone": (
        "g2 = square(g); s = interp(g2, v, 0.1); s = sqrt(s); m = interp(g, m, 0.9); "
        "update = m / s; v = square(m)", "mv"),
    "a state that nothing assigns": ("m = interp(g, m, 0.9); update = m + v", "m"),
    "a state that stays zero": (
        "m = interp(g, m, 0.9); v = v * m; x = sinh(v); v = minimum(x, 0.5); update = m + v", "m"),
    "a state that does not": ("m = interp(g, m, 0.9); v = maximum(v, 0.5); update = m + v", "mv"),
    "a sign beside a state that stays zero": (
        "m = interp(g, m, 0.9); v = v * g; update = sign(m); update = update + v", "m"),
    "a sign that nothing reads": (f"{ADAM}; x = sign(m)", "mv"),
}  # fmt: skip


def program(body: str):
    lines = "".join(f"    {line.strip()}\n" for line in body.replace("\n", ";").split(";"))
    return parse(f"def train(w, g, m, v, lr):\n{lines}    return update, m, v\n")


@pytest.mark.parametrize(("body", "states"), CASES.values(), ids=CASES)
def test_what_a_sign_leaves(body, states):
    tried = program(body)
    assert "".join(tried.states[i] for i in needed_states(analyse(tried))) == states


def with_twins(rule, rng):
    """The program with each statement written twice, and each argument read from either."""
    twins, statements = {}, []
    for i, s in enumerate(rule.statements):
        read = tuple(twins[a] if a in twins and rng.random() < 0.5 else a for a in s.arguments)
        twins[s.target] = f"twin{i}"
        statements += [
            Statement(twins[s.target], s.function, read),
            Statement(s.target, s.function, s.arguments),
        ]
    return Program(rule.states, tuple(statements))


@given(programs(), st.randoms(use_true_random=False))
@settings(max_examples=300, deadline=None)
def test_what_is_computed_twice_counts_once(rule, rng):
    """The functional hash says so, and what a search knows of a program it knows by that hash."""
    twice = with_twins(rule, rng)
    one, other = analyse(rule), analyse(twice)
    assert one.functional_hash == other.functional_hash
    assert needed_states(one) == needed_states(other)


def test_a_square_is_one_also_of_what_is_computed_twice():
    body = (
        "m = interp(g, m, 0.9); x = interp(g, v, 0.99); v = interp(g, v, 0.99); d = {} * v; "
        "update = m / d; update = sign(update)"
    )
    for factor in ("v", "x"):
        assert needed_states(analyse(program(body.format(factor)))) == (0,)


@pytest.mark.parametrize("name", library())
def test_the_library_needs_what_its_simplified_form_has(name, simplified):
    rule = load(f"library:{name}")
    assert len(needed_states(analyse(rule))) == len(simplified[name].program.states)


class Watched(Tree):
    """Notes whether any number was so large or so small that rounding decides a sign."""

    beyond = False

    def apply(self, function, arguments):
        value = super().apply(function, arguments)
        for leaf in value.leaves:
            sizes = np.abs(leaf[leaf != 0]) if np.ndim(leaf) else np.abs(leaf)
            self.beyond |= not np.all((sizes == 0) | ((sizes > 1e-18) & (sizes < 1e18)))
        return value


def updates(rule, unneeded, scale):
    """Updates of a few steps whose unneeded states are multiplied by something positive.

    They end before the step in which a number leaves the middle of float32's range: a divisor that
    overflows leaves a quotient of zero, whose sign is zero.
    """
    rng = np.random.default_rng(0)
    variables = {"w": rng.normal(size=7), "lr": 0.5}
    zeros = states_that_may_be_zero(rule, {name: name for name in rule.states})
    variables |= {
        name: rng.normal(size=7) ** 2 + 0.5 if name not in zeros else np.zeros(7)
        for name in rule.states
    }
    done = []
    for _ in range(4):
        variables["g"] = rng.normal(size=7)
        for i in unneeded:
            variables[rule.states[i]] = variables[rule.states[i]] * scale
        tree = Watched(np)
        values = {
            name: Value(Kind.TENSOR if np.ndim(x) else Kind.SCALAR, (np.float32(x),))
            for name, x in variables.items()
        }
        with np.errstate(all="ignore"):
            interpret(rule, values, constant=tree.constant, apply=tree.apply)
        if tree.beyond:
            break
        done.append(values["update"].leaves[0])
        variables |= {name: values[name].leaves[0] for name in rule.states}
    return done


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
        plain = updates(rule, unneeded, 1.0)
        for scale in (1.5, 0.0):
            other = updates(rule, unneeded, scale)
            assert all((one == two).all() for one, two in zip(plain, other, strict=False))


def test_a_chain_of_any_length_is_followed():
    lines = ["m = interp(g, m, 0.9)", "x = m * 2.0", *["x = tanh(x)"] * 990, "update = sign(x)"]
    body = "".join(f"  {line}\n" for line in lines)
    program = parse(f"def train(w, g, m, lr):\n{body}  return update, m\n")
    assert list(needed_states(analyse(program))) == [0]
