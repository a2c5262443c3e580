"""The library's programs that searches of this project found: each with its card and certificate."""

import re
from importlib import resources

import pytest

from programs import ProgramError, discovered, library, load
from programs.__main__ import main
from programs.simplify import simplify

FOLDER = resources.files("programs") / "library" / "discovered"


@pytest.mark.parametrize("name", discovered())
def test_each_is_what_its_card_and_certificate_are_of(name):
    program = load(f"library:{name}")
    short = name.removeprefix("discovered/")
    card = (FOLDER / f"{short}.md").read_text()
    [text] = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    assert text == str(program)
    assert "## Where it does not help" in card and "Made by a search with " in card
    assert text.rstrip() in (FOLDER / f"{short}_certificate.md").read_text()
    assert len(simplify(program).program) == len(program)


def test_they_are_named_apart_from_those_known_from_elsewhere():
    assert not set(library()) & set(discovered())
    with pytest.raises(ProgramError, match="no library program 'discovered/nothing'"):
        load("library:discovered/nothing")
    with pytest.raises(ProgramError, match=r"no library program '\.\./parse'"):
        load("library:../parse")


def test_they_are_listed(capsys):
    assert main(["list"]) == 0
    listed = capsys.readouterr().out
    assert all(f"library:{name}" in listed for name in discovered())
