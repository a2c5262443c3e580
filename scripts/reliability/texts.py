"""Texts of programs, YAML and JSON, changed at random, and what must become of them."""

from __future__ import annotations

import json
import random
from functools import cache
from pathlib import Path

from programs import Program, ProgramError, analyse, library, load, parse
from search.config.load import ConfigError, dumps, loads

ROOT = Path(__file__).resolve().parents[2]
PIECES = (
    "w", "g", "m", "lr", "update", "=", "(", ")", ",", "+", "-", "*", "/", "**", ":", "\n",
    "\n    ",
    "def ", "train", "return ", "import os", "__import__('os').system('touch executed')",
    "eval('1')", "exec('1')", "open('executed', 'w')", "lambda: 0", "[", "]", "{", "}", "'", '"""',
    "\\", "#", "\t", "\x00", "\ufeff", "\u212f", "\u202e", "1e999", "1e-400", "0x1F", "1_0", "1j",
    "-" * 50, "(" * 60, "[" * 60, "{" * 60, "9" * 5000, ":=", "@", "...", "None", ";",
    "\r", "\x1b[2J",
    "&a [*a, *a]", "*a", "<<: *a", "!!python/object/apply:os.system ['touch executed']", "!!binary",
    "yes", "no", "~", ".inf", ".nan", "1:30", "2026-01-01", "- ", "? ", "| ", "> ",
    "%YAML 1.1\n---\n",
    "---\n", "null", "true", "false", '{"a": ', "[1, ", "evolution", "evaluation: ", "tasks: ",
)  # fmt: skip


def changed(rng: random.Random, text: str) -> str:
    """A text with up to three pieces put in, doubled, removed or replaced."""
    for _ in range(rng.randrange(4)):
        at = rng.randrange(len(text) + 1)
        end = min(len(text), at + rng.randrange(20))
        doubled = text[at:end] * rng.choice((2, 2, 2, 500))
        middle = rng.choice(["", rng.choice(PIECES), doubled, chr(rng.randrange(0x3000))])
        text = text[:at] + middle + text[end:]
    return text


def assembled(rng: random.Random) -> str:
    return "".join(rng.choices(PIECES, k=rng.randrange(60)))


def _any_of(rng: random.Random, texts: list[str]) -> bytes:
    kind = rng.randrange(8)
    if kind == 0:
        return rng.randbytes(rng.choice((0, 1, 3, 30, 300)))
    if kind == 1:
        return assembled(rng).encode(errors="surrogatepass")
    return changed(rng, rng.choice(texts)).encode(errors="surrogatepass")


@cache
def _programs() -> list[str]:
    return [str(load(f"library:{name}")) for name in library()]


@cache
def _configs() -> list[str]:
    texts = [path.read_text() for path in sorted((ROOT / "configs").glob("*.yaml"))]
    return [*texts, "evaluation: {tasks: vision_mlp}\n"]


@cache
def _as_json() -> list[str]:
    return [json.dumps(loads(text.encode()).model_dump(mode="json")) for text in _configs()]


def program(rng: random.Random) -> bool:
    """Whether a text is a program; it must then be the same when it is read again.

    Raises:
      AssertionError: it is not, or the message has more than one line.
    """
    text = _any_of(rng, _programs())
    try:
        read: Program = parse(text)
    except ProgramError as error:
        assert "\n" not in str(error), "more than one line"
        return False
    assert str(parse(str(read))) == str(read), "it reads differently the second time"
    analyse(read)
    return True


def yaml(rng: random.Random) -> bool:
    """Whether a text is a config."""
    return _config(_any_of(rng, _configs()))


def as_json(rng: random.Random) -> bool:
    """The same of JSON, which is YAML, too."""
    return _config(_any_of(rng, _as_json()))


def _config(text: bytes) -> bool:
    try:
        config = loads(text)
    except ConfigError as error:
        assert error.lines and all("\n" not in line for line in error.lines), "no single lines"
        return False
    assert loads(dumps(config).encode()) == config, "it reads differently the second time"
    return True
