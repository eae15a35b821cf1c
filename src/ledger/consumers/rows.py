"""Rows of a view, read and written many at once: one statement for all of them, and no work by SQLAlchemy for each.

On PostgreSQL rows go in by COPY, on SQLite by one prepared statement. A changed row takes the place of the old one.
Few rows of several views travel to PostgreSQL and back together (``read_together``, ``write_together``): what takes
time then is not the rows but the waiting for one answer after the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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
    with _driver(connection, statement) as driver, driver.cursor() as cursor, cursor.copy(statement.encode()) as copy:
        for row in rows:
            copy.write_row(row)


def read_together(
    connection: Connection, wanted: Sequence[tuple[Stand, Sequence[str], Sequence[Key]]]
) -> list[Sequence[Sequence[Any]]]:
    """For each of some views the rows with these keys, as ``read_rows`` gives them; on PostgreSQL, all at once."""
    with _driver(connection, "SELECT") as driver, driver.pipeline():
        cursors = []
        for stand, columns, keys in wanted:
            cursors.append(cursor := driver.cursor())
            for condition, parameters in _keys_in(connection, stand, keys):
                names = ", ".join(map(_quoted, columns))
                cursor.execute(_sql(f"SELECT {names} FROM {_quoted(stand.table.name)} WHERE {condition}"), parameters)  # noqa: S608 - our own names
        return [cursor.fetchall() if keys else () for cursor, (_, _, keys) in zip(cursors, wanted, strict=True)]


def write_together(
    connection: Connection, changes: Sequence[tuple[Stand, Sequence[str], Sequence[Sequence[Any]], Sequence[Key]]]
) -> None:
    """As ``write_rows`` for some views, with few rows; on PostgreSQL, all at once."""
    with _driver(connection, "INSERT") as driver, driver.pipeline(), driver.cursor() as cursor:
        for stand, columns, rows, gone in changes:
            table, names = _quoted(stand.table.name), ", ".join(map(_quoted, columns))
            for condition, parameters in _keys_in(connection, stand, gone):
                cursor.execute(_sql(f"DELETE FROM {table} WHERE {condition}"), parameters)  # noqa: S608 - our own names
            if rows:
                marks = ", ".join(["%s"] * len(columns))
                cursor.executemany(_sql(f"INSERT INTO {table} ({names}) VALUES ({marks})"), rows)  # noqa: S608 - our own names


def _sql(statement: str) -> bytes:
    return statement.encode()


@contextmanager
def _driver(connection: Connection, statement: str) -> Iterator[psycopg.Connection[Any]]:
    """The driver's connection, in SQLAlchemy's transaction; its errors are raised as SQLAlchemy raises them."""
    try:
        yield connection.connection.driver_connection  # type: ignore[misc]  # it is psycopg's
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
