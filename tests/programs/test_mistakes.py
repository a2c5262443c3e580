"""All mistakes of a text are reported, each once; and constants that float32 cannot hold."""

import ast

import pytest

from programs import ProgramError, load, parse
from programs.parse import MAX_MISTAKES


def _mistakes(text: str) -> list[str]:
    with pytest.raises(ProgramError) as caught:
        parse(text, "rule.py")
    return [str(error) for error in (caught.value, *caught.value.others)]


def test_every_mistake_with_its_position():
    messages = _mistakes(
        "def train(w, g, m, lr):\n"
        "  a = sqr(g)\n"
        "  b = a + 1\n"  # a is unknown for a reason that is told already
        "  c = gg * b\n"
        "  m = interp(g, m, w)\n"
        "  a, d = g\n"
        "  update = d * g[0]\n"
        "  return update, m\n"
    )
    assert [m.split(": ")[0] for m in messages] == [
        "rule.py:2:7",
        "rule.py:4:3",
        "rule.py:5:3",
        "rule.py:6:3",
        "rule.py:7:16",
    ]
    assert "unknown function 'sqr'" in messages[0]
    assert "'gg' is read before anything" in messages[1]
    assert "it takes (any kind, any kind, scalar)" in messages[2]
    assert "cannot be assigned to" in messages[3]
    assert "'g[0]' is not allowed" in messages[4]


def test_mistakes_of_the_return():
    messages = _mistakes("def train(w, g, m, lr):\n  m = dot(g, w)\n  return m, update\n")
    assert len(messages) == 3
    assert "write 'return update, m'" in messages[0]
    assert "'update' is returned but never assigned" in messages[1]
    assert "'m' is returned, so it must be a whole parameter tree" in messages[2]


def test_what_follows_from_a_mistake_is_no_mistake():
    messages = _mistakes(
        "def train(w, g, lr):\n  a = clip(g, w)\n  update = a + gg\n  update = update * lr\n"
        "  return update\n"
    )
    assert len(messages) == 2 and "'gg'" in messages[1]


def test_a_name_that_is_assigned_anew_is_known_again():
    messages = _mistakes(
        "def train(w, g, lr):\n  a = clip(g, w)\n  a = g * 1\n  update = dot(a, g)\n"
        "  return update\n"
    )
    assert len(messages) == 2 and "here it is a scalar" in messages[1]


def test_very_many_mistakes():
    body = "  update = intrp(g, w, 0.5)\n" * 500
    assert len(_mistakes(f"def train(w, g, lr):\n{body}  return update\n")) == MAX_MISTAKES


def test_a_valid_program_has_none(tmp_path):
    path = tmp_path / "rule.py"
    path.write_text("def train(w, g, lr):\n  update = g * +0.9\n  return update\n")
    assert load(str(path)).constants()[0].value == 0.9


@pytest.mark.parametrize("text", ["+0.9", "+ 0.9", "-+-0.9", "9e-1", "0.9000"])
def test_signs_before_a_constant(text):
    program = parse(f"def train(w, g, lr):\n  update = g * {text}\n  return update")
    assert program.constants()[0].value == 0.9


@pytest.mark.parametrize("text", ["1e39", "-3.5e38", "1e308", "9" * 39])
def test_constants_beyond_float32(text):
    (message,) = _mistakes(f"def train(w, g, lr):\n  update = g * {text}\n  return update")
    assert "is beyond float32" in message and "3.4e38" in message


@pytest.mark.parametrize("text", ["1e-400", "1e-46", "-1e-60", "0.000_1e-330"])
def test_constants_that_float32_makes_zero(text):
    (message,) = _mistakes(f"def train(w, g, lr):\n  update = g * {text}\n  return update")
    assert "is 0 in float32" in message and "write 0.0" in message


@pytest.mark.parametrize("text", ["0", "0.0", "-0.0", "0e5", "3.4028234e38", "1.5e-45", "0x1F"])
def test_constants_at_the_ends(text):
    program = parse(f"def train(w, g, lr):\n  update = g * {text}\n  return update")
    assert parse(str(program)) == program


def test_a_parse_that_another_one_disturbs_is_made_again(monkeypatch):
    """Before Python 3.11.8 the depth of ast's recursion is counted for all threads together."""
    real, failures = ast.parse, [SystemError("AST constructor recursion depth mismatch")] * 3

    def disturbed(*arguments, **options):
        if failures:
            raise failures.pop()
        return real(*arguments, **options)

    monkeypatch.setattr(ast, "parse", disturbed)
    assert str(parse("def train(w, g, lr):\n    update = g * lr\n    return update\n"))
    assert not failures
