"""A damaged store is one clear line, or nothing is lost: never a traceback, never another history.

Bytes, pages and lengths of a finished search's file are changed at random places, and of the file
and log that a killed search leaves, or another file takes its place; then the run is inspected and
resumed. More of them: scripts/check_long damaged.
"""

from __future__ import annotations

import random
import signal

import pytest

from tests.search.storage.damage import CASES, Searches, tried


@pytest.fixture(autouse=True)
def _signals():
    """A search sets handlers of its own."""
    before = [(number, signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM)]
    yield
    for number, handler in before:
        signal.signal(number, handler)


@pytest.fixture(scope="module")
def searches(tmp_path_factory) -> Searches:
    return Searches.made(tmp_path_factory.mktemp("searches"))


@pytest.mark.parametrize("part", range(4))
@pytest.mark.parametrize("case", CASES, ids="".join)
def test_a_damaged_store_is_one_line_or_the_same_history(searches, tmp_path, case, part):
    rng = random.Random("".join(case) + str(part))
    cases = [tried(searches, case, rng, tmp_path / str(number)) for number in range(6)]
    assert not [one for one in cases if one.complaints]
    refused = sum(one.refused for one in cases)
    # A damaged log ends where the damage is, and a log may hold newer copies of the file's pages.
    assert refused or case[0] == "killed"
    assert refused == len(cases) or case[1] != "foreign"
