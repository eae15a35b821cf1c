"""The servers that the fault tests of one test process share, one test after the other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.system.world import World


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    with World() as started:
        yield started
