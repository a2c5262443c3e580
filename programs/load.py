"""Programs by name: a file, or one of the library, as in `library:lion`."""

from __future__ import annotations

from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import BinaryIO

from programs.parse import BYTE_ORDER_MARK, MAX_BYTES, parse
from programs.program import Program, ProgramError
from programs.stand_ins import text_for
from programs.suggest import did_you_mean

LIBRARY = "library:"


def load(name: str | Path) -> Program:
    """Reads a program from a path, or from the library as in "library:lion".

    Raises:
      ProgramError: no such file or library program, or its text is not a program.
    """
    return read(name)[0]


def read(name: str | Path) -> tuple[Program, str]:
    """`load`, with the text that it read: once, since a pipe can be read but once."""
    name = str(name)
    if (text := text_for(name)) is not None:
        return parse(text, name), text
    if name.startswith(LIBRARY):
        text = library_text(name.removeprefix(LIBRARY))
        return parse(text, name), text
    path = Path(name)
    try:
        with path.open("rb") as stream:
            return read_from(stream, name)
    except (OSError, ValueError) as error:
        if isinstance(error, ProgramError):
            raise
        if name.startswith("optax:"):
            raise ProgramError(
                f"{name!r}: an optimizer of optax has no program; expected a file, or a name such "
                f"as {LIBRARY}adamw"
            ) from None
        reason = getattr(error, "strerror", None) or str(error)
        hint = f"; did you mean '{LIBRARY}{name}'?" if name in library() else ""
        raise ProgramError(f"cannot read {name!r}: {reason}{hint}") from None


def read_from(stream: BinaryIO, file: str) -> tuple[Program, str]:
    """Reads a program from an open file, with its text."""
    data = stream.read(MAX_BYTES + 1)
    return parse(data, file), data.decode("utf-8").removeprefix(BYTE_ORDER_MARK)


def library() -> list[str]:
    """The names of the library's programs that are known from elsewhere."""
    return _names_in("")


def discovered() -> list[str]:
    """The names of those that a search of this project found, as `discovered/NAME`; each has a
    certificate and a transfer card beside it."""
    return _names_in("discovered/")


def library_text(name: str) -> str:
    """The text of a program of the library. Raises ProgramError: there is none of that name."""
    names = [*library(), *discovered()]
    if name not in names:
        raise ProgramError(
            f"no library program '{name}'{did_you_mean(name, names)}; there are: {', '.join(names)}"
        )
    return (_library_files() / f"{name}.py").read_text(encoding="utf-8")


def _names_in(folder: str) -> list[str]:
    files = (_library_files() / folder).iterdir()
    return sorted(f"{folder}{p.name[:-3]}" for p in files if p.name.endswith(".py"))


def _library_files() -> Traversable:
    return resources.files("programs") / "library"
