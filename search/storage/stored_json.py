"""JSON from a store, which may be a stranger's: of the type that is expected, or a StoreError."""

from __future__ import annotations

import json
from typing import Any

from search.storage.errors import StoreError, printable

MAX_CHARACTERS = 2**20
"""Longest text that is read; what a search writes has some thousands."""


def stored_object(text: str | None, what: str) -> dict[str, Any]:
    """A JSON object; an empty one where nothing was stored.

    what: it is, for the message.
    """
    value = _parsed(text or "{}", what)
    if not isinstance(value, dict):
        raise _wrong(what, text)
    return value


def stored_array(text: str, what: str) -> list[Any]:
    value = _parsed(text, what)
    if not isinstance(value, list):
        raise _wrong(what, text)
    return value


def _parsed(text: str, what: str) -> Any:
    if len(text) > MAX_CHARACTERS:
        raise StoreError(f"{what} is longer than {MAX_CHARACTERS:,} characters")
    try:
        value = json.loads(text)
        return _printable(value) if "\\" in text else value  # an escape may be of any character
    except (ValueError, RecursionError):
        raise _wrong(what, text) from None


def _printable(value: Any) -> Any:
    """The same with all texts as a store's other texts are read."""
    if isinstance(value, str):
        return printable(value.encode(errors="replace"))
    if isinstance(value, list):
        return [_printable(one) for one in value]
    if isinstance(value, dict):
        return {_printable(key): _printable(one) for key, one in value.items()}
    return value


def _wrong(what: str, text: str | None) -> StoreError:
    return StoreError(f"{what} is '{(text or '')[:40]}'")
