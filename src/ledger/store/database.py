"""Opening a database: the engine with the durability the record needs, and the migrations that make its tables."""

from __future__ import annotations

import os
import re
import sqlite3
from contextlib import suppress
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, DBAPIError

from ledger.clock import Clock, SystemClock
from ledger.errors import BadInput, LedgerError
from ledger.store.direct import IDLE_MS
from ledger.store.postgres import PostgresRecorder, begin_era, check_database
from ledger.store.recorder import Recorder
from ledger.store.sqlite import SQLiteRecorder

#: The newest revision under ``migrations/versions``; a test holds the two together.
HEAD_REVISION = "0004"


#: What a server says that is there and lets nobody in, or not us; of a connection that fails psycopg has only the text.
_REFUSED = re.compile(r"authentication failed|no pg_hba\.conf entry|does not exist|permission denied|not permitted")


class CannotOpen(LedgerError):
    """The database does not answer, or does not let us in."""


def is_away(fault: BaseException) -> bool:
    """Whether a fault says that PostgreSQL is away for now: stopped, starting, or out of reach."""
    if isinstance(fault, CannotOpen) and fault.__cause__ is not None:
        fault = fault.__cause__
    if not isinstance(fault, DBAPIError) or not isinstance(fault.orig, psycopg.Error):
        return False
    if _REFUSED.search(str(fault.orig)):
        return False
    return fault.connection_invalidated or isinstance(fault.orig, psycopg.OperationalError)


