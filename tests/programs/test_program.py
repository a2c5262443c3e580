"""Printing and parsing."""

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from programs import Constant, Program, ProgramError, Statement, load, parse
from programs.functions import ALIASES, FUNCTIONS
from tests.strategies import programs, ten_thousand_programs


def test_print_then_parse_is_the_identity():
    for program in ten_thousand_programs():
        assert parse(str(program)) == program


@given(st.floats(-3.4e38, 3.4e38).filter(lambda x: x == 0 or abs(x) > 1e-45))
def test_constants_survive_bit_for_bit(number):
    program = Program((), (Statement("update", "multiply", ("g", number)),))
    parsed = parse(str(program)).statements[0].arguments[1]
    assert struct.pack("<d", parsed) == struct.pack("<d", number)


@given(programs())
def test_frozen_and_hashable(program):
    assert hash(program) == hash(parse(str(program)))
    with pytest.raises(AttributeError):
        program.states = ()


@pytest.mark.parametrize("alias", ALIASES)
def test_every_name_is_accepted(alias):
    row = FUNCTIONS[ALIASES[alias]]
    arguments = ", ".join(["lr"] * row.arity)
    text = f"def train(w, g, lr):\n  c = {alias}({arguments})\n  update = g * c\n  return update"
    assert parse(text).statements[0].function == row.name


def test_as_the_paper_prints_it():
    program = parse(
        "def train(weight, gradient, momentum, lr):\n"
        "  update = interpolate(gradient, momentum, 0.9)\n"
        "  update = sign(update)\n"
        "  momentum = interpolate(gradient, momentum, 0.99)\n"
        "  weight_decay = weight * 0.1\n"
        "  update = update + weight_decay\n"
        "  lr = lr * 0.0001\n"
        "  update = update * lr\n"
        "  return update, momentum\n"
    )
    lion = load("library:lion")
    assert [s.function for s in program] == [s.function for s in lion]
    assert program.states == ("momentum",)


@pytest.mark.parametrize("name", ["weight", "weights", "grad", "gradient", "learning_rate"])
def test_a_state_keeps_its_name(name):
    text = f"def train(w, g, {name}, lr):\n  {name} = g * 1\n  update = {name} * w\n  return update, {name}"
    program = parse(text)
    assert program.states == (name,) and program.statements[1].arguments == (name, "w")
    assert parse(str(program)) == program


def test_text_form():
    program = load("library:adamw")
    assert str(program).splitlines()[:4] == [
        "def train(w, g, m, v, lr):",
        "    g2 = square(g)",
        "    m = interp(g, m, 0.9)",
        "    v = interp(g2, v, 0.999)",
    ]


def _program(*lines: str, states: str = "") -> str:
    header = f"def train(w, g, {states}lr):"
    return "\n".join([header, *("  " + line for line in lines)])


