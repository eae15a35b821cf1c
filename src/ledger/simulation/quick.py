"""Commits that do not wait for the disk, for a load that can be made again.

Each minute of simulated time is a transaction of its own. Waiting for the disk after every one of them would take most
of a simulation's time, and protects what the same seed gives again. Nothing else is relaxed: the order, the
constraints and the append-only guard hold, and a crash leaves a shorter log, never a broken one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event

_STATEMENTS = {"sqlite": "PRAGMA synchronous = NORMAL", "postgresql": "SET synchronous_commit = off"}


@contextmanager
def without_waiting(engine: Engine) -> Iterator[None]:
    """Inside, commits return before they are on the disk; after it, connections are durable again.

    What was committed inside is on the disk with the first durable commit, or when the last connection closes. A
    database in memory has no disk, and is left alone.
    """
    if engine.url.database in (None, "", ":memory:"):
        yield
        return

    def relax(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute(_STATEMENTS[engine.dialect.name])
        cursor.close()
        if engine.dialect.name == "postgresql":
            connection.commit()

    event.listen(engine, "connect", relax)
    engine.dispose()
    try:
        yield
    finally:
        event.remove(engine, "connect", relax)
        engine.dispose()
