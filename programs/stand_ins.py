"""Texts in place of program files that may be elsewhere by now, or say something else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

_TEXTS: ContextVar[Mapping[str, str] | None] = ContextVar("texts", default=None)


@contextmanager
def standing_in(texts: Mapping[str, str]) -> Iterator[None]:
    """Within it, a program that is read by one of these names has the text that is given here."""
    token = _TEXTS.set(texts)
    try:
        yield
    finally:
        _TEXTS.reset(token)


def text_for(name: str) -> str | None:
    """What stands in for the file of this name; None: nothing does."""
    return (_TEXTS.get() or {}).get(name)