BAD = {
    "empty": ("", "expected 'def train(w, g, <states>, lr):'"),
    "an import": ("import os", "'import os' is not allowed here"),
    "no return": (_program("update = g * lr"), "must be 'return update'"),
    "unknown function": (_program("update = sqr(g)", "return update"), "did you mean 'sqrt'?"),
    "arity": (_program("update = sqrt(g, w)", "return update"), "takes 1 argument, here 2"),
    "undefined": (_program("update = gg * lr", "return update"), "did you mean 'g'?"),
    "missing output": (_program("updat = g * lr", "return update"), "did you mean 'updat'?"),
    "scalar output": (_program("update = dot(g, w)", "return update"), "it is a scalar"),
    "kinds": (_program("update = interp(g, w, w)", "return update"), "takes (any kind, any kind, scalar)"),
    "attribute": (_program("update = g.T(g)", "return update"), "attributes and modules"),
    "subscript": (_program("update = g[0]", "return update"), "'g[0]' is not allowed"),
    "lambda": (_program("update = (lambda: g)()", "return update"), "is not a function"),
    "nested call": (_program("update = sign(sign(g))", "return update"), "one function to a statement"),
    "operator": (_program("update = g ** 2", "return update"), "use power(x, y)"),
    "copy": (_program("update = g", "return update"), "write it as g * 1"),
    "keyword": (_program("update = clip(g, c=1)", "return update"), "given by position"),
    "infinity": (_program("update = g * 1e999", "return update"), "beyond float32"),
    "long integer": (_program(f"update = g * {'9' * 330}", "return update"), "beyond float32"),
    "boolean": (_program("update = g * True", "return update"), "give a variable or a number"),
    "complex": (_program("update = g * 2j", "return update"), "give a variable or a number"),
    "text": (_program("update = g * 'a'", "return update"), "give a variable or a number"),
    "augmented": (_program("update = g * 1", "update += g", "return update"), "a statement is"),
    "two targets": (_program("a = update = g * 1", "return update"), "a statement is"),
    "loop": (_program("for i in g:", "  update = g * 1", "return update"), "a statement is"),
    "name of a function": (_program("sqrt = g * 1", "return update"), "is a function's name"),
    "other return": (_program("update = g * 1", "return update, m"), "write 'return update'"),
    "inputs": ("def train(g, w, lr):\n  update = g * 1\n  return update", "write 'def train(w, g"),
    "function name": ("def step(w, g, lr):\n  return update", "is called 'step'"),
    "default": ("def train(w, g, lr=1):\n  return update", "are not allowed"),
    "decorator": ("@x\ndef train(w, g, lr):\n  return update", "are not allowed"),
    "inputs as they are called": ("def train(grad, weight, lr):\n  return update", "are (grad, weight, lr)"),
    "state called as an input": ("def train(weight, g, weight, lr):\n  return update", "'weight' cannot be"),
    "state twice": (_program("return update", states="m, m, "), "names two inputs"),
    "nine states": (_program("return update", states="a, b, c, d, e, h, i, j, k, "), "at most 8"),
    "syntax": ("def train(w, g, lr):\n  update = (g *\n  return update", "not Python syntax"),
    "indentation": ("def train(w, g, lr):\nupdate = g", "not Python syntax"),
    "NUL": ("def train(w, g, lr):\n  update = g\0\n", "a NUL byte"),
    "encoding": (b"def train(w, g, lr):\n  \xff = g", "not UTF-8"),
    "look-alike letter": (_program("update = \u0261 * 1", "return update"), "before anything"),
    "look-alike target": (_program("up\u0501ate = g * 1", "return update"), "is not a name"),
    "10 MB of brackets": ("(" * 10_000_000, "longer than 300000 bytes"),
    "64 KB of brackets": ("(" * 65_536, "a line has at most 640"),
    "many brackets": ("\n".join(["(" * 400] * 20), "not Python syntax"),
    "minus signs": (_program("update = g * " + "-" * 300 + "1e999", "return update"), "beyond float32"),
    "lines": ("\n" * 3000, "at most 2000"),
    "statements": (_program(*["update = g * 1"] * 1001, "return update"), "at most 1000"),
    "two functions": (_program("update = g * 1", "return update") * 1 + "\ndef f(): 0", "only one function"),
    "not a function": ("x = 1", "is not allowed here"),
    "async": ("async def train(w, g, lr):\n  return update", "is not allowed here"),
    "walrus": (_program("update = (a := g) * 1", "return update"), "is not allowed as an argument"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_text_is_one_clear_error(name):
    text, wanted = BAD[name]
    with pytest.raises(ProgramError) as caught:
        parse(text, "rule.py")
    message = str(caught.value)
    assert wanted in message
    assert message.startswith("rule.py:")
    assert "\n" not in message
    assert len(message) < 400
    assert caught.value.line >= 1


def test_an_error_names_its_position():
    with pytest.raises(ProgramError, match=r"rule.py:3:12: unknown function 'sqr'"):
        parse("def train(w, g, lr):\n  a = g * 1\n  update = sqr(a)\n  return update", "rule.py")


@pytest.mark.parametrize(
    "lines, where",
    [
        (["w = gradient * 0.1", "update = weight * w"], "2:3: 'w' is what the input 'weight'"),
        (
            ["g = square(gradient)", "update = gradient / g"],
            "2:3: 'g' is what the input 'gradient'",
        ),
        (["a = weight * 1", "update = a * lr"], "3:16: 'lr' is what the input 'learning_rate'"),
    ],
)
def test_a_long_name_of_an_input_captures_no_variable(lines, where):
    body = "".join(f"  {line}\n" for line in lines)
    text = f"def train(weight, gradient, learning_rate):\n{body}  return update\n"
    with pytest.raises(ProgramError) as caught:
        parse(text, "rule.py")
    assert str(caught.value).startswith(f"rule.py:{where}")
    assert not caught.value.others


def test_load_errors(tmp_path):
    with pytest.raises(ProgramError, match="no library program 'lio'; did you mean 'lion'"):
        load("library:lio")
    with pytest.raises(ProgramError, match="did you mean 'library:lion'"):
        load("lion")
    with pytest.raises(ProgramError, match="an optimizer of optax has no program"):
        load("optax:adamw(learning_rate=1e-3)")
    with pytest.raises(ProgramError, match="cannot read"):
        load(str(tmp_path))
    with pytest.raises(ProgramError, match="cannot read"):
        load("a\0b")
    (tmp_path / "rule.py").write_bytes(b"x" * 10**7)
    with pytest.raises(ProgramError, match="longer than"):
        load(str(tmp_path / "rule.py"))


def test_parsed_constants_are_finite():
    for program in ten_thousand_programs()[:1000]:
        for statement in program:
            assert all(isinstance(a, str) or math.isfinite(a) for a in statement.arguments)


def test_constants_and_where_they_stand():
    program = parse(
        "def train(w, g, m, lr):\n  m = interp(g, m, 0.9)\n  a = 2 * w\n  update = m + a\n"
        "  return update, m\n"
    )
    assert program.constants() == (Constant(0, 2, 0.9), Constant(1, 0, 2.0))
    beta, factor = program.constants()
    assert str(program.with_constant(beta, 0.5).statements[0]) == "m = interp(g, m, 0.5)"
    assert program.with_constant(factor, 3.0) == program.with_constants([0.9, 3.0])
    assert program.with_constants([0.9, 2.0]) == program
    with pytest.raises(ValueError):
        program.with_constants([0.9])
    assert load("library:sign_sgd").with_constants([0.1]).constants()[0].value == 0.1
