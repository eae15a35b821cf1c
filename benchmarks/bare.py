"""The bare thing: the same values into a plain table, by the driver alone, as fast as it can honestly be done.

A bare table has the columns that a writer fills and a primary key, and nothing else: no index that the record needs, no
trigger, no hash. Beside it stands, where it says so, the same table with the unique keys that any event store has.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy.engine import make_url

from ledger.store.envelope import StoredRow
from ledger.store.recorder import EVENT_COLUMNS, LOG_COLUMNS, values_of

Values = tuple[Any, ...]

_INTEGERS = ("version", "schema_version", "occurred_offset", "command_index")
_KEYS = ("CREATE UNIQUE INDEX bare_stream ON bare (stream_id, version)",
         "CREATE UNIQUE INDEX bare_command ON bare (command_id, command_index)")  # fmt: skip
KEY_ALONE, WITH_KEYS = "a table with its primary key alone", "a table with the two unique keys too"


def values(row: StoredRow) -> Values:
    """The values of a row in the order of the columns that a writer fills."""
    return tuple(values_of(row).values())


def log_values(row: StoredRow) -> Values:
    """The same with the place in the log."""
    return (*values(row), row.position, row.recorded_at, row.leaf)


def postgres_table(url: str, *, keys: bool = False) -> psycopg.Connection[Any]:
    """Make the bare table anew; the connection commits every statement by itself."""
    connection = psycopg.connect(url, autocommit=True)
    columns = ", ".join(f"{name} {_postgres_type(name)}" for name in (*EVENT_COLUMNS, "written_at"))
    _execute(connection, "DROP TABLE IF EXISTS bare")
    _execute(connection, f"CREATE TABLE bare (ticket bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, {columns})")
    for statement in _KEYS if keys else ():
        _execute(connection, statement)
    return connection


def _postgres_type(name: str) -> str:
    return "integer" if name in _INTEGERS else "bytea" if name == "payload" else 'text COLLATE "C"'


def _execute(connection: psycopg.Connection[Any], statement: str) -> None:
    connection.execute(statement.encode())


_INSERT = (
    f"INSERT INTO bare ({', '.join(EVENT_COLUMNS)}, written_at) VALUES ({', '.join(['%s'] * (len(EVENT_COLUMNS) + 1))})"
).encode()
#: One statement for a whole batch: an array for each column.
_INSERT_ARRAYS = (
    f"INSERT INTO bare ({', '.join(EVENT_COLUMNS)}, written_at) SELECT * FROM unnest("
    + ", ".join(
        f"%s::{'integer' if name in _INTEGERS else 'bytea' if name == 'payload' else 'text'}[]"
        for name in (*EVENT_COLUMNS, "written_at")
    )
    + ")"
).encode()


def insert_each(connection: psycopg.Connection[Any], rows: Sequence[Values]) -> None:
    """One row a commit, the statement prepared by the server."""
    cursor = connection.cursor()
    for row in rows:
        cursor.execute(_INSERT, row, prepare=True)


def insert_pipelined(connection: psycopg.Connection[Any], batch: Sequence[Values]) -> None:
    """A batch in one transaction, row by row without waiting for each answer."""
    with connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(_INSERT, batch)


def insert_arrays(connection: psycopg.Connection[Any], batch: Sequence[Values]) -> None:
    """A batch in one statement, column by column."""
    columns: list[list[Any]] = [list(column) for column in zip(*batch, strict=True)]
    connection.execute(_INSERT_ARRAYS, columns)


#: The ways to insert a batch.
BATCH_WAYS: dict[str, Callable[[psycopg.Connection[Any], Sequence[Values]], None]] = {
    "executemany": insert_pipelined,
    "one INSERT of arrays": insert_arrays,
}


def writer(url: str, rows: Sequence[Values]) -> Callable[[], int]:
    """A process that inserts these rows into the bare table, one a commit."""
    connection = psycopg.connect(url, autocommit=True)

    def work() -> int:
        insert_each(connection, rows)
        connection.close()
        return len(rows)

    return work


def sqlite_table(url: str, *, keys: bool = False) -> sqlite3.Connection:
    """A file with the bare table, and the store's durability: WAL, and a commit waits for the disk."""
    path = make_url(url).database or ""
    for old in (path, f"{path}-wal", f"{path}-shm"):
        Path(old).unlink(missing_ok=True)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    columns = ", ".join(
        "position INTEGER PRIMARY KEY" if name == "position" else f"{name} {_sqlite_type(name)}" for name in LOG_COLUMNS
    )
    connection.execute(f"CREATE TABLE bare ({columns}) STRICT")
    for statement in _KEYS if keys else ():
        connection.execute(statement)
    return connection


def _sqlite_type(name: str) -> str:
    return "INTEGER" if name in _INTEGERS else "BLOB" if name in ("payload", "leaf") else "TEXT"


def insert_sqlite(connection: sqlite3.Connection, rows: Iterable[Values]) -> None:
    """One row a commit."""
    statement = f"INSERT INTO bare ({', '.join(LOG_COLUMNS)}) VALUES ({', '.join('?' * len(LOG_COLUMNS))})"
    for row in rows:
        connection.execute(statement, row)
