"""Parsing hostile text: never anything but a Program or a ProgramError, and never for long."""

import random
import time

import pytest

from programs import Program, ProgramError, library, load, parse
from programs.functions import ALIASES
from programs.parse import MAX_BYTES, MAX_LINE, MAX_LINES

TOKENS = [
    *ALIASES, "w", "g", "m", "lr", "update", "=", "(", ")", ",", "+", "-", "*", "/", "**", ":",
    "\n", "\n    ", "def ", "train", "return ", "import os", "lambda", "[", "]", "{", "}", "'", '"',
    '"""', "\\", "#", "\t", "\x00", "\ufeff", "é", "ℯ", "1e999", "0x1F", "1_0", "1j", "0777", "-" * 50,
    "(" * 60, "yield", "await", "async ", "class A:", "f'{g}'", ":=", "@", "...", "None", ";", "\r", "\f",
]  # fmt: skip


def _random_bytes(rng: random.Random) -> bytes:
    return rng.randbytes(rng.choice((0, 1, 3, 30, 300)))


def _random_tokens(rng: random.Random) -> str:
    return "def train(w, g, m, lr):\n  " * rng.randrange(2) + "".join(
        rng.choices(TOKENS, k=rng.randrange(60))
    )


def _mutated(rng: random.Random, texts: list[str]) -> str:
    text = rng.choice(texts)
    for _ in range(rng.randrange(4)):
        i = rng.randrange(len(text) + 1)
        j = min(len(text), i + rng.randrange(20))
        middle = rng.choice(["", rng.choice(TOKENS), text[i:j] * 2, chr(rng.randrange(0x3000))])
        text = text[:i] + middle + text[j:]
    return text


def _outcome(text: str | bytes) -> tuple[bool, float]:
    start = time.process_time()
    try:
        result = parse(text)
    except ProgramError as error:
        assert "\n" not in str(error)
        result = None
    took = time.process_time() - start
    assert result is None or isinstance(result, Program)
    return result is not None, took


@pytest.mark.parametrize("count", [10_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_any_text_is_a_program_or_a_message(count):
    """How long each may take is printed by the benchmark; here only that it is an answer."""
    rng = random.Random(0)
    texts = [str(load(f"library:{name}")) for name in library()]
    valid = 0
    for i in range(count):
        kind = i % 4
        if kind == 0:
            text = _random_bytes(rng)
        elif kind == 1:
            text = _random_tokens(rng)
        else:
            text = _mutated(rng, texts)
        valid += _outcome(text)[0]
    assert 0.01 * count < valid < 0.9 * count  # both sides of the fence were visited


HOSTILE = {
    "brackets": "(" * MAX_LINE,
    "lines of brackets": "\n".join(["(" * (MAX_LINE - 1)] * (MAX_BYTES // MAX_LINE)),
    "minus signs": "x = " + "-" * (MAX_LINE - 10) + "1",
    "lines of minus signs": "\\\n".join(["-" * (MAX_LINE - 1)] * (MAX_BYTES // MAX_LINE - 1)),
    "not": "x = " + "not " * 90,
    "powers": "x = " + "9**" * 100 + "9",
    "attributes": "x" + ".a" * 190,
    "short lines": "a=g\n" * (MAX_LINES - 1),
    "long statements": "def train(w, g, lr):\n" + "\n".join(
        ["  a = interp(w, g, " + "9" * 12 + ")"] * (MAX_LINES - 3)
    ),
    "semicolons": "\n".join(["a=g;" * 99] * (MAX_BYTES // MAX_LINE - 1)),
    "f-string": "x = f'" + "{" * 300 + "'",
    "names": "def train(w, g, lr):\n" + "\n".join(f"  {'a' * 60}{i} = g * 1" for i in range(900)),
    "one name of many": "def train(w, g, lr):\n"
    + "\n".join(f"  v{i}{'a' * 40} = g * 1" for i in range(900))
    + f"\n  x = v{'a' * 40} * 1\n  return update",
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_texts(name):
    _outcome(HOSTILE[name])


def test_nothing_is_ever_evaluated():
    """An audit hook sees no exec, compile beyond the syntax tree, import, open or socket."""
    import subprocess
    import sys

    code = """
import sys
from programs import ProgramError, parse
import difflib
seen = []
sys.addaudithook(lambda event, args: seen.append((event, args)) if active else None)
active = False
for text in ["import os", "__import__('os').system('x')", "def train(w, g, lr):\\n  update = g * 1\\n  return update"]:
    active = True
    try:
        parse(text)
    except ProgramError:
        pass
    active = False
bad = [e for e, _ in seen if e in ("exec", "import", "open", "os.system") or e.startswith(("socket", "subprocess"))]
print(bad)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]", done.stdout
