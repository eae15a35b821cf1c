"""The servers of the benchmarks, started once for a test process, and the least of every row."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from benchmarks.bench import Bench
from benchmarks.servers import Servers
from benchmarks.sizes import TINY


@pytest.fixture(scope="session")
def bench() -> Iterator[Bench]:
    servers = Servers()
    made = Bench(servers, TINY, say=lambda _: None)
    try:
        yield made
    finally:
        made.close()
        servers.stop()
