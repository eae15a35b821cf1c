"""Statements compiled once: SQLAlchemy Core writes the SQL for each database, and the hot path sends it as it is.

Building and hashing a statement for every execution costs more than SQLite takes to answer it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, CursorResult, Executable
from sqlalchemy.sql.elements import ClauseElement


class Prepared:
    """A Core statement with named parameters, compiled for each dialect when it is first used there."""

    def __init__(self, statement: Executable, columns: Sequence[str] | None = None) -> None:
        self._statement = statement
        self._columns = columns
        self._compiled: dict[str, tuple[str, tuple[str, ...] | None, dict[str, Any]]] = {}

    def run(self, connection: Connection, parameters: Mapping[str, Any] | None = None) -> CursorResult[Any]:
        """Execute once."""
        sql, names, fixed = self._sql(connection)
        return connection.exec_driver_sql(sql, _arranged(names, {**fixed, **(parameters or {})}))

    def run_many(self, connection: Connection, parameters: Sequence[Mapping[str, Any]]) -> None:
        """Execute once for each set of parameters, in one call of the driver."""
        sql, names, _ = self._sql(connection)
        connection.exec_driver_sql(sql, [_arranged(names, one) for one in parameters])

    def _sql(self, connection: Connection) -> tuple[str, tuple[str, ...] | None, dict[str, Any]]:
        dialect = connection.dialect
        found = self._compiled.get(dialect.name)
        if found is None:
            if not isinstance(self._statement, ClauseElement):
                raise TypeError("only a Core statement can be prepared")
            keys = list(self._columns) if self._columns is not None else None
            compiled = self._statement.compile(dialect=dialect, column_keys=keys)
            order = getattr(compiled, "positiontup", None)
            fixed = {name: value for name, value in compiled.params.items() if value is not None}
            found = (str(compiled), tuple(order) if order else None, fixed)
            self._compiled[dialect.name] = found
        return found


def _arranged(names: tuple[str, ...] | None, parameters: Mapping[str, Any]) -> Any:
    """Parameters as the driver wants them: in order, or by name."""
    return tuple(parameters[name] for name in names) if names is not None else dict(parameters)
