"""Shared fixtures."""

import pytest

from programs import library, load
from programs.simplify import simplify


@pytest.fixture(scope="session")
def simplified():
    """Each library program and what it simplifies to."""
    return {name: simplify(load(f"library:{name}")) for name in library()}
