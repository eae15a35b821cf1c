"""One rebuild of a view at a time: a lock that says who holds it, and that goes with the process that does.

On PostgreSQL it is the server's, one a view, held by a connection of its own: the server lets it go as soon as the
connection is gone. On SQLite it is the operating system's, on a small file beside the database. So a rebuild that was
killed keeps nobody waiting, and needs nobody to clear up after it.
"""

from __future__ import annotations

import fcntl
import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from ledger.errors import BadInput, LedgerError

T = TypeVar("T")

#: The first key of the advisory locks; the second is the view's.
_LOCK = 1818583914
#: How long a rebuild waits for one that is just ending, in seconds; and between looks.
PATIENCE = 2.0
_LOOK = 0.05
#: A machine that is gone does not say so: the server asks, and gives it up after this many seconds.
_KEEPALIVE = "SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3"
_HOLDER = (
    "SELECT coalesce(nullif(a.application_name, ''), 'process ' || a.pid || ' of the server') FROM pg_locks l "
    "JOIN pg_stat_activity a USING (pid) WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2 "
    "AND l.classid = %s AND l.objid::bigint = (hashtext(%s)::bigint & 4294967295) "
    "AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


class BeingRebuilt(LedgerError):
    """Somebody else is rebuilding the view."""

    exit_code = 3

    def __init__(self, holder: str) -> None:
        super().__init__(f"another rebuild is at work: {holder}; wait until it has ended, or end it, and repeat this")


@contextmanager
def exclusively(engine: Engine, views: Sequence[str]) -> Iterator[Callable[[], None]]:
    """Hold the right to rebuild these views; gives what raises ``LedgerError`` if it has been lost.

    Raises ``BeingRebuilt``, which says who rebuilds one of them now.
    """
    if engine.dialect.name == "postgresql":
        with _on_server(engine, views) as check:
            yield check
        return
    database = engine.url.database
    if not database or database == ":memory:" or database.startswith("file:"):
        yield lambda: None  # nobody else can open it
        return
    with _beside(Path(database), views):
        yield lambda: None


def _me() -> str:
    return f"process {os.getpid()} on {socket.gethostname()}"


@contextmanager
def _on_server(engine: Engine, views: Sequence[str]) -> Iterator[Callable[[], None]]:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(
            "SELECT set_config('application_name', %s, false)", (f"ledger rebuild: {_me()}"[:63],)
        )
        connection.exec_driver_sql(_KEEPALIVE)
        try:
            for view in sorted(views):
                _wait(partial(_try, connection, view), partial(_holder, connection, view))
            yield lambda: _still(connection)
        finally:
            connection.invalidate()  # closes it, and the server lets go of its locks


def _try(connection: Connection, view: str) -> bool | None:
    """True with the lock, None without."""
    statement = "SELECT pg_try_advisory_lock(%s, hashtext(%s))"
    return True if connection.exec_driver_sql(statement, (_LOCK, view)).scalar() else None


def _holder(connection: Connection, view: str) -> str:
    found = connection.exec_driver_sql(_HOLDER, (_LOCK, view)).scalar() or "just ending"
    return f"the view {view}, {found}"


def _still(connection: Connection) -> None:
    try:
        connection.exec_driver_sql("SELECT 1")
    except DBAPIError as fault:
        raise LedgerError("the connection that kept other rebuilds away is gone; nothing was switched") from fault


@contextmanager
def _beside(database: Path, views: Sequence[str]) -> Iterator[None]:
    """One rebuild at a time of a whole file: its writers take turns anyway."""
    place = database.with_name(f"{database.name}-rebuild")
    held = _wait(partial(_take, place), partial(_written, place))
    try:
        os.write(held, f"{', '.join(sorted(views))}, {_me()}".encode())
        yield
    finally:
        place.unlink(missing_ok=True)
        os.close(held)


def _take(place: Path) -> int | None:
    """The lock's file, open and locked; None while another process has it."""
    try:
        descriptor = os.open(place, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as fault:
        raise BadInput(f"LEDGER_DATABASE: {place} cannot be written: {fault.strerror}") from fault
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(descriptor).st_ino == place.stat().st_ino:
            os.ftruncate(descriptor, 0)
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass  # held, or removed by the one who held it until now
    os.close(descriptor)
    return None


def _written(place: Path) -> str:
    try:
        return place.read_text(encoding="utf-8") or "just beginning"
    except FileNotFoundError:
        return "just ending"


def _wait(take: Callable[[], T | None], holder: Callable[[], str]) -> T:
    until = time.monotonic() + PATIENCE
    while (taken := take()) is None:
        if time.monotonic() > until:
            raise BeingRebuilt(holder())
        time.sleep(_LOOK)
    return taken
