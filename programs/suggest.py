"""What a mistyped name may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_MOST = 100  # comparing is slow, and of a program's variables the near ones come last


def did_you_mean(name: str, names: Iterable[str], *, or_list: bool = False) -> str:
    """ "; did you mean 'x'?" for the closest of `names`, if one is close.

    Args:
      or_list: where none is close, say which there are.
    """
    names = list(dict.fromkeys(names))
    close = difflib.get_close_matches(name, names[-_MOST:], n=1)
    if close:
        return f"; did you mean '{close[0]}'?"
    return f"; there are: {', '.join(names)}" if or_list else ""
