"""The exception for a user's mistakes in this package, and the words that its messages share."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class TaskError(ValueError):
    """A task, setting or data source that cannot be used; its message is one line."""


def did_you_mean(name: object, valid: Iterable[str]) -> str:
    """`"; did you mean 'steps'?"`, or the list of valid names when none is near."""
    names = sorted(valid)
    near = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else f"; valid are: {', '.join(names)}"


def short_repr(value: object, limit: int = 60) -> str:
    """`repr(value)` cut to one short line, for messages that quote what a user gave."""
    text = repr(value).replace("\n", " ")
    return text if len(text) <= limit else text[: limit - 3] + "..."
