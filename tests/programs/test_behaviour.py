"""The behavioural fingerprint."""

import pytest

from programs import library, load, parse
from programs.behaviour import Conduct, behaviour
from programs.canonical import canonical_hash
from tests.strategies import renamed, ten_thousand_programs


def _conduct(*lines: str) -> Conduct:
    body = "".join(f"  {line}\n" for line in lines)
    return behaviour(parse(f"def train(w, g, m, lr):\n{body}  return update, m\n")).conduct


@pytest.mark.parametrize("name", library())
def test_library_programs_are_fine(name):
    assert behaviour(load(f"library:{name}")).conduct is Conduct.FINE


def test_what_need_not_be_trained():
    assert _conduct("update = w * lr") is Conduct.IGNORES_GRADIENT
    assert _conduct("a = g * 0", "update = w * a") is Conduct.NEVER_MOVES
    assert _conduct("a = arccosh(g)", "update = g * a") is Conduct.NON_FINITE
    assert _conduct("m = reciprocal(m)", "update = m * g") is Conduct.NON_FINITE
    assert _conduct("m = reciprocal(m)", "update = exp(g)") is Conduct.FINE  # m reaches no update
    assert _conduct("update = m * 1", "m = g * 1") is Conduct.FINE  # moves from step 2 on


def test_one_function_one_hash():
    lion = load("library:lion")
    assert behaviour(lion).hash == behaviour(renamed(lion, 0)).hash
    assert behaviour(lion).hash != behaviour(load("library:signum")).hash
    same = parse(
        "def train(w, g, lr):\n  a = g * 2\n  b = a * lr\n  update = b * 0.05\n  return update"
    )
    assert behaviour(same).hash == behaviour(load("library:sgd")).hash


def test_equal_canonical_hash_means_equal_fingerprint():
    seen: dict[bytes, bytes] = {}
    for program in ten_thousand_programs()[::10]:
        found = behaviour(program)
        assert seen.setdefault(canonical_hash(program), found.hash) == found.hash
