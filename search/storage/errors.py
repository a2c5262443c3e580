"""What is wrong with a run directory, in one line; text that is safe to print."""

from __future__ import annotations

from collections.abc import Sequence


class StoreError(RuntimeError):
    """The run directory cannot be used, in one line."""


_CONTROLS = bytes(sorted({*range(32), 127} - {ord("\t"), ord("\n")}))
_MORE_CONTROLS = dict.fromkeys(range(0x80, 0xA0))


def printable(raw: bytes) -> str:
    """Text without control characters: a run directory may be untrusted, and what is printed
    from it must not steer a terminal."""
    text = raw.translate(None, _CONTROLS).decode(errors="replace")
    return text if text.isascii() else text.translate(_MORE_CONTROLS)


def all_printable(texts: Sequence[str | None]) -> Sequence[str | None]:
    """The same of many texts; cheap where there is nothing to do."""
    joined = "".join(filter(None, texts))
    if joined.isascii() and len(raw := joined.encode()) == len(raw.translate(None, _CONTROLS)):
        return texts
    return [text and printable(text.encode(errors="replace")) for text in texts]