def open_engine(url: str) -> Engine:
    """An engine for ``sqlite:///FILE`` or ``postgresql://…``; anything else is refused, naming the setting."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as fault:
        raise BadInput(
            "LEDGER_DATABASE: not a database URL; write sqlite:///ledger.db or postgresql://user@host/name"
        ) from fault
    if parsed.get_backend_name() == "sqlite":
        file = _file_of(parsed)
        if on_read_only_medium(file):
            return _engine_that_reads(parsed, file)
        _make_private(file)
        engine = create_engine(parsed.set(drivername="sqlite+pysqlite"), hide_parameters=True)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    if parsed.get_backend_name() == "postgresql":
        # Said aloud, because the order depends on it: each statement after a lock sees what was committed before it.
        engine = create_engine(
            parsed.set(drivername="postgresql+psycopg"), isolation_level="READ COMMITTED", hide_parameters=True
        )
        event.listen(engine, "connect", _prepare_postgres)
        return engine
    raise BadInput(f"LEDGER_DATABASE: {parsed.get_backend_name()} is not supported; use sqlite or postgresql")


def _file_of(url: URL) -> Path:
    """The file of an SQLite store; a store that would be gone with the process is refused."""
    name = url.database or ""
    if url.host or not name or name == ":memory:" or name.startswith("file:"):
        raise BadInput(
            "LEDGER_DATABASE: it names no file, and what is recorded in memory is lost with the process; write "
            "sqlite:///ledger.db, or sqlite:////var/lib/ledger/ledger.db"
        )
    if not Path(name).parent.is_dir():
        raise BadInput(f"LEDGER_DATABASE: the folder {Path(name).parent} does not exist; create it first")
    return Path(name)


def on_read_only_medium(file: Path) -> bool:
    """Whether a file is there, on a file system that nobody can write to from here."""
    try:
        return bool(os.statvfs(file).f_flag & os.ST_RDONLY)
    except OSError:
        return False


def _engine_that_reads(url: URL, file: Path) -> Engine:
    """An engine on a file that cannot be written; nothing is written beside it either.

    Where a write-ahead log was left beside it, SQLite reads through that; else the file is all there is.
    """
    log = file.with_name(f"{file.name}-wal")
    how = "mode=ro" if log.is_file() and log.stat().st_size else "immutable=1"
    name = f"file:{quote(str(file.resolve()))}?{how}"
    engine = create_engine(
        url.set(drivername="sqlite+pysqlite"),
        creator=lambda: sqlite3.connect(name, uri=True, check_same_thread=False),
        hide_parameters=True,
    )
    event.listen(engine, "connect", _prepare_to_read)
    event.listen(engine, "begin", _begin_to_read)
    return engine


def _prepare_to_read(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None
    connection.execute("PRAGMA query_only = ON").close()


def _begin_to_read(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _make_private(file: Path) -> None:
    """Make a database's file readable by its owner only; what SQLite writes beside it gets the file's own rights.

    A file that is there keeps its rights. Where it cannot be made, opening the database says why.
    """
    with suppress(OSError):
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def _prepare_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    """Durable commits, readers that never block the writer, and transactions that we begin ourselves."""
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA busy_timeout = 30000")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _prepare_postgres(connection: psycopg.Connection, _record: Any) -> None:
    """A transaction that stands still does not hold others up for long."""
    connection.execute(f"SET idle_in_transaction_session_timeout = {IDLE_MS}")
    connection.commit()


def _begin_sqlite(connection: Connection) -> None:
    """A writer takes SQLite's write lock at once, so that what it reads cannot change before it writes."""
    writing = connection.get_execution_options().get("ledger_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def revision(engine: Engine) -> str | None:
    """The migration the database is at; None for an empty one."""
    try:
        with engine.connect() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return None
            found = connection.scalar(text("SELECT version_num FROM alembic_version"))
            return None if found is None else str(found)
    except DatabaseError as fault:
        raise CannotOpen(f"LEDGER_DATABASE: cannot open the database: {fault.orig}") from fault


def migrate(engine: Engine) -> None:
    """Bring the tables up to this release; a store restored from another server's dump begins its new era."""
    if revision(engine) == HEAD_REVISION:
        if engine.dialect.name == "postgresql":
            begin_era(engine)
        return
    from alembic import command  # Alembic takes a fifth of a second to import, and is needed once in a database's life
    from alembic.config import Config

    with resources.as_file(resources.files("ledger.store") / "migrations") as folder:
        config = Config()
        config.set_main_option("script_location", str(folder))
        config.attributes["engine"] = engine
        try:
            command.upgrade(config, "head")
        except engine.dialect.loaded_dbapi.Error as fault:  # the migrations use the driver's own cursor
            said = (str(fault).splitlines() or ["no reason given"])[0]
            raise LedgerError(f"LEDGER_DATABASE: cannot migrate, and nothing was changed: {said}") from fault


def open_store(url: str, clock: Clock | None = None, *, writes: bool = True) -> Recorder:
    """Open the store at ``url``; an empty database gets its tables, one of another release is refused.

    A file on a read-only medium is refused, unless the caller ``writes`` nothing.
    """
    engine = open_engine(url)
    try:
        if writes and engine.dialect.name == "sqlite" and on_read_only_medium(Path(engine.url.database or "")):
            raise BadInput(
                f"LEDGER_DATABASE: {engine.url.database} lies on a read-only medium; there it can be verified (ledger "
                "verify). Everything else records something, a read as well: copy it to where it can be written"
            )
        check_store(engine)
    except BaseException:
        engine.dispose()
        raise
    return recorder_for(engine, clock or SystemClock())


def check_store(engine: Engine) -> None:
    """Refuse a database of another release, or one that can lose what was committed; an empty file gets its tables."""
    at = revision(engine)
    if at is None and engine.dialect.name == "sqlite":
        migrate(engine)
    elif at != HEAD_REVISION:
        raise LedgerError(
            f"LEDGER_DATABASE: the database is at revision {at or 'none'}, this release needs {HEAD_REVISION}; "
            "run: ledger migrate"
        )
    if engine.dialect.name == "postgresql":
        with engine.connect() as connection:
            check_database(connection)


def recorder_for(engine: Engine, clock: Clock) -> Recorder:
    """The recorder that fits an engine."""
    if engine.dialect.name == "sqlite":
        return SQLiteRecorder(engine, clock)
    return PostgresRecorder(engine, clock)
