"""Statements compiled once: SQLAlchemy Core writes the SQL for each database, and the hot path sends it as it is.

Building and hashing a statement for every execution costs more than SQLite takes to answer it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Dialect, Executable
from sqlalchemy.sql.elements import ClauseElement


class Prepared:
    """A Core statement with named parameters, compiled for each dialect when it is first used there."""

    def __init__(self, statement: Executable) -> None:
        self._statement = statement
        self._compiled: dict[str, tuple[str, tuple[str, ...] | None, dict[str, Any]]] = {}

    def run(self, cursor: Any, dialect: Dialect, parameters: Mapping[str, Any] | None = None) -> list[Sequence[Any]]:
        """Execute it with a cursor of the driver; returns its rows."""
        sql, names, fixed = self._compiled.get(dialect.name) or self._compile(dialect)
        given = {**fixed, **(parameters or {})}
        cursor.execute(sql, [given[name] for name in names] if names is not None else given)
        rows: list[Sequence[Any]] = cursor.fetchall()
        return rows

    def _compile(self, dialect: Dialect) -> tuple[str, tuple[str, ...] | None, dict[str, Any]]:
        if not isinstance(self._statement, ClauseElement):
            raise TypeError("only a Core statement can be prepared")
        compiled = self._statement.compile(dialect=dialect)
        order = getattr(compiled, "positiontup", None)
        fixed = {name: value for name, value in compiled.params.items() if value is not None}
        found = self._compiled[dialect.name] = (str(compiled), tuple(order) if order else None, fixed)
        return found
