"""Rows of a view, read and written many at once: one statement for all of them, and no work by SQLAlchemy for each.

On PostgreSQL rows go in by COPY, on SQLite by one prepared statement. A changed row takes the place of the old one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, OperationalError

from ledger.consumers.generations import Stand
from ledger.projections.base import Key

#: Parameters of one statement on SQLite; well under the fewest that any build of it allows.
_PARAMETERS = 900


def read_rows(
    connection: Connection, stand: Stand, columns: Sequence[str], keys: Sequence[Key]
) -> Iterator[Sequence[Any]]:
    """The rows with these keys, those that there are: the values of these columns."""
    names, table = ", ".join(map(_quoted, columns)), _quoted(stand.table.name)
    for condition, parameters in _keys_in(connection, stand, keys):
        yield from connection.exec_driver_sql(f"SELECT {names} FROM {table} WHERE {condition}", parameters)  # noqa: S608 - our own names


def write_rows(
    connection: Connection, stand: Stand, columns: Sequence[str], rows: Sequence[Sequence[Any]], gone: Sequence[Key]
) -> None:
    """Write rows in place of those with the keys that are gone: removed, or changed and among the rows."""
    table = _quoted(stand.table.name)
    for condition, parameters in _keys_in(connection, stand, gone):
        connection.exec_driver_sql(f"DELETE FROM {table} WHERE {condition}", parameters)  # noqa: S608 - our own names
    if not rows:
        return
    names = ", ".join(map(_quoted, columns))
    if connection.dialect.name == "postgresql":
        _copy(connection, f"COPY {table} ({names}) FROM STDIN", rows)
    else:
        marks = ", ".join("?" * len(columns))
        statement = f"INSERT INTO {table} ({names}) VALUES ({marks})"  # noqa: S608 - our own names
        connection.exec_driver_sql(statement, [tuple(row) for row in rows])


def _copy(connection: Connection, statement: str, rows: Sequence[Sequence[Any]]) -> None:
    """COPY rows in the connection's transaction; the driver's errors are raised as SQLAlchemy raises them."""
    driver: psycopg.Connection[Any] = connection.connection.driver_connection  # type: ignore[assignment]  # psycopg's
    try:
        with driver.cursor() as cursor, cursor.copy(statement.encode()) as copy:
            for row in rows:
                copy.write_row(row)
    except psycopg.OperationalError as fault:
        raise OperationalError(statement, None, fault) from fault
    except psycopg.Error as fault:
        raise DBAPIError(statement, None, fault) from fault


def _keys_in(connection: Connection, stand: Stand, keys: Sequence[Key]) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """A condition for these keys with its parameters; several where a database takes only so many at once."""
    if not keys:
        return
    names = [_quoted(name) for name in stand.projection.key]
    if connection.dialect.name == "postgresql":
        columns = [list(column) for column in zip(*keys, strict=True)]
        wanted = ", ".join(["%s::text[]"] * len(names))
        yield f"({', '.join(names)}) IN (SELECT * FROM unnest({wanted}))", tuple(columns)  # noqa: S608 - our own names
        return
    each = f"({', '.join('?' * len(names))})"
    step = _PARAMETERS // len(names)
    for start in range(0, len(keys), step):
        some = keys[start : start + step]
        marks = ", ".join([each] * len(some))
        yield f"({', '.join(names)}) IN (VALUES {marks})", tuple(value for key in some for value in key)


def _quoted(name: str) -> str:
    return f'"{name}"'
